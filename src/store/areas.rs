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
    route::{Method, PathForm, PathRules, Pattern, Route, Routes},
};

/// An access area with its rules about paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedArea {
    /// The area.
    pub area: Area,
    /// Its routes, and the form of its paths.
    pub rules: PathRules,
}

/// Returns the table of these areas' routes.
#[must_use]
pub(crate) fn routes(areas: &[DefinedArea]) -> Routes {
    let rules = |it: &DefinedArea| (it.area.slug.clone(), it.rules.clone());
    Routes::new(areas.iter().map(rules))
}

/// The columns slug, title, badge, paths and `case_sensitive`.
pub(super) type AreaRow = (String, String, String, String, i64);
/// The columns path, method, area and action.
pub(super) type RouteRow = (String, String, String, Option<String>);

pub(super) const AREAS: &str =
    "SELECT slug, title, badge, paths, case_sensitive FROM areas ORDER BY sequence";
pub(super) const ROUTES: &str = "SELECT path, method, area, action FROM routes";

fn slug_of(slug: &str) -> Result<AreaSlug, StoreError> {
    slug.parse()
        .map_err(|_| StoreError::corrupt("areas", "slug", slug))
}

fn area((slug, title, badge, ..): AreaRow) -> Result<Area, StoreError> {
    let slug = slug_of(&slug)?;
    Ok(Area { slug, title, badge })
}

fn route(row: &RouteRow) -> Result<(AreaSlug, Route), StoreError> {
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
    let pattern = Pattern::stored(path).map_err(|_| bad("path"))?;
    let area = area.parse().map_err(|_| bad("area"))?;
    Ok((area, Route::new(pattern, says)))
}

pub(super) fn defined(
    areas: Vec<AreaRow>,
    routes: &[RouteRow],
) -> Result<Vec<DefinedArea>, StoreError> {
    let routes: Result<Vec<_>, _> = routes.iter().map(route).collect();
    let routes = routes?;
    let with_rules = |row: AreaRow| {
        let bad = |column| StoreError::corrupt("areas", column, &row.0);
        let form = PathForm::from_word(&row.3).ok_or_else(|| bad("paths"))?;
        let case_sensitive = match row.4 {
            0 => false,
            1 => true,
            _ => return Err(bad("case_sensitive")),
        };
        let area = area(row)?;
        let of_it = routes.iter().filter(|(slug, _)| *slug == area.slug);
        let routes = of_it.map(|(_, route)| route.clone()).collect();
        let rules = PathRules::new(routes, form, case_sensitive);
        Ok(DefinedArea { area, rules })
    };
    areas.into_iter().map(with_rules).collect()
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
    /// Returns [`StoreError::AreaExists`] if the slug is taken, [`StoreError::Route`] if a route
    /// conflicts with one of another area, [`StoreError::Access`] if another area
    /// has the title or the badge, and another [`StoreError`] if the database fails.
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
                "INSERT INTO areas (slug, sequence, title, badge, paths, case_sensitive) \
             SELECT $1, coalesce(max(sequence), 0) + 1, $2, $3, $4, $5 FROM areas WHERE true \
             ON CONFLICT (slug) DO NOTHING",
            )
            .bind(new.area.slug.as_str())
            .bind(new.area.title.as_str())
            .bind(new.area.badge.as_str())
            .bind(new.rules.form.word())
            .bind(i64::from(new.rules.case_sensitive))
        )?;
        if done == 0 {
            let slug = new.area.slug.to_string();
            return Err(StoreError::AreaExists { slug });
        }
        check_routes(new, &all)?;
        insert_routes(&mut change, new).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Replaces the title, the badge and the rules of an area.
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
        check_routes(edited, &all)?;
        let slug = edited.area.slug.as_str();
        execute!(
            change,
            sqlx::query(
                "UPDATE areas SET title = $1, badge = $2, paths = $3, case_sensitive = $4 \
                 WHERE slug = $5",
            )
            .bind(edited.area.title.as_str())
            .bind(edited.area.badge.as_str())
            .bind(edited.rules.form.word())
            .bind(i64::from(edited.rules.case_sensitive))
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

/// Checks the rules of an area by themselves and beside those of all others.
fn check_routes(of: &DefinedArea, all: &[DefinedArea]) -> Result<(), StoreError> {
    of.rules.check()?;
    for other in all.iter().filter(|other| other.area.slug != of.area.slug) {
        let theirs = (&other.area.slug, &other.rules);
        of.rules.check_beside(&of.area.slug, theirs)?;
    }
    Ok(())
}

/// Writes the routes of an area that were checked.
async fn insert_routes(
    change: &mut ChangeTransaction<'_>,
    of: &DefinedArea,
) -> Result<(), StoreError> {
    for route in of.rules.routes() {
        let said = route.says();
        execute!(
            change,
            sqlx::query("INSERT INTO routes (path, method, area, action) VALUES ($1, $2, $3, $4)")
                .bind(route.pattern().as_str())
                .bind(said.map_or("", |(method, _)| method.word()))
                .bind(of.area.slug.as_str())
                .bind(said.map(|(_, action)| action.word()))
        )?;
    }
    Ok(())
}
