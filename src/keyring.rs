//! The use cases, one function each: the only door to the store and the vault.
//!
//! Every change is made in the name of the machine's actor and writes its audit event with it.
//! Names that a person gave are resolved in [`resolve`]; what `doctor` asks is in [`health`]. To
//! add a use case: one function here, one verb in the store, its event in `domain::audit`.
mod deciding;
mod health;
mod resolve;

use std::net::IpAddr;

pub use deciding::Decider;
pub use health::{Health, Verified};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::{
    domain::{
        access::{AccessError, Area, find_area},
        audit::{Actor, Change, Details, Event, EventDraft},
        decision::{Decision, Target},
        key::{AgentName, Draft, Key, KeyName, LastUse, Revision, RevokeReason, Seen},
        listing::{Count, Direction, Filter, PageRequest},
        moment::Moment,
        text::{self, TextError},
        token::{KeyId, Token},
    },
    machine::Machine,
    store::{DataKey as StoredDataKey, Fresh, NewKey, NewToken, Store},
    vault::{DataKey, MasterKey, WrappedKey},
};
pub use crate::{
    store::{Page, Place, StoreError, Workspace},
    vault::{MasterKeyPlace, VaultError},
};

/// The limits of a workspace's label.
const LABEL_LIMITS: text::Limits = text::Limits {
    field: "Label",
    characters: 24,
    bytes: 256,
};
/// How many look-alikes are named.
const NAMED_LOOK_ALIKES: i64 = 3;

/// Why a use case could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An area that there is not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A text that is refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No key is meant by that.
    #[error(
        "no key is called {0}, has that id, or an id that begins so: `claviger list` shows them all"
    )]
    NoSuchKey(String),
    /// Several keys are meant by that.
    #[error("{text} means {}: nothing was done. Use the id of the one you mean:{}", several(.keys), listed(.keys))]
    Ambiguous {
        /// What was given.
        text: String,
        /// The keys that it could mean.
        keys: Vec<Key>,
    },
    /// One of the things that a reader of the audit log relies on does not hold.
    #[error("the audit log does not hold at event {sequence}: {why}")]
    BrokenChain {
        /// The first event that does not hold.
        sequence: i64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl KeyringError {
    /// Whether it is the value given that was refused, and not the work that failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Access(_) | Self::Text(_))
    }
}

fn several(keys: &[Key]) -> String {
    if keys.len() > resolve::MOST_LISTED {
        "many keys".to_owned()
    } else {
        format!("{} keys", keys.len())
    }
}

fn listed(keys: &[Key]) -> String {
    let line = |key: &Key| {
        let (name, made) = (text::visible(key.name()), key.created_at.date());
        format!("\n  {}  {name}  made {made}", key.id)
    };
    keys.iter()
        .take(resolve::MOST_LISTED)
        .map(line)
        .collect::<Vec<_>>()
        .concat()
}

/// A key that was just made.
#[derive(Debug)]
pub struct Created {
    /// The key.
    pub key: Key,
    /// Its token.
    pub token: Token,
    /// Names of other keys that look like its name without being the same.
    pub look_alikes: Vec<String>,
}

/// A request as it is presented: the token is what the client sent, whatever that is.
#[derive(Debug, Clone)]
pub struct Presented<'a> {
    /// The presented token; empty is none.
    pub token: &'a SecretString,
    /// What is wanted.
    pub target: Target,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// The open keyring.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    machine: Machine,
    master_key: MasterKeyPlace,
    data_key: OnceCell<DataKey>,
    workspace: Workspace,
    warnings: Vec<String>,
}

/// Where the keyring's store is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file.
    File(std::path::PathBuf),
    /// A PostgreSQL URL.
    Server(SecretString),
}

impl Keyring {
    /// Opens the store, making it where there is none yet. The master key is not touched.
    ///
    /// # Errors
    /// The store's, each one clear sentence.
    pub async fn open(
        location: &Location,
        master_key: MasterKeyPlace,
        machine: Machine,
    ) -> Result<Self, KeyringError> {
        use secrecy::ExposeSecret as _;
        let fresh = Fresh {
            uuid: machine.draw_hex(16),
            label: "local".to_owned(),
            now: machine.now(),
        };
        let opened = match location {
            Location::File(path) => Store::open_file(path, &fresh).await?,
            Location::Server(url) => Store::open_server(url.expose_secret(), &fresh).await?,
        };
        let workspace = opened.store.workspace().await?;
        Ok(Self {
            store: opened.store,
            machine,
            master_key,
            data_key: OnceCell::new(),
            workspace,
            warnings: opened.warnings,
        })
    }

    /// Closes the store's connections.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Where the store is.
    #[must_use]
    pub fn place(&self) -> &Place {
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
    pub fn master_key_place(&self) -> &MasterKeyPlace {
        &self.master_key
    }

    /// Gives the workspace another label.
    ///
    /// # Errors
    /// A label that is empty, longer than 24 characters or not plain; the store's.
    pub async fn relabel(&self, label: &str) -> Result<(), KeyringError> {
        text::check(label, LABEL_LIMITS)?;
        if label.trim().is_empty() {
            return Err(TextError::Empty {
                field: LABEL_LIMITS.field,
            }
            .into());
        }
        let before = self.store.workspace().await?.label;
        let event = EventDraft::relabelled(self.now(), self.actor(), &before, label);
        Ok(self.store.relabel(label, &event).await?)
    }

    /// The access areas, in the order of their making.
    ///
    /// # Errors
    /// The store's.
    pub async fn areas(&self) -> Result<Vec<Area>, KeyringError> {
        Ok(self.store.areas().await?)
    }

    /// The number of the newest change.
    ///
    /// # Errors
    /// The store's.
    pub async fn epoch(&self) -> Result<i64, KeyringError> {
        Ok(self.store.epoch().await?)
    }

    /// A page of the list.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(&self, request: &PageRequest) -> Result<Page, KeyringError> {
        Ok(self.store.page(request).await?)
    }

    /// How many keys there are beside a page that was just read. Where the page is all that the
    /// filter lets through, nothing is searched a second time.
    ///
    /// # Errors
    /// The store's.
    pub async fn count_beside(
        &self,
        request: &PageRequest,
        page: &Page,
    ) -> Result<Count, KeyringError> {
        if request.direction != Direction::First || page.more {
            return self.count(&request.filter).await;
        }
        let Count { total, .. } = self.count(&Filter::default()).await?;
        let matching = page.rows.len() + page.unreadable.len();
        Ok(Count {
            matching: i64::try_from(matching).unwrap_or(i64::MAX),
            total,
        })
    }

    /// How many keys the filter lets through, and how many there are.
    ///
    /// # Errors
    /// The store's.
    pub async fn count(&self, filter: &Filter) -> Result<Count, KeyringError> {
        Ok(self.store.count(filter, self.now()).await?)
    }

    /// A key by its id.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if there is none; the store's.
    pub async fn key(&self, id: &KeyId) -> Result<Key, KeyringError> {
        let found = self.store.key(id).await?;
        Ok(found.ok_or_else(|| StoreError::Gone { id: id.to_string() })?)
    }

    /// Who changed a key last: the newest event about it.
    ///
    /// # Errors
    /// The store's.
    pub async fn last_change(&self, id: &KeyId) -> Result<Option<Event>, KeyringError> {
        Ok(self.store.newest_event_about(id.as_str()).await?)
    }

    /// Makes a key and its token.
    ///
    /// # Errors
    /// An area that there is not; the vault's, before anything is written; the store's.
    pub async fn create(&self, draft: Draft) -> Result<Created, KeyringError> {
        self.demand_writable()?;
        self.demand_areas(&draft).await?;
        let data_key = self.data_key().await?;
        let (id, token) = {
            let mut chance = |buffer: &mut [u8]| self.machine.fill(buffer);
            let id = KeyId::draw(&mut chance);
            let token = Token::mint(&id, &mut chance);
            (id, token)
        };
        let sealed = data_key.seal(&token, &self.machine)?;
        let new = NewKey {
            id,
            agent: AgentName::default_agent(),
            draft,
            created_at: self.now(),
        };
        let key = Key {
            id: new.id.clone(),
            sequence: 0,
            agent: new.agent.clone(),
            draft: new.draft.clone(),
            created_at: new.created_at,
            disabled_at: None,
            last_use: None,
            revision: Revision(1),
        };
        let event = EventDraft::new(
            self.now(),
            self.actor(),
            Change::Created,
            &key,
            Details::Made,
        );
        let new_token = NewToken {
            digest: token.digest(),
            data_key_id: data_key.id(),
            sealed,
        };
        self.store.create_key(&new, &new_token, &event).await?;
        // The key is made; a failure here must not hide that.
        let look_alikes = self.look_alikes(&key.draft.name).await.unwrap_or_default();
        Ok(Created {
            key,
            token,
            look_alikes,
        })
    }

    /// Names of other keys that look like this one without being the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn look_alikes(&self, name: &KeyName) -> Result<Vec<String>, KeyringError> {
        Ok(self
            .store
            .look_alikes(name.as_str(), NAMED_LOOK_ALIKES)
            .await?)
    }

    /// Changes what people decided about a key; does nothing if nothing differs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the key was changed since it was seen, [`StoreError::Gone`]
    /// if it was revoked; an area that there is not; the store's.
    pub async fn edit(&self, seen: &Seen, draft: &Draft) -> Result<(), KeyringError> {
        self.demand_areas(draft).await?;
        let key = self.seen_key(seen).await?;
        if key.draft == *draft {
            return Ok(());
        }
        let event = self.event(Change::Edited, &key, Details::Edited(draft));
        Ok(self
            .store
            .edit_key(&seen.id, seen.revision, draft, &event)
            .await?)
    }

    /// Switches keys off or on, all or none. Those that are so already are left alone.
    ///
    /// # Errors
    /// As for [`Keyring::edit`].
    pub async fn switch(&self, seen: &[Seen], disable: bool) -> Result<(), KeyringError> {
        let change = if disable {
            Change::Disabled
        } else {
            Change::Enabled
        };
        let mut changes = Vec::with_capacity(seen.len());
        for one in seen {
            let key = self.seen_key(one).await?;
            if key.disabled_at.is_some() != disable {
                let event = self.event(change, &key, Details::None);
                changes.push((key.id, one.revision, event));
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let disabled_at = disable.then(|| self.now());
        Ok(self.store.switch_keys(&changes, disabled_at).await?)
    }

    /// Deletes keys for good, all or none.
    ///
    /// # Errors
    /// As for [`Keyring::edit`].
    pub async fn revoke(&self, seen: &[Seen], reason: RevokeReason) -> Result<(), KeyringError> {
        let mut changes = Vec::with_capacity(seen.len());
        for one in seen {
            let key = self.seen_key(one).await?;
            let event = self.event(Change::Revoked, &key, Details::Gone(reason));
            changes.push((key.id, one.revision, event));
        }
        Ok(self.store.revoke_keys(&changes, reason).await?)
    }

    /// Opens a key's token to be copied or revealed. That is recorded first: without the record
    /// there is no token.
    ///
    /// # Errors
    /// The vault's, the store's.
    pub async fn token(&self, id: &KeyId, purpose: Change) -> Result<Token, KeyringError> {
        self.demand_writable()?;
        let key = self.key(id).await?;
        let data_key = self.data_key().await?;
        self.store
            .record(&self.event(purpose, &key, Details::None))
            .await?;
        let sealed = self.store.sealed_token(id).await?;
        Ok(data_key.open(&sealed.sealed, id, &sealed.digest)?)
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// An area that there is not, and the store's: no error is an allow.
    pub async fn decide(
        &self,
        presented: &Presented<'_>,
    ) -> Result<(Decision, Moment), KeyringError> {
        deciding::decide_on(&self.store, &self.machine, presented).await
    }

    /// Records allowed uses. It is for after the decisions: they stand whether this works or not.
    ///
    /// # Errors
    /// The store's.
    pub async fn record_uses(&self, uses: &[(KeyId, LastUse)]) -> Result<(), KeyringError> {
        Ok(self.store.record_uses(uses).await?)
    }

    /// Events after a sequence, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn events_after(
        &self,
        sequence: i64,
        limit: i64,
    ) -> Result<Vec<Event>, KeyringError> {
        Ok(self.store.events_after(sequence, limit).await?)
    }

    fn event(&self, change: Change, key: &Key, details: Details<'_>) -> EventDraft {
        EventDraft::new(self.now(), self.actor(), change, key, details)
    }

    async fn seen_key(&self, seen: &Seen) -> Result<Key, KeyringError> {
        let key = self.key(&seen.id).await?;
        if key.revision == seen.revision {
            Ok(key)
        } else {
            Err(StoreError::Conflict {
                id: seen.id.to_string(),
            }
            .into())
        }
    }

    /// Asked before the master key: where nothing can be written, that it cannot be read either
    /// is not what stands in the way.
    fn demand_writable(&self) -> Result<(), KeyringError> {
        if self.is_writable() {
            Ok(())
        } else {
            Err(StoreError::ReadOnly(self.place().clone()).into())
        }
    }

    async fn demand_areas(&self, draft: &Draft) -> Result<(), KeyringError> {
        if draft.grants.is_empty() {
            return Ok(());
        }
        let areas = self.store.areas().await?;
        for (slug, _) in draft.grants.iter() {
            find_area(&areas, slug)?;
        }
        Ok(())
    }

    /// The data key, opened once. The first one is drawn here, and only when the store has none:
    /// where tokens are sealed already, a missing master key is an error and never made anew.
    async fn data_key(&self) -> Result<&DataKey, KeyringError> {
        self.data_key.get_or_try_init(|| self.open_data_key()).await
    }

    async fn open_data_key(&self) -> Result<DataKey, KeyringError> {
        let store = &self.workspace.uuid;
        let (master, stored) = if let Some(stored) = self.store.data_key().await? {
            (MasterKey::load(&self.master_key)?, stored)
        } else {
            let master = MasterKey::load_or_make(&self.master_key, &self.machine)?;
            let drawn = DataKey::draw(&master, store, &self.machine)?;
            let drawn = StoredDataKey {
                id: drawn.id,
                master_key_id: drawn.master_key_id,
                wrapped: drawn.wrapped,
            };
            (master, self.store.first_data_key(&drawn, self.now()).await?)
        };
        let wrapped = WrappedKey {
            id: stored.id,
            master_key_id: stored.master_key_id,
            wrapped: stored.wrapped,
        };
        Ok(DataKey::unwrap(&wrapped, &master, store)?)
    }
}
