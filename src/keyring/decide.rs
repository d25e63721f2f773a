//! Decides on requests for a gateway or a script, and does nothing else.
//!
//! A [`Decider`] needs neither the master key nor the workspace, and writes only uses and refusals.
//! So it opens faster than a [`Keyring`], and also where a keyring cannot be opened. Both use the
//! same function to decide.
use secrecy::ExposeSecret as _;

use super::{CheckRequest, Keyring, KeyringError, StoreLocation, Watch, Workspace};
use crate::{
    domain::{
        access::find_area,
        decision::{Credential, Decision, DecisionId, DecisionIds, Request, Target, decide},
        forwarded::{Client, ClientAddress},
        key::LastUse,
        location::{DatabaseLocation, MasterKeyLocation},
        moment::HOUR,
        token::{self, Token},
        usage::{KeyUse, Kind, PreviousTokenUse, Refusal, RequestedAccess, Tally, Verdict, hour},
    },
    machine::Machine,
    store::Store,
};

/// An open store from which requests are decided.
#[derive(Debug)]
pub struct Decider {
    store: Store,
    machine: Machine,
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
            return Ok(Self { store, machine });
        }
        let keyring = Keyring::open(location, MasterKeyLocation::Nowhere, machine).await?;
        Ok(Self {
            store: keyring.store,
            machine: keyring.machine,
        })
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

    /// Records that uses are counted from now on, unless that was recorded before, and merges some
    /// of the old counts. Returns `true` if there may be more of them to merge.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn tidy_usage(&self) -> Result<bool, KeyringError> {
        let now = self.machine.now();
        self.store.count_from(now).await?;
        Ok(self.store.tidy_usage(now).await?)
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
    pub async fn decide(&self, presented: &CheckRequest<'_>) -> Result<Decided, KeyringError> {
        decide_on(&self.store, &self.machine, presented).await
    }

    /// Records a decision: every refusal, every use of a previous token, and any other use unless
    /// the key was used in the same way from the same address within the last minute.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails; the decision remains valid.
    pub async fn record(&self, decided: &Decided) -> Result<(), KeyringError> {
        record_on(&self.store, decided).await
    }
}

/// A decision, with the use and the refusal to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The decision's id.
    pub id: DecisionId,
    /// The decision.
    pub decision: Decision,
    usage: Option<KeyUse>,
    refusal: Option<Refusal>,
}

pub(super) async fn record_on(store: &Store, decided: &Decided) -> Result<(), KeyringError> {
    let used = decided
        .usage
        .as_ref()
        .filter(|usage| usage.former.is_empty())
        .and_then(|usage| Some((&usage.id, usage.last?, usage.tallies.first()?)));
    if let Some((id, usage, tally)) = used
        && store.used_lately(id, &usage, tally).await?
    {
        return Ok(());
    }
    let (usage, refusal) = (decided.usage.as_slice(), decided.refusal.as_slice());
    Ok(store.record_usage(usage, refusal).await?)
}

pub(super) async fn decide_on(
    store: &Store,
    machine: &Machine,
    presented: &CheckRequest<'_>,
) -> Result<Decided, KeyringError> {
    let CheckRequest { area, action, .. } = presented;
    find_area(&store.areas().await?, area)?;
    let text = presented.token.expose_secret();
    let token = Token::parse(text);
    let credential = match &token {
        _ if text.is_empty() => Credential::Missing,
        Err(_) => Credential::Malformed,
        Ok(token) => store.credential(token).await?,
    };
    let client = Client::given(presented.address);
    let request = Request {
        target: Target::Routed(area.clone(), *action),
        address: client.address,
        agent: presented.agent.clone(),
        at: machine.now(),
    };
    let id = DecisionIds::draw(&mut |buffer| machine.fill(buffer)).next();
    let decision = decide(&credential, &request);
    let refusal = match &decision {
        Decision::Allow { .. } => None,
        Decision::Deny { reason, .. } => Some(Refusal {
            id: id.clone(),
            at: request.at,
            reason: *reason,
            key: credential.key_id().cloned(),
            named: match &token {
                Ok(token) if credential.key_id().is_none() => Some(token.key_id().clone()),
                Ok(_) => None,
                Err(_) => token::named(text),
            },
            token: credential
                .key_id()
                .and(token.as_ref().ok())
                .map(Token::digest),
            address: request.address,
            hop: client.hop,
            agent: presented.agent.clone(),
            wanted: RequestedAccess::named(area.clone(), *action),
            target: request.target.clone(),
        }),
    };
    Ok(Decided {
        id,
        usage: usage(&credential, &decision, &request),
        decision,
        refusal,
    })
}

/// Returns the use that one request adds to its key, or `None` if the request matches no key.
fn usage(credential: &Credential, decision: &Decision, request: &Request) -> Option<KeyUse> {
    let verdict = match decision {
        Decision::Allow { .. } => Verdict::Allowed,
        Decision::Deny { reason, .. } => Verdict::Refused(*reason),
    };
    let last = LastUse {
        at: request.at,
        from: match request.address {
            ClientAddress::Known(address) => Some(address),
            _ => None,
        },
    };
    let allowed = verdict == Verdict::Allowed;
    let former = match credential {
        Credential::Previous(_, former) if allowed => vec![PreviousTokenUse {
            digest: former.digest,
            count: 1,
            last,
        }],
        _ => Vec::new(),
    };
    let id = credential.key_id()?.clone();
    Some(KeyUse {
        refused: (!allowed).then_some((1, request.at)),
        tallies: vec![Tally {
            began_at: hour(request.at),
            span: HOUR,
            kind: Kind::of(&request.target, request.address, verdict),
            count: 1,
        }],
        former,
        ..KeyUse::last(id, allowed.then_some(last))
    })
}
