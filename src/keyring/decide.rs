//! Decides on requests for a gateway or a script, and does nothing else.
//!
//! A [`Decider`] needs neither the master key nor the workspace, and writes only uses and refusals.
//! So it opens faster than a [`Keyring`], and can open stores where a keyring cannot. Both use the
//! same function to decide.
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::{CheckRequest, Keyring, KeyringError, StoreLocation, Watch, Workspace};
use crate::{
    domain::{
        access::find_area,
        authorization::{Authorization, Presented},
        decision::{Decision, DecisionId, DecisionIds, Exhausted, Rules, Target},
        forwarded::Client,
        location::{DatabaseLocation, MasterKeyLocation},
        moment::{DAY, Moment},
        quota::Quota,
        token::{self, KeyId},
        usage::{KeyUse, Refusal, RequestedAccess},
    },
    journal::EventStream,
    machine::Machine,
    store::Store,
};

/// How many keys that are not disabled end within each of [`EndingKeys::SPANS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndingKeys(pub [i64; 3]);

impl EndingKeys {
    /// The spans from now, with their words.
    pub const SPANS: [(&str, i64); 3] = [("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)];
}

/// An open store from which requests are decided.
#[derive(Debug)]
pub struct Decider {
    pub(super) store: Store,
    machine: Machine,
    /// Where whole events of the audit log are sent, if anywhere.
    pub(super) stream: Option<Arc<EventStream>>,
}

impl Decider {
    /// Opens the store.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::open`].
    pub async fn open(location: &DatabaseLocation, machine: Machine) -> Result<Self, KeyringError> {
        if let DatabaseLocation::File(path) = location
            && let Some(store) = Store::open_file_to_decide(path).await?
        {
            return Ok(Self::new(store, machine));
        }
        Self::open_otherwise(location, machine).await
    }

    /// Opens the store for an endpoint: what it reserves of quotas survives a power failure.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::open`].
    pub async fn open_to_serve(
        location: &DatabaseLocation,
        machine: Machine,
    ) -> Result<Self, KeyringError> {
        if let DatabaseLocation::File(path) = location
            && let Some(store) = Store::open_file_to_serve(path).await?
        {
            return Ok(Self::new(store, machine));
        }
        Self::open_otherwise(location, machine).await
    }

    /// Opens a server, or a file that must be created or updated first.
    async fn open_otherwise(
        location: &DatabaseLocation,
        machine: Machine,
    ) -> Result<Self, KeyringError> {
        let keyring = Keyring::open(location, MasterKeyLocation::Nowhere, machine).await?;
        Ok(Self::new(keyring.store, keyring.machine))
    }

    fn new(store: Store, machine: Machine) -> Self {
        Self {
            store,
            machine,
            stream: None,
        }
    }

    /// Opens a separate connection for an endpoint, which decides from it repeatedly.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the connection cannot be opened.
    pub async fn watch(&self) -> Result<Watch, KeyringError> {
        Ok(self.store.watch().await?)
    }

    /// Returns the workspace as it is now.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn workspace(&self) -> Result<Workspace, KeyringError> {
        Ok(self.store.workspace().await?)
    }

    /// Returns the location of the store.
    #[must_use]
    pub fn place(&self) -> &StoreLocation {
        self.store.place()
    }

    /// Returns the machine whose clock and random numbers the decisions use.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Records uses and refusals, all or none.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; the decisions remain valid.
    pub async fn record_usage(
        &self,
        uses: &[KeyUse],
        refusals: &[Refusal],
    ) -> Result<(), KeyringError> {
        Ok(self.store.record_usage(uses, refusals).await?)
    }

    /// Records that uses are counted from now on, unless that was recorded before, and merges or
    /// deletes some of the old counts and refusals. Returns `true` if there may be more to do.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn tidy_usage(&self) -> Result<bool, KeyringError> {
        let now = self.machine.now();
        self.store.start_counting(now).await?;
        Ok(self.store.tidy_usage(now).await?)
    }

    /// Returns how many keys end soon.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn ending_keys(&self) -> Result<EndingKeys, KeyringError> {
        let now = self.machine.now();
        let mut counts = [0; EndingKeys::SPANS.len()];
        for (count, (_, span)) in counts.iter_mut().zip(EndingKeys::SPANS) {
            *count = self.store.keys_ending(now, now.plus(span)).await?;
        }
        Ok(EndingKeys(counts))
    }

    /// Reserves a share of a key's quota in the period that contains `now`. Returns how many
    /// requests may pass by it: 0 if the quota is used up.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; then no request may pass.
    pub async fn reserve_quota(
        &self,
        id: &KeyId,
        quota: Quota,
        now: Moment,
    ) -> Result<i64, KeyringError> {
        let share = quota.share();
        Ok(self.store.reserve_quota(id, quota, share, now).await?)
    }

    /// Gives back what was reserved of a key's quota in the period that contains `at` and was not
    /// spent.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; then it stays reserved.
    pub async fn give_back_quota(
        &self,
        id: &KeyId,
        quota: Quota,
        unspent: i64,
        at: Moment,
    ) -> Result<(), KeyringError> {
        Ok(self.store.give_back_quota(id, quota, unspent, at).await?)
    }

    /// Closes the store's connections, so that SQLite removes the files that it keeps beside the
    /// database.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// Returns [`KeyringError::Access`] if there is no such area, and [`KeyringError::Store`] if
    /// the database fails. An error is never an allow.
    pub async fn decide(&self, request: &CheckRequest<'_>) -> Result<CheckOutcome, KeyringError> {
        decide_on(&self.store, &self.machine, request).await
    }

    /// Records a decision: every refusal, every use of a previous token, and any other use unless
    /// the key was used in the same way from the same address within the last minute.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; the decision remains valid.
    pub async fn record(&self, decided: &CheckOutcome) -> Result<(), KeyringError> {
        record_on(&self.store, decided).await
    }
}

/// The decision on a [`CheckRequest`], and the use and refusal to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// The id of the decision.
    pub id: DecisionId,
    /// The decision.
    pub decision: Decision,
    usage: Option<KeyUse>,
    refusal: Option<Refusal>,
}

pub(super) async fn record_on(store: &Store, decided: &CheckOutcome) -> Result<(), KeyringError> {
    let used = decided
        .usage
        .as_ref()
        .filter(|usage| usage.previous_tokens.is_empty())
        .and_then(|usage| Some((&usage.id, usage.last?, usage.tallies.first()?)));
    if let Some((id, usage, tally)) = used
        && store.is_repeated_use(id, &usage, tally).await?
    {
        return Ok(());
    }
    let (usage, refusal) = (decided.usage.as_slice(), decided.refusal.as_slice());
    Ok(store.record_usage(usage, refusal).await?)
}

/// Returns how much of the key's quota is reserved in the period that contains the time, and the end
/// of that period if it is all of it; nothing without a quota. A rate limit is not known here: each
/// endpoint counts it in its own memory. Nothing is charged.
pub(super) async fn quota_state(
    store: &Store,
    rules: Option<&Arc<Rules>>,
    at: Moment,
) -> Result<(Option<i64>, Option<Moment>), KeyringError> {
    let quota = rules.and_then(|rules| Some((&rules.id, rules.conditions.quota?)));
    let Some((id, quota)) = quota else {
        return Ok((None, None));
    };
    let reserved = store.quota_reserved(id, quota, at).await?;
    let (_, next) = quota.period().around(at);
    Ok((Some(reserved), (reserved >= quota.count()).then_some(next)))
}

pub(super) async fn decide_on(
    store: &Store,
    machine: &Machine,
    request: &CheckRequest<'_>,
) -> Result<CheckOutcome, KeyringError> {
    let CheckRequest { area, action, .. } = request;
    find_area(&store.areas().await?, area)?;
    let prefixes = store.prefixes().await?;
    token::remember(&prefixes);
    let presented = Presented::read(request.token.expose_secret(), &prefixes);
    let credential = match presented.token() {
        Err(credential) => credential,
        Ok(token) => store.credential(token).await?,
    };
    let decided = Authorization::decide(
        credential,
        Target::Routed(area.clone(), *action),
        Client::given(request.address),
        request.agent.clone(),
        machine.now(),
    );
    let (_, quota_until) = quota_state(store, decided.rules(), decided.request.at).await?;
    let decided = decided.limited(Exhausted {
        quota_until,
        ..Exhausted::default()
    });
    let id = DecisionIds::draw(&mut |buffer| machine.fill(buffer)).next();
    let wanted = RequestedAccess::named(area.clone(), *action);
    Ok(CheckOutcome {
        usage: decided.key_use(),
        refusal: decided.refusal(&id, &presented, wanted),
        decision: decided.decision,
        id,
    })
}
