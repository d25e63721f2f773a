//! Access areas and their routes.
//!
//! An edit passes the area as the caller read it; if the area is different now, nothing is changed.
//! A path belongs to one area only, whatever methods are given with it.
use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute, with_connection},
    with_pool,
};
use crate::domain::{
    access::{Area, AreaSlug},
    audit::EventDraft,
    route::{Method, Route},
};

/// An access area with its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedArea {
    /// The area.
    pub area: Area,
    routes: Vec<Route>,
}

impl DefinedArea {
    /// Creates an area with these routes.
    #[must_use]
    pub fn new(area: Area, mut routes: Vec<Route>) -> Self {
        routes.sort();
        Self { area, routes }
    }

    /// Returns the area's routes in the order of [`Route`], which does not depend on the database.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

type AreaRow = (String, String, String);
/// The columns path, method, area and action.
pub(super) type RouteRow = (String, String, String, Option<String>);

const AREAS: &str = "SELECT slug, title, badge FROM areas ORDER BY sequence";
pub(super) const ROUTES: &str = "SELECT path, method, area, action FROM routes";

pub(super) fn slug_of(slug: &str) -> Result<AreaSlug, StoreError> {
    slug.parse()
        .map_err(|_| StoreError::corrupt("areas", "slug", slug))
}

fn area((slug, title, badge): AreaRow) -> Result<Area, StoreError> {
    let slug = slug_of(&slug)?;
    Ok(Area { slug, title, badge })
}

pub(super) fn route(row: &RouteRow) -> Result<(AreaSlug, Route), StoreError> {
    let (path, method, area, action) = row;
    let bad = |column| StoreError::corrupt("routes", column, path);
    let says = match (method.as_str(), action) {
        ("", None) => None,
        (method, Some(action)) => Some((
            Method::from_word(method).ok_or_else(|| bad("method"))?,
            action.parse().map_err(|_| bad("action"))?,
        )),
        _ => return Err(bad("action")),
    };
    let route = Route::new(path, says).map_err(|_| bad("path"))?;
    Ok((area.parse().map_err(|_| bad("area"))?, route))
}

fn defined(areas: Vec<AreaRow>, routes: &[RouteRow]) -> Result<Vec<DefinedArea>, StoreError> {
    let routes: Result<Vec<_>, _> = routes.iter().map(route).collect();
    let routes = routes?;
    let with_routes = |area: Area| {
        let of_it = routes.iter().filter(|(slug, _)| *slug == area.slug);
        let routes = of_it.map(|(_, route)| route.clone()).collect();
        DefinedArea::new(area, routes)
    };
    areas
        .into_iter()
        .map(|row| area(row).map(with_routes))
        .collect()
}

impl Store {
    /// Returns the access areas in the order of their creation.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn areas(&self) -> Result<Vec<Area>, StoreError> {
        let rows: Vec<AreaRow> =
            with_pool!(self, pool => sqlx::query_as(AREAS).fetch_all(pool).await)?;
        rows.into_iter().map(area).collect()
    }

    /// Returns the access areas with their routes, in the order of their creation.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn defined_areas(&self) -> Result<Vec<DefinedArea>, StoreError> {
        let areas: Vec<AreaRow> =
            with_pool!(self, pool => sqlx::query_as(AREAS).fetch_all(pool).await)?;
        let routes: Vec<RouteRow> =
            with_pool!(self, pool => sqlx::query_as(ROUTES).fetch_all(pool).await)?;
        defined(areas, &routes)
    }

    /// Adds an area.
    ///
    /// # Errors
    /// Returns [`StoreError::AreaExists`] if the slug is taken, [`StoreError::RouteTaken`] if
    /// another area has one of the paths, [`StoreError::Access`] if another area has the title or
    /// the badge, and another [`StoreError`] if the database fails.
    pub(crate) async fn add_area(
        &self,
        new: &DefinedArea,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let all = defined_within(&mut change).await?;
        new.area.check_beside(all.iter().map(|it| &it.area))?;
        let done = execute!(
            change,
            sqlx::query(
                "INSERT INTO areas (slug, sequence, title, badge) \
             SELECT $1, coalesce(max(sequence), 0) + 1, $2, $3 FROM areas WHERE true \
             ON CONFLICT (slug) DO NOTHING",
            )
            .bind(new.area.slug.as_str())
            .bind(new.area.title.as_str())
            .bind(new.area.badge.as_str())
        )?;
        if done == 0 {
            let slug = new.area.slug.to_string();
            return Err(StoreError::AreaExists { slug });
        }
        insert_routes(&mut change, new).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Replaces the title, the badge and the routes of an area.
    ///
    /// # Errors
    /// Returns [`StoreError::AreaConflict`] if the area is not as in `seen` any more, and the
    /// errors of [`Store::add_area`].
    pub(crate) async fn edit_area(
        &self,
        seen: &DefinedArea,
        edited: &DefinedArea,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let all = demand_as_seen(&mut change, seen).await?;
        edited.area.check_beside(all.iter().map(|it| &it.area))?;
        let slug = edited.area.slug.as_str();
        execute!(
            change,
            sqlx::query("UPDATE areas SET title = $1, badge = $2 WHERE slug = $3")
                .bind(edited.area.title.as_str())
                .bind(edited.area.badge.as_str())
                .bind(slug)
        )?;
        execute!(
            change,
            sqlx::query("DELETE FROM routes WHERE area = $1").bind(slug)
        )?;
        insert_routes(&mut change, edited).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Removes an area with its routes.
    ///
    /// # Errors
    /// Returns [`StoreError::AreaInUse`] if a key has a grant in the area, and the errors of
    /// [`Store::edit_area`].
    pub(crate) async fn remove_area(
        &self,
        seen: &DefinedArea,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        demand_as_seen(&mut change, seen).await?;
        let slug = seen.area.slug.as_str();
        let (keys,): (i64,) = with_connection!(change, connection => sqlx::query_as(
            "SELECT count(DISTINCT key_id) FROM grants WHERE area = $1",
        )
        .bind(slug)
        .fetch_one(connection)
        .await)?;
        if keys > 0 {
            let slug = slug.to_owned();
            return Err(StoreError::AreaInUse { slug, keys });
        }
        execute!(
            change,
            sqlx::query("DELETE FROM areas WHERE slug = $1").bind(slug)
        )?;
        change.record(event).await?;
        change.commit().await
    }
}

async fn defined_within(
    change: &mut ChangeTransaction<'_>,
) -> Result<Vec<DefinedArea>, StoreError> {
    let areas: Vec<AreaRow> = with_connection!(change, connection => {
        sqlx::query_as(AREAS).fetch_all(connection).await
    })?;
    let routes: Vec<RouteRow> = with_connection!(change, connection => {
        sqlx::query_as(ROUTES).fetch_all(connection).await
    })?;
    defined(areas, &routes)
}

/// Returns all areas if this one is still as in `seen`.
async fn demand_as_seen(
    change: &mut ChangeTransaction<'_>,
    seen: &DefinedArea,
) -> Result<Vec<DefinedArea>, StoreError> {
    let all = defined_within(change).await?;
    if all.contains(seen) {
        return Ok(all);
    }
    let slug = seen.area.slug.to_string();
    Err(StoreError::AreaConflict { slug })
}

async fn insert_routes(
    change: &mut ChangeTransaction<'_>,
    of: &DefinedArea,
) -> Result<(), StoreError> {
    for route in &of.routes {
        let taken = || StoreError::RouteTaken {
            path: route.path().to_owned(),
        };
        let (others,): (i64,) = with_connection!(change, connection => sqlx::query_as(
            "SELECT count(*) FROM routes WHERE path = $1 AND area <> $2",
        )
        .bind(route.path())
        .bind(of.area.slug.as_str())
        .fetch_one(connection)
        .await)?;
        if others > 0 {
            return Err(taken());
        }
        let said = route.says();
        let done = execute!(
            change,
            sqlx::query(
                "INSERT INTO routes (path, method, area, action) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (path, method) DO NOTHING",
            )
            .bind(route.path())
            .bind(said.map_or("", |(method, _)| method.word()))
            .bind(of.area.slug.as_str())
            .bind(said.map(|(_, action)| action.word()))
        )?;
        if done == 0 {
            return Err(taken());
        }
    }
    Ok(())
}
