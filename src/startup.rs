//! Opens the keyring that the configuration names, for the screen, for a command and for `doctor`.
//!
//! It connects the configuration and the keyring, which must not depend on each other. It decides
//! nothing and prints nothing.
use crate::{
    config::Config,
    domain::member::{Fingerprint, MemberId},
    keyring::{Keyring, KeyringError},
    machine::Machine,
};

/// The session of a member who signed in over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The member's id.
    pub member: MemberId,
    /// The fingerprint of the SSH key that the member used, if sshd reports it
    /// (`ExposeAuthInfo yes`).
    pub fingerprint: Option<Fingerprint>,
}

/// Opens the keyring for a member, or for the operating system's user if there is no session.
/// Returns the keyring and the warnings to show.
///
/// # Errors
/// Returns [`KeyringError`] if the store cannot be opened, or if there is no such member.
pub async fn open_keyring(
    config: &Config,
    session: Option<&Session>,
) -> Result<(Keyring, Vec<String>), KeyringError> {
    let master_key = config.master_key.clone();
    let mut keyring = Keyring::open(&config.location, master_key, Machine::real()).await?;
    if let Some(Session {
        member,
        fingerprint,
    }) = session
    {
        keyring = keyring.sign_in(member.clone(), fingerprint.clone()).await?;
    }
    let mut warnings = keyring.warnings().to_vec();
    if let Err(sentence) = keyring.keep_checkpoints(&config.checkpoints) {
        warnings.push(sentence);
    }
    keyring.stream_to(&config.audit);
    Ok((keyring, warnings))
}
