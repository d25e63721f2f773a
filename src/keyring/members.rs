//! Lists members, and lets owners add, change and remove them; each change writes its audit event.
use std::path::Path;

use super::{Keyring, KeyringError, Recorded};
use crate::{
    domain::{
        agent::{self, AgentScope},
        approval::fields,
        audit::{Change, EventDraft},
        member::{Fingerprint, Member, MemberDraft, MemberError, MemberId, Permission, SshKey},
        text::visible,
    },
    store::Store,
};

/// The members' SSH keys, for sshd: opened without the master key, and read-only.
#[derive(Debug)]
pub struct Members(Store);

impl Members {
    /// Opens a SQLite file; returns `None` if it holds no database that is up to date.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the file is refused or cannot be opened.
    pub async fn in_file(path: &Path) -> Result<Option<Self>, KeyringError> {
        Ok(Store::open_file_to_look(path).await?.map(Self))
    }

    /// Opens a PostgreSQL database; returns `None` if it is empty or not up to date.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database is refused or cannot be reached.
    pub async fn on_server(url: &str) -> Result<Option<Self>, KeyringError> {
        Ok(Store::open_server_to_look(url).await?.map(Self))
    }

    /// Returns all SSH keys, or only the one with this fingerprint, each with its member's id.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
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
    /// Returns all members, in the order in which they were added.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see members, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn members(&self) -> Result<Vec<Member>, KeyringError> {
        self.demand(Permission::See).await?;
        Ok(self.store.members().await?)
    }

    /// Returns the member with this name or, if there is none, with this id.
    ///
    /// # Errors
    /// Returns [`MemberError::Unknown`] if there is no such member, [`KeyringError::Denied`] if the
    /// actor may not see members, and [`KeyringError::Store`] if the database fails.
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

    /// Adds a member, and returns their id and the names of other members that look like theirs.
    ///
    /// # Errors
    /// Returns [`MemberError`] if an owner is limited to agents, if there is no SSH key, or if
    /// another member has the name or a key; [`KeyringError::Agent`] if there is no such agent;
    /// [`KeyringError::Denied`] if the actor may not add members; and [`KeyringError::Store`] if
    /// the database fails.
    pub async fn add_member(&self, draft: &MemberDraft) -> Result<AddedMember, KeyringError> {
        self.demand_change(Change::MemberAdded).await?;
        self.check_member(draft).await?;
        let id = MemberId::drawn(&self.machine.draw_hex(6));
        let event = EventDraft::about_member(self.now(), self.actor(), &id, None, Some(draft));
        let made = self
            .store
            .add_member(&id, draft, &event.widening(true))
            .await;
        let request = || {
            let subject = (format!("member:{id}"), draft.name.as_str().to_owned());
            let fields = (serde_json::Map::new(), fields::of_member(draft));
            vec![self.request_for(Change::MemberAdded, subject, fields)]
        };
        let recorded = self.made_or_requested(made, request).await?;
        let look_alikes = self.store.member_look_alikes(draft.name.as_str()).await;
        Ok(AddedMember {
            id,
            look_alikes: look_alikes.unwrap_or_default(),
            recorded,
        })
    }

    /// Changes a member; does nothing if nothing differs.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::add_member`], [`MemberError::LastOwner`] if no owner would
    /// be left, and [`MemberError::Conflict`] if the member was changed since the caller read
    /// `seen`.
    pub async fn edit_member(
        &self,
        seen: &Member,
        draft: &MemberDraft,
    ) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::MemberEdited).await?;
        if seen.draft == *draft {
            return Ok(Recorded::default());
        }
        self.check_member(draft).await?;
        let (before, after) = (Some(&seen.draft), Some(draft));
        let event = EventDraft::about_member(self.now(), self.actor(), &seen.id, before, after);
        let event = event.widening(draft.widens(&seen.draft));
        let made = self.store.edit_member(seen, draft, &event).await;
        let request = || {
            let subject = (format!("member:{}", seen.id), seen.name().to_owned());
            let fields = (fields::of_member(&seen.draft), fields::of_member(draft));
            vec![self.request_for(Change::MemberEdited, subject, fields)]
        };
        self.made_or_requested(made, request).await
    }

    /// Removes a member; their open sessions lose all permissions at once.
    ///
    /// # Errors
    /// Returns [`MemberError::LastOwner`] if no owner would be left, [`MemberError::Conflict`] if
    /// the member was changed since the caller read `seen`, [`KeyringError::Denied`] if the actor
    /// may not remove members, and [`KeyringError::Store`] if the database fails.
    pub async fn remove_member(&self, seen: &Member) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::MemberRemoved).await?;
        let before = Some(&seen.draft);
        let event = EventDraft::about_member(self.now(), self.actor(), &seen.id, before, None);
        Ok(self.recorded(&self.store.remove_member(seen, &event).await?))
    }

    pub(super) async fn check_member(&self, draft: &MemberDraft) -> Result<(), KeyringError> {
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
