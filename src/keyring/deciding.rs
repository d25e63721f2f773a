//! Deciding, and nothing else: what a gateway or a script asks of a keyring.
//!
//! A [`Decider`] needs neither master key nor workspace and writes nothing but uses, so it opens
//! faster than a [`Keyring`] and works where that cannot. Both decide by the same function.
use secrecy::ExposeSecret as _;

use super::{Keyring, KeyringError, Location, MasterKeyPlace, Place, Presented, Watch, Workspace};
use crate::{
    domain::{
        access::find_area,
        decision::{Credential, Decision, Request, Target, decide},
        key::LastUse,
        moment::Moment,
        token::{KeyId, Token},
    },
    machine::Machine,
    store::Store,
};

/// An open store, to decide on requests with.
#[derive(Debug)]
pub struct Decider {
    store: Store,
    machine: Machine,
}

impl Decider {
    /// Opens the store.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub async fn open(location: &Location, machine: Machine) -> Result<Self, KeyringError> {
        if let Location::File(path) = location
            && let Some(store) = Store::open_file_to_decide(path).await?
        {
            return Ok(Self { store, machine });
        }
        let keyring = Keyring::open(location, MasterKeyPlace::Nowhere, machine).await?;
        Ok(Self {
            store: keyring.store,
            machine: keyring.machine,
        })
    }

    /// A connection to decide from again and again, for an endpoint.
    ///
    /// # Errors
    /// The store's.
    pub async fn watch(&self) -> Result<Watch, KeyringError> {
        Ok(self.store.watch().await?)
    }

    /// The workspace, as it is now.
    ///
    /// # Errors
    /// The store's.
    pub async fn workspace(&self) -> Result<Workspace, KeyringError> {
        Ok(self.store.workspace().await?)
    }

    /// Where the store is.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.store.place()
    }

    /// Whose clock and chance decisions have.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Records allowed uses, all or none.
    ///
    /// # Errors
    /// The store's; the decisions stand all the same.
    pub async fn record_uses(&self, uses: &[(KeyId, LastUse)]) -> Result<(), KeyringError> {
        Ok(self.store.record_uses(uses).await?)
    }

    /// Closes the store's connections, and leaves its folder tidy.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// An area that there is not, and the store's: no error is an allow.
    pub async fn decide(
        &self,
        presented: &Presented<'_>,
    ) -> Result<(Decision, Moment), KeyringError> {
        decide_on(&self.store, &self.machine, presented).await
    }

    /// Records an allowed use, unless the same was recorded within the last minute.
    ///
    /// # Errors
    /// The store's; the decision stands all the same.
    pub async fn record_use(&self, id: KeyId, usage: LastUse) -> Result<(), KeyringError> {
        if !self.store.used_lately(&id, &usage).await? {
            self.store.record_uses(&[(id, usage)]).await?;
        }
        Ok(())
    }
}

pub(super) async fn decide_on(
    store: &Store,
    machine: &Machine,
    presented: &Presented<'_>,
) -> Result<(Decision, Moment), KeyringError> {
    if let Target::Routed(area, _) = &presented.target {
        find_area(&store.areas().await?, area)?;
    }
    let text = presented.token.expose_secret();
    let credential = match Token::parse(text) {
        _ if text.is_empty() => Credential::Missing,
        Err(_) => Credential::Malformed,
        Ok(token) => store.credential(&token).await?,
    };
    let at = machine.now();
    let request = Request {
        target: presented.target.clone(),
        address: presented.address.into(),
        agent: None,
        at,
    };
    Ok((decide(&credential, &request), at))
}
