//! Members: listed, added, changed and removed by owners, each change with its audit event.
use std::path::Path;

use super::{Keyring, KeyringError, Recorded};
use crate::{
    domain::{
        agent::{self, AgentScope},
        audit::EventDraft,
        member::{Fingerprint, Member, MemberDraft, MemberError, MemberId, Permission, SshKey},
        text::visible,
    },
    store::Store,
};

/// The members' keys alone, for sshd: opened without a master key, and never written to.
#[derive(Debug)]
pub struct Members(Store);

impl Members {
    /// Those in a SQLite file; `None` if there is no database there that is up to date.
    ///
    /// # Errors
    /// The store's.
    pub async fn in_file(path: &Path) -> Result<Option<Self>, KeyringError> {
        Ok(Store::open_file_to_look(path).await?.map(Self))
    }

    /// Those in a PostgreSQL database; `None` if there is none there that is up to date.
    ///
    /// # Errors
    /// The store's.
    pub async fn on_server(url: &str) -> Result<Option<Self>, KeyringError> {
        Ok(Store::open_server_to_look(url).await?.map(Self))
    }

    /// All keys, or the one with this fingerprint, each with whose it is.
    ///
    /// # Errors
    /// The store's.
    pub async fn ssh_keys(
        &self,
        only: Option<&Fingerprint>,
    ) -> Result<Vec<(MemberId, SshKey)>, KeyringError> {
        Ok(self.0.ssh_keys(only).await?)
    }
}

/// A member who was just added.
#[derive(Debug)]
pub struct AddedMember {
    /// The member's id.
    pub id: MemberId,
    /// Names of other members that look like this one's name.
    pub look_alikes: Vec<String>,
    /// What was recorded.
    pub recorded: Recorded,
}

impl Keyring {
    /// All members, in the order in which they were added.
    ///
    /// # Errors
    /// The store's.
    pub async fn members(&self) -> Result<Vec<Member>, KeyringError> {
        self.demand(Permission::See).await?;
        Ok(self.store.members().await?)
    }

    /// The member with this name or id.
    ///
    /// # Errors
    /// [`MemberError::Unknown`]; the store's.
    pub async fn member(&self, text: &str) -> Result<Member, KeyringError> {
        let members = self.members().await?;
        let named = members.iter().position(|member| member.name() == text);
        let at = named.or_else(|| members.iter().position(|it| it.id.as_str() == text));
        let mut members = members;
        match at {
            Some(at) => Ok(members.swap_remove(at)),
            None => Err(MemberError::Unknown(visible(text)).into()),
        }
    }

    /// Adds a member; answers their id, and the names of others that look like theirs.
    ///
    /// # Errors
    /// An owner who is limited, no key, a name or a key that is another one's, an agent that there
    /// is not; the store's.
    pub async fn add_member(&self, draft: &MemberDraft) -> Result<AddedMember, KeyringError> {
        self.demand(Permission::Members).await?;
        self.check_member(draft).await?;
        let id = MemberId::drawn(&self.machine.draw_hex(6));
        let event = EventDraft::about_member(self.now(), self.actor(), &id, None, Some(draft));
        let committed = self.store.add_member(&id, draft, &event).await?;
        let look_alikes = self.store.member_look_alikes(draft.name.as_str()).await;
        Ok(AddedMember {
            id,
            look_alikes: look_alikes.unwrap_or_default(),
            recorded: self.recorded(&committed),
        })
    }

    /// Changes a member; does nothing if nothing differs.
    ///
    /// # Errors
    /// As for [`Keyring::add_member`], and [`MemberError::LastOwner`], [`MemberError::Conflict`].
    pub async fn edit_member(
        &self,
        seen: &Member,
        draft: &MemberDraft,
    ) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Members).await?;
        if seen.draft == *draft {
            return Ok(Recorded::default());
        }
        self.check_member(draft).await?;
        let (before, after) = (Some(&seen.draft), Some(draft));
        let event = EventDraft::about_member(self.now(), self.actor(), &seen.id, before, after);
        Ok(self.recorded(&self.store.edit_member(seen, draft, &event).await?))
    }

    /// Removes a member; their open sessions are powerless from here on.
    ///
    /// # Errors
    /// [`MemberError::LastOwner`], [`MemberError::Conflict`]; the store's.
    pub async fn remove_member(&self, seen: &Member) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Members).await?;
        let before = Some(&seen.draft);
        let event = EventDraft::about_member(self.now(), self.actor(), &seen.id, before, None);
        Ok(self.recorded(&self.store.remove_member(seen, &event).await?))
    }

    async fn check_member(&self, draft: &MemberDraft) -> Result<(), KeyringError> {
        draft.check()?;
        if let AgentScope::Only(agents) = &draft.scope {
            let all = self.store.agents().await?;
            for agent in agents {
                agent::choose(Some(agent), &all)?;
            }
        }
        Ok(())
    }
}
