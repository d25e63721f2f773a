//! Adds, changes and removes access areas; each change writes its audit event. Every such change
//! raises the epoch, so a running endpoint applies it at once.
use super::{Keyring, KeyringError, Recorded, approvals::area_fields};
use crate::{
    domain::{
        access::{AccessError, Area, AreaSlug},
        audit::{AreaState, Change, EventDraft},
    },
    store::DefinedArea,
};

fn state(defined: &DefinedArea) -> AreaState<'_> {
    AreaState {
        area: &defined.area,
        rules: &defined.rules,
    }
}

fn subject(defined: &DefinedArea) -> (String, String) {
    let Area { slug, title, .. } = &defined.area;
    (format!("area:{slug}"), title.clone())
}

fn check(defined: &DefinedArea) -> Result<(), KeyringError> {
    defined.area.check()?;
    Ok(defined.rules.check()?)
}

impl Keyring {
    /// Returns the access areas with their routes, in the order of their creation.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn defined_areas(&self) -> Result<Vec<DefinedArea>, KeyringError> {
        Ok(self.store.defined_areas().await?)
    }

    /// Returns an access area with its routes.
    ///
    /// # Errors
    /// Returns [`AccessError::UnknownArea`] if there is no such area, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn defined_area(&self, slug: &AreaSlug) -> Result<DefinedArea, KeyringError> {
        let mut all = self.store.defined_areas().await?;
        match all.iter().position(|it| it.area.slug == *slug) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(AccessError::unknown(slug, all.iter().map(|it| &it.area)).into()),
        }
    }

    /// Adds an access area.
    ///
    /// # Errors
    /// Returns an error if the title or the badge is invalid or used by another area, if the area
    /// exists already, if one of its routes does not fit beside those of other areas, if the actor may not change areas, or if the database
    /// fails.
    pub async fn add_area(&self, new: &DefinedArea) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AreaAdded).await?;
        check(new)?;
        // Its routes may make a path unambiguous that was refused, or lead elsewhere than a route that
        // somebody has looked at.
        let has_routes = !new.rules.routes().is_empty();
        let event = self.area_event(None, Some(new)).widening(has_routes);
        let made = self.store.add_area(new, &event).await;
        let request = || {
            let fields = (serde_json::Map::new(), area_fields(new));
            vec![self.request_for(Change::AreaAdded, subject(new), fields)]
        };
        self.made_or_requested(made, request).await
    }

    /// Replaces the title, the badge and the rules of an access area; does nothing if they are the
    /// same.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::add_area`], and [`super::StoreError::AreaConflict`] if the
    /// area was changed since the caller read `seen`.
    pub async fn edit_area(
        &self,
        seen: &DefinedArea,
        edited: &DefinedArea,
    ) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AreaEdited).await?;
        if seen == edited {
            return Ok(Recorded::default());
        }
        check(edited)?;
        let event = self.area_event(Some(seen), Some(edited));
        // Other paths may lead to it now, and its own to another area.
        let event = event.widening(seen.rules != edited.rules);
        let made = self.store.edit_area(seen, edited, &event).await;
        let request = || {
            let fields = (area_fields(seen), area_fields(edited));
            vec![self.request_for(Change::AreaEdited, subject(seen), fields)]
        };
        self.made_or_requested(made, request).await
    }

    pub(super) fn area_event(
        &self,
        before: Option<&DefinedArea>,
        after: Option<&DefinedArea>,
    ) -> EventDraft {
        let (before, after) = (before.map(state), after.map(state));
        EventDraft::about_area(self.now(), self.actor(), before, after)
    }

    /// Removes an access area in which no key has a grant.
    ///
    /// # Errors
    /// Returns [`super::StoreError::AreaInUse`] if a key has a grant in the area,
    /// [`super::StoreError::AreaConflict`] if the area was changed since the caller read `seen`,
    /// [`KeyringError::Denied`] if the actor may not change areas, and [`KeyringError::Store`] if
    /// the database fails.
    pub async fn remove_area(&self, seen: &DefinedArea) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AreaRemoved).await?;
        // Its paths may lead to another area then.
        let has_routes = !seen.rules.routes().is_empty();
        let event = self.area_event(Some(seen), None).widening(has_routes);
        let made = self.store.remove_area(seen, &event).await;
        let request = || {
            let fields = (area_fields(seen), serde_json::Map::new());
            vec![self.request_for(Change::AreaRemoved, subject(seen), fields)]
        };
        self.made_or_requested(made, request).await
    }
}
