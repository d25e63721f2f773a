//! The use cases, one function each: the only door to the store and the vault.
//!
//! Opening and reading stand here, what makes a change in [`changing`] and [`areas`], deciding on requests in
//! [`deciding`]; names that a person gave are resolved in [`resolve`], and what `doctor` asks is in
//! [`health`]. To add a use case: one function, one verb in the store, its event in
//! `domain::audit`.
mod agents;
mod areas;
mod audit;
mod authority;
mod changes;
mod damage;
mod decide;
mod error;
mod explain;
mod health;
mod hygiene;
mod members;
mod resolve;

use std::{collections::BTreeSet, net::IpAddr, sync::Mutex};

pub use audit::{Recorded, Verified};
pub use changes::{Created, OpenedToken, Rotated};
pub use decide::{CheckOutcome, Decider};
pub use error::KeyringError;
pub use health::Health;
pub use hygiene::HygieneReport;
pub use members::{AddedMember, Members};
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
        moment::Moment,
        policy::Policy,
        token::KeyId,
        usage::{
            Activity, Hours, KEPT_REFUSALS, KEPT_UNMATCHED, KeyUse, REFUSAL_NEWS_MILLIS, Refusal,
            Tally,
        },
    },
    journal::Journal,
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

/// A request as it is presented: the token is what the client sent, whatever that is.
#[derive(Debug, Clone)]
pub struct CheckRequest<'a> {
    /// The presented token; empty is none.
    pub token: &'a SecretString,
    /// The area that is wanted.
    pub area: AreaSlug,
    /// What is to be done there.
    pub action: Action,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The agent that is asked for, if one is.
    pub agent: Option<AgentName>,
}

/// The open keyring.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    machine: Machine,
    master_key: MasterKeyLocation,
    data_key: OnceCell<DataKey>,
    workspace: Workspace,
    warnings: Vec<String>,
    journal: Option<Journal>,
    /// The keys that are known to be damaged.
    damaged: Mutex<BTreeSet<KeyId>>,
}

impl Keyring {
    /// Opens the store, making it where there is none yet. The master key is not touched.
    ///
    /// # Errors
    /// The store's, each one clear sentence.
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
        Ok(Self {
            store: opened.store,
            machine,
            master_key,
            data_key: OnceCell::new(),
            workspace,
            warnings: opened.warnings,
            journal: None,
            damaged: Mutex::default(),
        })
    }

    /// Closes the store's connections.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Where the store is.
    #[must_use]
    pub fn place(&self) -> &StoreLocation {
        self.store.place()
    }

    /// Whether changes can be made at all.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.store.is_read_only()
    }

    /// The workspace, as it was when the keyring was opened.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// What deserves to be said about the store's permissions.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Who makes the changes.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        self.machine.actor()
    }

    /// The present moment, by this keyring's machine.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.machine.now()
    }

    /// Where the master key is expected.
    #[must_use]
    pub fn master_key_location(&self) -> &MasterKeyLocation {
        &self.master_key
    }

    /// The access areas, in the order of their making.
    ///
    /// # Errors
    /// The store's.
    pub async fn areas(&self) -> Result<Vec<Area>, KeyringError> {
        Ok(self.store.areas().await?)
    }

    /// How keys must end, as it is decided now.
    ///
    /// # Errors
    /// The store's.
    pub async fn policy(&self) -> Result<Policy, KeyringError> {
        Ok(self.store.workspace().await?.policy)
    }

    /// The number of the newest change.
    ///
    /// # Errors
    /// The store's.
    pub async fn epoch(&self) -> Result<i64, KeyringError> {
        Ok(self.store.epoch().await?)
    }

    /// Of what a list that is read now is a picture.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_version(&self) -> Result<ListVersion, KeyringError> {
        self.demand(Permission::See).await?;
        Ok(self.store.list_version().await?)
    }

    /// A page of the list.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(&self, request: &PageRequest) -> Result<KeyPage, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut narrowed = request.clone();
        narrowed.scope = request.scope.within(&scope);
        narrowed.damaged = self.known_damaged();
        let page = self.store.page(&narrowed).await?;
        self.note_damaged(&page);
        Ok(page)
    }

    /// How many keys there are beside a page that was just read. Where the page is all that the
    /// filter lets through, nothing is searched a second time.
    ///
    /// # Errors
    /// The store's.
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

    /// How many keys of these agents the filter lets through, and how many there are.
    ///
    /// # Errors
    /// The store's.
    pub async fn count(&self, filter: &Filter, scope: &AgentScope) -> Result<Count, KeyringError> {
        let scope = scope.within(&self.demand(Permission::See).await?.scope);
        Ok(self
            .store
            .count(filter, &scope, self.now(), &self.known_damaged())
            .await?)
    }

    /// A key by its id.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if there is none; the store's.
    pub async fn key(&self, id: &KeyId) -> Result<Key, KeyringError> {
        let authority = self.demand(Permission::See).await?;
        let found = self.store.key(id).await?;
        let key = found.ok_or_else(|| StoreError::Gone { id: id.to_string() })?;
        authority.demand_agent(&key.agent)?;
        Ok(key)
    }

    /// Who changed a key last: the newest event about it.
    ///
    /// # Errors
    /// The store's.
    pub async fn last_change(&self, id: &KeyId) -> Result<Option<Event>, KeyringError> {
        self.demand_sight(Some(id)).await?;
        Ok(self.store.newest_event_about(id.as_str()).await?)
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// An area that there is not, and the store's: no error is an allow.
    pub async fn decide(&self, presented: &CheckRequest<'_>) -> Result<CheckOutcome, KeyringError> {
        self.demand(Permission::Explain).await?;
        let decided = decide::decide_on(&self.store, &self.machine, presented).await?;
        if let Some(id) = decided.decision.key_id() {
            self.demand_sight(Some(id)).await?;
        }
        Ok(decided)
    }

    /// Records what was decided; see [`Decider::record`].
    ///
    /// # Errors
    /// The store's; the decision stands all the same.
    pub async fn record(&self, decided: &CheckOutcome) -> Result<(), KeyringError> {
        decide::record_on(&self.store, decided).await
    }

    /// Records uses and refusals. It is for after the decisions: they stand whether this works or
    /// not.
    ///
    /// # Errors
    /// The store's.
    pub async fn record_usage(
        &self,
        uses: &[KeyUse],
        refusals: &[Refusal],
    ) -> Result<(), KeyringError> {
        Ok(self.store.record_usage(uses, refusals).await?)
    }

    /// What a key was used for of late, what was refused to it, and its tokens that were rotated out.
    ///
    /// # Errors
    /// The store's.
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
        Ok(Activity {
            hours: Hours::of(tallies.iter(), now),
            refusals: self.refusals(Some(id)).await?,
            former: self.store.previous_tokens(id).await?,
            disabled_by,
        })
    }

    /// The counts of a key that began at a moment or later.
    ///
    /// # Errors
    /// The store's.
    pub async fn tallies(&self, id: &KeyId, from: Moment) -> Result<Vec<Tally>, KeyringError> {
        self.demand_sight(Some(id)).await?;
        Ok(self.store.tallies(id, from).await?)
    }

    /// The newest refusals of a key, or of credentials that match none; the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn refusals(&self, key: Option<&KeyId>) -> Result<Vec<Refusal>, KeyringError> {
        self.demand_sight(key).await?;
        let most = key.map_or(KEPT_UNMATCHED, |_| KEPT_REFUSALS);
        Ok(self.store.refusals(key, most).await?)
    }
}
