//! `authorized-keys`: what sshd asks at every login, an attacker's too.
//!
//! It prints a line for each key, bound to this program run as its member, and nothing else that a
//! member gave us. It writes nothing, needs no master key, and on any error it prints nothing and
//! ends well: sshd takes that for "no such key".
use std::{path::PathBuf, time::Duration};

use secrecy::ExposeSecret as _;

use super::{Failure, output::Output};
use crate::{
    config::{self, Config},
    domain::{location::DatabaseLocation, member::Fingerprint},
    keyring::Members,
};

/// How long a login waits for the database.
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

/// Where this program is, if that goes through a login shell and an `authorized_keys` line as it is.
pub(super) fn program() -> Option<String> {
    let path: PathBuf = std::env::current_exe().ok()?;
    let path = path.to_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._+-".contains(&b);
    (path.starts_with('/') && path.bytes().all(plain)).then(|| path.to_owned())
}
