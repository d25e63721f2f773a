//! Where the program's parts are: the database, the master key, the checkpoints of the audit log.
//!
//! These are names of places and nothing more: nothing is opened and nothing is resolved here.
use std::path::PathBuf;

use secrecy::SecretString;

use super::text::visible;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum DatabaseLocation {
    /// A SQLite file.
    File(PathBuf),
    /// The URL of a PostgreSQL database. It may hold a password, so it never shows itself.
    Server(SecretString),
}

/// Where the master key is, or where it will be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeyLocation {
    /// In systemd's credentials directory. Its mode shows 0440 because of an ACL, and is not judged.
    Credential(PathBuf),
    /// In the file that `CLAVIGER_MASTER_KEY_FILE` names, or in the default one.
    File(PathBuf),
    /// There is no home folder, and nothing was named.
    Nowhere,
}

impl MasterKeyLocation {
    /// The path, fit to be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Credential(path) | Self::File(path) => visible(&path.to_string_lossy()),
            Self::Nowhere => "nowhere".to_owned(),
        }
    }
}

/// Where checkpoints of the audit log go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointTarget {
    /// To the system's log, where there is one.
    Default,
    /// Nowhere.
    Off,
    /// To the system's log, or to the one that listens at this socket.
    Syslog(Option<PathBuf>),
    /// To the end of this file.
    File(PathBuf),
}

impl CheckpointTarget {
    /// Reads the setting `checkpoints` of the configuration file.
    ///
    /// # Errors
    /// A sentence that names the text and the forms that are understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "syslog" => Ok(Self::Syslog(None)),
            text => match text.strip_prefix("syslog:") {
                Some(socket) if socket.starts_with('/') => Ok(Self::Syslog(Some(socket.into()))),
                None if text.starts_with('/') => Ok(Self::File(text.into())),
                _ => Err(format!(
                    "checkpoints: {} is no place: write syslog, off, or the absolute path of a file",
                    visible(text)
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_go_to_a_place_that_is_understood() {
        for (text, target) in [
            ("off", CheckpointTarget::Off),
            ("syslog", CheckpointTarget::Syslog(None)),
            (
                "syslog:/run/x",
                CheckpointTarget::Syslog(Some("/run/x".into())),
            ),
            ("/var/log/x", CheckpointTarget::File("/var/log/x".into())),
        ] {
            assert_eq!(CheckpointTarget::parse(text), Ok(target));
        }
        for text in ["", "on", "x", "syslog:x", "./x"] {
            assert!(CheckpointTarget::parse(text).is_err(), "{text}");
        }
    }
}
