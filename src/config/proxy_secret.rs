//! The secrets by which gateways are trusted wherever they are.
use std::{
    fmt, fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    str::FromStr,
};

use nix::fcntl::OFlag;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::domain::text::visible;

/// The minimum length of a secret, in characters.
const SHORTEST: usize = 32;

/// A secret that makes a peer a trusted proxy. It is never shown.
#[derive(Clone)]
pub struct ProxySecret(SecretString);

impl ProxySecret {
    /// Returns `true` if the text is the secret. The duration does not depend on where they differ.
    #[must_use]
    pub fn is(&self, text: &[u8]) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(text).into()
    }
}

impl fmt::Debug for ProxySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxySecret(…)")
    }
}

/// The error for a text that cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnusableSecret;

impl FromStr for ProxySecret {
    type Err = UnusableSecret;

    /// Reads a line of at least 32 visible ASCII characters, which a header can hold.
    fn from_str(line: &str) -> Result<Self, UnusableSecret> {
        if line.len() < SHORTEST || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UnusableSecret);
        }
        Ok(Self(SecretString::from(line)))
    }
}

/// Reads the secrets from a file, one in each line.
///
/// # Errors
/// Returns a sentence that names the file, and the line if there is one, if the file cannot be read,
/// is not a regular file, can be read by other users, or has a line that is no secret.
pub(super) fn read_secrets(path: &Path) -> Result<Vec<ProxySecret>, String> {
    let shown = visible(&path.to_string_lossy());
    let unreadable =
        |why: io::Error| format!("the proxy secrets in {shown} cannot be read ({why})");
    let mut file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("the proxy secrets in {shown} are no regular file"));
    }
    // systemd's credentials are readable for their own service only, by an ACL that shows as 0440.
    let refused = if is_credential(path) { 0o037 } else { 0o077 };
    if metadata.mode() & refused != 0 {
        return Err(format!(
            "others can read or change the proxy secrets in {shown} (mode {:03o}): run `chmod 600` on it, and replace the secrets if somebody may have read them",
            metadata.mode() & 0o777
        ));
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut file, &mut text).map_err(unreadable)?;
    let secrets: Result<Vec<ProxySecret>, String> = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            line.parse().map_err(|UnusableSecret| {
                format!(
                    "line {} of the proxy secrets in {shown} is no secret: write at least {SHORTEST} visible characters without spaces, one secret a line, such as the output of `openssl rand -hex 32`",
                    at + 1
                )
            })
        })
        .collect();
    let secrets = secrets?;
    if secrets.is_empty() {
        return Err(format!(
            "there is no secret in {shown}: write at least {SHORTEST} visible characters, such as the output of `openssl rand -hex 32`"
        ));
    }
    Ok(secrets)
}

/// Returns `true` if the file is in the folder that systemd gives to the service.
fn is_credential(path: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").and_then(|it| real(Path::new(&it)));
    match (folder, real(path)) {
        (Some(folder), Some(path)) => path.starts_with(folder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_read_line_by_line_from_a_file_of_ones_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets");
        let read = |text: &str, mode: u32| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            read_secrets(&path)
        };
        let (one, two) = ("a".repeat(32), "b".repeat(64));
        let secrets = read(&format!("{one}\n{two}\n"), 0o600).expect("secrets");
        assert_eq!(secrets.len(), 2);
        assert!(secrets[0].is(one.as_bytes()) && secrets[1].is(two.as_bytes()));
        assert!(!secrets[0].is(two.as_bytes()) && !secrets[0].is(b""));
        assert_eq!(format!("{:?}", secrets[0]), "ProxySecret(…)");
        assert_eq!(read(&one, 0o400).expect("one").len(), 1);
        for (text, mode, why) in [
            (one.as_str(), 0o644, "others can read"),
            (&one, 0o620, "others can read or change"),
            (&one, 0o640, "others can read"),
            (&one[1..], 0o600, "line 1 of"),
            (&format!("{one}\n\n{two}"), 0o600, "line 2 of"),
            (&format!("{one} {two}"), 0o600, "line 1 of"),
            ("", 0o600, "there is no secret"),
        ] {
            let refused = read(text, mode).expect_err(why);
            assert!(
                refused.contains(why) && !refused.contains(&one),
                "{refused}"
            );
        }
        assert!(
            read_secrets(folder.path())
                .expect_err("a folder")
                .contains("no regular file")
        );
    }
}
