//! Access areas: made, changed and removed, each with its audit event. An endpoint follows at
//! once, for these changes raise the epoch as all do.
use super::{Keyring, KeyringError, Recorded};
use crate::{
    domain::{
        access::{AccessError, AreaSlug},
        audit::{AreaState, EventDraft},
        member::Permission,
        route,
    },
    store::DefinedArea,
};

fn state(defined: &DefinedArea) -> AreaState<'_> {
    AreaState {
        area: &defined.area,
        routes: defined.routes(),
    }
}

fn check(defined: &DefinedArea) -> Result<(), KeyringError> {
    defined.area.check()?;
    Ok(route::check_once(defined.routes())?)
}

impl Keyring {
    /// The access areas with their routes, in the order of their making.
    ///
    /// # Errors
    /// The store's.
    pub async fn defined_areas(&self) -> Result<Vec<DefinedArea>, KeyringError> {
        Ok(self.store.defined_areas().await?)
    }

    /// An access area with its routes.
    ///
    /// # Errors
    /// [`AccessError::UnknownArea`]; the store's.
    pub async fn defined_area(&self, slug: &AreaSlug) -> Result<DefinedArea, KeyringError> {
        let mut all = self.store.defined_areas().await?;
        match all.iter().position(|it| it.area.slug == *slug) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(AccessError::unknown(slug, all.iter().map(|it| &it.area)).into()),
        }
    }

    /// Makes an access area.
    ///
    /// # Errors
    /// A title or badge that is refused or another area's; an area or a route that is there
    /// already; the store's.
    pub async fn add_area(&self, new: &DefinedArea) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Areas).await?;
        check(new)?;
        let event = EventDraft::about_area(self.now(), self.actor(), None, Some(state(new)));
        Ok(self.recorded(&self.store.add_area(new, &event).await?))
    }

    /// Gives an access area another title, badge, and other routes; does nothing if nothing
    /// differs.
    ///
    /// # Errors
    /// As for [`Keyring::add_area`], and if the area is not as it was seen.
    pub async fn edit_area(
        &self,
        seen: &DefinedArea,
        edited: &DefinedArea,
    ) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Areas).await?;
        if seen == edited {
            return Ok(Recorded::default());
        }
        check(edited)?;
        let (before, after) = (Some(state(seen)), Some(state(edited)));
        let event = EventDraft::about_area(self.now(), self.actor(), before, after);
        Ok(self.recorded(&self.store.edit_area(seen, edited, &event).await?))
    }

    /// Removes an access area that no key is let into.
    ///
    /// # Errors
    /// Keys that are let into it; an area that is not as it was seen; the store's.
    pub async fn remove_area(&self, seen: &DefinedArea) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Areas).await?;
        let event = EventDraft::about_area(self.now(), self.actor(), Some(state(seen)), None);
        Ok(self.recorded(&self.store.remove_area(seen, &event).await?))
    }
}
