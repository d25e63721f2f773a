//! The use cases, one function each; nothing else accesses the store and the vault.
//!
//! This file opens a keyring and reads from it. Changes are in [`changes`] and [`areas`], decisions
//! on requests in [`decide`], the lookup of keys by the name a user typed in [`resolve`], and the
//! checks of `doctor` in [`health`]. To add a use case, add one function here, one method in the
//! store, and its event in `domain::audit`.
mod agents;
mod approvals;
mod areas;
mod audit;
mod authority;
mod changes;
mod creation;
mod damage;
mod decide;
mod error;
mod explain;
mod health;
mod hygiene;
mod members;
mod notices;
mod resolve;
mod stream;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex},
};

pub use audit::{Recorded, Verified};
pub use changes::{OpenedToken, Rotated};
pub use creation::{CreateOutcome, Created};
pub use decide::{CheckOutcome, Decider, EndingKeys};
pub use error::KeyringError;
pub use health::Health;
pub use hygiene::HygieneReport;
pub use members::{AddedMember, Members};
pub use notices::Notices;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::{
    domain::{
        access::{Action, Area, AreaSlug},
        agent::{AgentName, AgentScope},
        audit::{Actor, Change, Event},
        key::Key,
        listing::{Count, Direction, Filter, ListVersion, PageRequest},
        location::{DatabaseLocation, MasterKeyLocation},
        member::Permission,
        moment::{DAY, Moment},
        policy::Policy,
        token::{self, KeyId},
        usage::{
            Activity, Hours, KEPT_REFUSALS, KEPT_UNMATCHED, KeyUse, REFUSAL_NEWS_MILLIS, Refusal,
            Tally, UsageDimension, UsageGrouping, UsageRow,
        },
    },
    journal::{EventStream, Journal},
    machine::Machine,
    store::{NewStoreSettings, Store},
    vault::DataKey,
};
pub use crate::{
    store::{
        ChangeMark, DefinedArea, KEYS_PER_LOOKUP, KeyPage, KeyRecord, LogHead, StoreError,
        StoreLocation, Watch, Workspace,
    },
    vault::VaultError,
};

/// A request to decide on. The token is the text that the client sent, valid or not.
#[derive(Debug, Clone)]
pub struct CheckRequest<'a> {
    /// The token that the client sent; empty if it sent none.
    pub token: &'a SecretString,
    /// The access area that the request wants to use.
    pub area: AreaSlug,
    /// The action that the request wants to perform in that area.
    pub action: Action,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// The agent that the request names, if it names one.
    pub agent: Option<AgentName>,
}

/// An open keyring.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    machine: Machine,
    master_key: MasterKeyLocation,
    data_key: OnceCell<DataKey>,
    workspace: Workspace,
    warnings: Vec<String>,
    journal: Option<Journal>,
    /// Where whole events are sent, if anywhere.
    stream: Option<Arc<EventStream>>,
    /// The keys that are known to be damaged, that is, whose rows cannot be read.
    damaged: Mutex<BTreeSet<KeyId>>,
}

impl Keyring {
    /// Opens the store, and creates it if there is none yet. Does not access the master key.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the store cannot be opened; each message is one clear
    /// sentence.
    pub async fn open(
        location: &DatabaseLocation,
        master_key: MasterKeyLocation,
        machine: Machine,
    ) -> Result<Self, KeyringError> {
        use secrecy::ExposeSecret as _;
        let fresh = NewStoreSettings {
            uuid: machine.draw_hex(16),
            label: "local".to_owned(),
            now: machine.now(),
        };
        let opened = match location {
            DatabaseLocation::File(path) => Store::open_file(path, &fresh).await?,
            DatabaseLocation::Server(url) => {
                Store::open_server(url.expose_secret(), &fresh).await?
            }
        };
        let workspace = opened.store.workspace().await?;
        token::remember(&workspace.prefixes);
        Ok(Self {
            store: opened.store,
            machine,
            master_key,
            data_key: OnceCell::new(),
            workspace,
            warnings: opened.warnings,
            journal: None,
            stream: None,
            damaged: Mutex::default(),
        })
    }

    /// Closes the store's connections.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Returns the location of the store.
    #[must_use]
    pub fn place(&self) -> &StoreLocation {
        self.store.place()
    }

    /// Returns `true` if the store can be changed.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.store.is_read_only()
    }

    /// Returns the workspace as it was when the keyring was opened.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Returns the warnings about the permissions of the store's files.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the actor who makes the changes.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        self.machine.actor()
    }

    /// Returns the current time by this keyring's machine.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.machine.now()
    }

    /// Returns the location where the master key is expected.
    #[must_use]
    pub fn master_key_location(&self) -> &MasterKeyLocation {
        &self.master_key
    }

    /// Returns the access areas in the order of their creation.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn areas(&self) -> Result<Vec<Area>, KeyringError> {
        Ok(self.store.areas().await?)
    }

    /// Returns the current policy for the expiry of keys.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn policy(&self) -> Result<Policy, KeyringError> {
        Ok(self.store.workspace().await?.policy)
    }

    /// Returns the epoch, which is the number of the newest change.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn epoch(&self) -> Result<i64, KeyringError> {
        Ok(self.store.epoch().await?)
    }

    /// Returns the version that a list loaded now would have.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn list_version(&self) -> Result<ListVersion, KeyringError> {
        self.demand(Permission::See).await?;
        Ok(self.store.list_version().await?)
    }

    /// Returns a page of the list, limited to the agents that the actor may see.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn page(&self, request: &PageRequest) -> Result<KeyPage, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut narrowed = request.clone();
        narrowed.scope = request.scope.within(&scope);
        narrowed.damaged = self.known_damaged();
        let page = self.store.page(&narrowed).await?;
        self.note_damaged(&page);
        Ok(page)
    }

    /// Counts the keys for a page that was just read. If the page holds everything that matches the
    /// filter, the matching keys are not searched a second time.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn count_beside(
        &self,
        request: &PageRequest,
        page: &KeyPage,
    ) -> Result<Count, KeyringError> {
        if request.direction != Direction::First || page.more {
            return self.count(&request.filter, &request.scope).await;
        }
        let Count { total, .. } = self.count(&Filter::default(), &request.scope).await?;
        let matching = page.rows.len() + page.unreadable.len();
        Ok(Count {
            matching: i64::try_from(matching).unwrap_or(i64::MAX),
            total,
        })
    }

    /// Counts the keys of these agents that match the filter, and all keys of these agents.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn count(&self, filter: &Filter, scope: &AgentScope) -> Result<Count, KeyringError> {
        let scope = scope.within(&self.demand(Permission::See).await?.scope);
        Ok(self
            .store
            .count(filter, &scope, self.now(), &self.known_damaged())
            .await?)
    }

    /// Returns a key by its id.
    ///
    /// # Errors
    /// Returns [`StoreError::Gone`] if there is no such key, [`KeyringError::Denied`] if the actor
    /// may not see it, and [`KeyringError::Store`] if the database fails.
    pub async fn key(&self, id: &KeyId) -> Result<Key, KeyringError> {
        let authority = self.demand(Permission::See).await?;
        let found = self.store.key(id).await?;
        let key = found.ok_or_else(|| StoreError::Gone { id: id.to_string() })?;
        authority.demand_agent(&key.agent)?;
        Ok(key)
    }

    /// Returns the newest event about a key, and thus the actor who changed it last.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn last_change(&self, id: &KeyId) -> Result<Option<Event>, KeyringError> {
        self.demand_sight(Some(id)).await?;
        Ok(self.store.newest_event_about(id.as_str()).await?)
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// Returns [`KeyringError::Access`] if there is no such area, [`KeyringError::Denied`] if the
    /// actor may not test access, and [`KeyringError::Store`] if the database fails. An error is
    /// never an allow.
    pub async fn decide(&self, presented: &CheckRequest<'_>) -> Result<CheckOutcome, KeyringError> {
        self.demand(Permission::Explain).await?;
        let decided = decide::decide_on(&self.store, &self.machine, presented).await?;
        if let Some(id) = decided.decision.key_id() {
            self.demand_sight(Some(id)).await?;
        }
        Ok(decided)
    }

    /// Records a decision; see [`Decider::record`].
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; the decision remains valid.
    pub async fn record(&self, decided: &CheckOutcome) -> Result<(), KeyringError> {
        decide::record_on(&self.store, decided).await
    }

    /// Records uses and refusals. Call it after the decisions: they are valid whether this succeeds
    /// or not.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn record_usage(
        &self,
        uses: &[KeyUse],
        refusals: &[Refusal],
    ) -> Result<(), KeyringError> {
        Ok(self.store.record_usage(uses, refusals).await?)
    }

    /// Returns a key's recent uses, its refusals, and its previous tokens.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn activity(&self, id: &KeyId) -> Result<Activity, KeyringError> {
        self.demand_sight(Some(id)).await?;
        let now = self.now();
        let tallies = self
            .store
            .tallies(id, now.plus(-REFUSAL_NEWS_MILLIS))
            .await?;
        let disabled = self.store.newest_change(id.as_str(), Change::Disabled);
        let disabled = disabled.await.ok().flatten();
        let disabled_by = disabled.map(|event| event.draft.actor.name);
        let pending = self.store.pending_changes().await?.0;
        let request = pending.iter().find(|one| one.subject == id.as_str());
        // A new key that waits tells so itself.
        let request = request.filter(|one| one.change != Change::Created);
        Ok(Activity {
            waits: request.map(|one| format!("{} by {}", one.title(), one.requester())),
            hours: Hours::of(tallies.iter(), now),
            month: self.month(id, now).await?,
            refusals: self.refusals(Some(id)).await?,
            previous_tokens: self.store.previous_tokens(id).await?,
            disabled_by,
            quota_reserved: match self.store.key(id).await? {
                None => None,
                Some(key) => match key.draft.conditions.quota {
                    None => None,
                    Some(quota) => Some(self.store.quota_reserved(id, quota, now).await?),
                },
            },
        })
    }

    /// Returns the numbers of a key's allowed requests on the last 30 days.
    async fn month(&self, id: &KeyId, now: Moment) -> Result<[i64; 30], KeyringError> {
        let since = now.start_of_day().plus(-29 * DAY);
        let (scope, by_day) = (
            AgentScope::Everything,
            UsageGrouping::by(UsageDimension::Day),
        );
        let rows = self.store.usage_report(Some(id), &scope, since, by_day);
        Ok(Activity::month_of(&rows.await?, now))
    }

    /// Returns the counts of a key, or of all keys of these agents, since a time, grouped and sorted.
    /// The hour, day or month in which that time lies is counted as a whole.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn usage_report(
        &self,
        key: Option<&KeyId>,
        scope: &AgentScope,
        since: Moment,
        grouping: UsageGrouping,
    ) -> Result<Vec<UsageRow>, KeyringError> {
        let scope = scope.within(&self.demand(Permission::See).await?.scope);
        if let Some(id) = key {
            self.demand_sight(Some(id)).await?;
        }
        let scope = if key.is_some() {
            &AgentScope::Everything
        } else {
            &scope
        };
        Ok(self.store.usage_report(key, scope, since, grouping).await?)
    }

    /// Returns the counts of a key whose spans began at `from` or later.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn tallies(&self, id: &KeyId, from: Moment) -> Result<Vec<Tally>, KeyringError> {
        self.demand_sight(Some(id)).await?;
        Ok(self.store.tallies(id, from).await?)
    }

    /// Returns the newest refusals of a key or, without a key, of credentials that match no key;
    /// the newest first.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see them, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn refusals(&self, key: Option<&KeyId>) -> Result<Vec<Refusal>, KeyringError> {
        self.demand_sight(key).await?;
        let most = key.map_or(KEPT_UNMATCHED, |_| KEPT_REFUSALS);
        Ok(self.store.refusals(key, most).await?)
    }
}
