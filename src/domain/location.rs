//! Locations of the program's parts: the database, the master key, the audit log's checkpoints.
//!
//! These types only name locations: nothing is opened or resolved here.
use std::path::PathBuf;

use secrecy::SecretString;

use super::text::visible;

/// The location of the database.
#[derive(Debug, Clone)]
pub enum DatabaseLocation {
    /// A SQLite file.
    File(PathBuf),
    /// The URL of a PostgreSQL database. It may contain a password, so `Debug` does not show it.
    Server(SecretString),
}

/// The location of the master key, or the one where it will be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeyLocation {
    /// A file in systemd's credentials directory. Its mode shows as 0440 because of an ACL, so the
    /// mode is not checked.
    Credential(PathBuf),
    /// The file that `CLAVIGER_MASTER_KEY_FILE` names, or the default file.
    File(PathBuf),
    /// No location: there is no home folder, and no file was named.
    Nowhere,
}

impl MasterKeyLocation {
    /// Returns the path with hazardous characters made visible.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Credential(path) | Self::File(path) => visible(&path.to_string_lossy()),
            Self::Nowhere => "nowhere".to_owned(),
        }
    }
}

/// The destination of the audit log's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointTarget {
    /// The system's log, if there is one.
    Default,
    /// No destination: checkpoints are switched off.
    Off,
    /// The system's log, or the syslog socket at this path.
    Syslog(Option<PathBuf>),
    /// The file at this path, to which checkpoints are appended.
    File(PathBuf),
}

impl CheckpointTarget {
    /// Parses the setting `checkpoints` of the configuration file.
    ///
    /// # Errors
    /// Returns a sentence that names the text and the accepted forms if the text has none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "syslog" => Ok(Self::Syslog(None)),
            text => match text.strip_prefix("syslog:") {
                Some(socket) if socket.starts_with('/') => Ok(Self::Syslog(Some(socket.into()))),
                None if text.starts_with('/') => Ok(Self::File(text.into())),
                _ => Err(format!(
                    "checkpoints: {} is no place for checkpoints: write syslog, syslog:/PATH/OF/SOCKET, off, or the absolute path of a file",
                    visible(text)
                )),
            },
        }
    }
}

/// The destination of whole events of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuditTarget {
    /// No destination.
    #[default]
    Off,
    /// The system's log, or the syslog socket at this path.
    Syslog(Option<PathBuf>),
}

impl AuditTarget {
    /// Parses the setting `audit` of the configuration file.
    ///
    /// # Errors
    /// Returns a sentence that names the text and the accepted forms if the text has none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "syslog" => Ok(Self::Syslog(None)),
            text => match text.strip_prefix("syslog:") {
                Some(socket) if socket.starts_with('/') => Ok(Self::Syslog(Some(socket.into()))),
                _ => Err(format!(
                    "audit: {} is no place for events: write syslog, syslog:/PATH/OF/SOCKET, or off",
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
    fn events_go_to_a_place_that_is_understood() {
        for (text, target) in [
            ("off", AuditTarget::Off),
            ("syslog", AuditTarget::Syslog(None)),
            ("syslog:/run/x", AuditTarget::Syslog(Some("/run/x".into()))),
        ] {
            assert_eq!(AuditTarget::parse(text), Ok(target));
        }
        for text in ["", "on", "/var/log/x", "syslog:x", "tcp:x:1"] {
            let error = AuditTarget::parse(text).expect_err(text);
            assert!(error.contains("syslog:/PATH/OF/SOCKET"), "{error}");
        }
    }

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
