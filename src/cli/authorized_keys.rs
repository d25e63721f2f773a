//! `authorized-keys`: the command that sshd runs at every login attempt, an attacker's included.
//!
//! It prints one line for each SSH key, bound to this program run as the key's member. The key
//! itself is the only text from a member in that line. The command writes nothing and needs no
//! master key. On any error it prints nothing and ends with status 0, which sshd takes for "no such
//! key".
use std::{path::PathBuf, time::Duration};

use secrecy::ExposeSecret as _;

use super::{Failure, output::Output};
use crate::{
    config::{self, Config},
    domain::{location::DatabaseLocation, member::Fingerprint},
    keyring::Members,
};

/// The longest time that a login waits for the database.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) async fn run(
    arguments: &[String],
    database: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let answered = tokio::time::timeout(LOGIN_TIMEOUT, lines(arguments, database)).await;
    if let Ok(Some(lines)) = answered {
        let _ = output.bytes(lines.as_bytes());
    }
    Ok(())
}

async fn lines(arguments: &[String], database: Option<&str>) -> Option<String> {
    let only: Option<Fingerprint> = match arguments {
        [] => None,
        [fingerprint] => Some(fingerprint.parse().ok()?),
        _ => return None,
    };
    let program = program()?;
    let config = Config::gather(database, &config::process_variable).ok()?;
    let members = match &config.location {
        DatabaseLocation::File(path) => Members::in_file(path).await.ok()??,
        DatabaseLocation::Server(url) => Members::on_server(url.expose_secret()).await.ok()??,
    };
    let keys = members.ssh_keys(only.as_ref()).await.ok()?;
    let line = |(member, key): &(_, crate::domain::member::SshKey)| {
        format!(
            "restrict,pty,command=\"{program} --member {member}\" {}\n",
            key.line()
        )
    };
    Some(keys.iter().map(line).collect())
}

/// Returns the absolute path of this program, or `None` if it has characters that a login shell or
/// an `authorized_keys` line could change.
pub(super) fn program() -> Option<String> {
    let path: PathBuf = std::env::current_exe().ok()?;
    let path = path.to_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._+-".contains(&b);
    (path.starts_with('/') && path.bytes().all(plain)).then(|| path.to_owned())
}
