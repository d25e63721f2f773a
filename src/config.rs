//! Gathers the settings from flags, the environment and the configuration file, in this order.
//!
//! This module knows the locations of files, but opens only its own configuration file. A database
//! URL is kept as a secret, since it may contain a password, and is never displayed. To add a
//! setting, add it to [`ConfigFile`] and document it in docs/configuration.md.
mod credential_place;
mod proxy_secret;
mod serve;
mod serve_file;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

pub use credential_place::CredentialPlace;
pub use proxy_secret::ProxySecret;
pub use serve::{
    DEFAULT_LISTEN, GatewayKind, Listen, LogFormat, LogLevel, MAX_CACHE, MAX_CONNECTIONS, Serve,
    ServeSettings, SocketMode,
};

use serve_file::ServeSection;

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use crate::domain::{
    location::{AuditTarget, CheckpointTarget, DatabaseLocation, MasterKeyLocation},
    text::visible,
};

/// The error for settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no home folder.
    #[error(
        "HOME is not set, so there is no place for the database: set HOME, or name a database with --database sqlite:PATH"
    )]
    NoHome,
    /// The database URL is not one.
    #[error("{0} is no database URL: write sqlite:PATH or postgres://USER@HOST:PORT/NAME")]
    BadDatabase(String),
    /// The configuration file cannot be read.
    #[error("{path} cannot be read ({why})")]
    Unreadable {
        /// The file's path.
        path: String,
        /// The reason.
        why: String,
    },
    /// The configuration file is not valid TOML, or has an unknown or invalid setting.
    #[error("{path} is not understood: {why}")]
    BadFile {
        /// The file's path.
        path: String,
        /// The line, if there is one, and the reason.
        why: String,
    },
}

/// The configuration file, `config.toml`. It has no `Debug`: the database's URL may hold a
/// password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// The database, if neither `--database` nor `CLAVIGER_DATABASE_URL` names one.
    database: Option<Spanned<String>>,
    /// Whether tokens may be copied through the terminal (OSC 52); the default is true.
    osc52: Option<bool>,
    /// The destination of the audit log's checkpoints: `syslog`, `syslog:SOCKET`, `off`, or the
    /// absolute path of a file. The default is the system's log, if there is one.
    checkpoints: Option<Spanned<String>>,
    /// The destination of whole events of the audit log: `syslog`, `syslog:SOCKET`, or `off`, which
    /// is the default.
    audit: Option<Spanned<String>>,
    /// The settings of `serve`.
    serve: Option<ServeSection>,
}

/// The settings of a configuration file, and what an error in one of their values must name.
#[derive(Default)]
struct Settings {
    values: ConfigFile,
    path: String,
    text: String,
}

impl Settings {
    fn serve(&self) -> Result<Option<ServeSettings>, ConfigError> {
        let section = self.values.serve.as_ref();
        let read = section.map(ServeSection::read).transpose();
        read.map_err(|(offset, why)| self.bad(offset, &why))
    }

    /// The error of a value: it names the file and the line, and never the value.
    fn bad(&self, offset: usize, why: &str) -> ConfigError {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::BadFile {
            path: self.path.clone(),
            why: format!("line {line}: {why}"),
        }
    }
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The location of the database.
    pub location: DatabaseLocation,
    /// Whether the database was named; if not, `location` is the default.
    pub location_named: bool,
    /// The location of the master key: a path given by systemd, a named path, or the default.
    pub master_key: MasterKeyLocation,
    /// The configuration file, whether it exists or not; `None` if there is no folder for it.
    pub file: Option<PathBuf>,
    /// Whether tokens may be copied through the terminal (OSC 52).
    pub osc52: bool,
    /// The destination of the audit log's checkpoints.
    pub checkpoints: CheckpointTarget,
    /// The destination of whole events of the audit log.
    pub audit: AuditTarget,
    /// The settings of `serve` in the file; `None` if it has no section for them.
    pub serve: Option<ServeSettings>,
}

/// The environment as a function, so that tests can replace it.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns a variable of this process's environment. A value that is empty or not UTF-8 counts as
/// not set.
#[must_use]
pub fn process_variable(name: &str) -> Option<String> {
    env::var_os(name)?
        .into_string()
        .ok()
        .filter(|value| !value.is_empty())
}

impl Config {
    /// Gathers the settings; `database` is the value of the flag.
    ///
    /// # Errors
    /// Returns [`ConfigError::NoHome`] if no database is named and there is no folder for the
    /// default one, [`ConfigError::BadDatabase`] if the database URL is invalid,
    /// [`ConfigError::Unreadable`] if the configuration file cannot be read, and
    /// [`ConfigError::BadFile`] if its content is invalid.
    pub fn gather(database: Option<&str>, variables: Variables<'_>) -> Result<Self, ConfigError> {
        let folder = folder(variables, "XDG_CONFIG_HOME", ".config");
        let settings = folder.as_ref().map(|folder| folder.join("config.toml"));
        let file = match &settings {
            Some(path) => read_file(path)?,
            None => Settings::default(),
        };
        let named = database
            .map(str::to_owned)
            .or_else(|| variables("CLAVIGER_DATABASE_URL"));
        let set = file.values.database.as_ref();
        let location = if let Some(url) = &named {
            parse_location(url)?
        } else if let Some(url) = set {
            let located = parse_location(url.get_ref());
            located.map_err(|error| file.bad(url.span().start, &error.to_string()))?
        } else {
            let data = self::folder(variables, "XDG_DATA_HOME", ".local/share");
            DatabaseLocation::File(data.ok_or(ConfigError::NoHome)?.join("claviger.db"))
        };
        let master_key = if let Some(credentials) = variables("CREDENTIALS_DIRECTORY")
            && PathBuf::from(&credentials).join("master-key").exists()
        {
            MasterKeyLocation::Credential(PathBuf::from(credentials).join("master-key"))
        } else if let Some(path) = variables("CLAVIGER_MASTER_KEY_FILE") {
            MasterKeyLocation::File(PathBuf::from(path))
        } else {
            folder.map_or(MasterKeyLocation::Nowhere, |f| {
                MasterKeyLocation::File(f.join("master-key"))
            })
        };
        let checkpoints = match &file.values.checkpoints {
            None => CheckpointTarget::Default,
            Some(text) => CheckpointTarget::parse(text.get_ref())
                .map_err(|why| file.bad(text.span().start, &why))?,
        };
        let audit = match &file.values.audit {
            None => AuditTarget::Off,
            Some(text) => AuditTarget::parse(text.get_ref())
                .map_err(|why| file.bad(text.span().start, &why))?,
        };
        let switched_off = variables("CLAVIGER_OSC52").is_some_and(|value| value == "off");
        Ok(Self {
            location,
            location_named: named.is_some() || set.is_some(),
            master_key,
            file: settings,
            osc52: !switched_off && file.values.osc52.unwrap_or(true),
            checkpoints,
            audit,
            serve: file.serve()?,
        })
    }

    /// Reads the settings of `serve` from the configuration file again. Returns `None` if it has no
    /// section for them any more, or does not exist.
    ///
    /// # Errors
    /// Returns [`ConfigError::Unreadable`] and [`ConfigError::BadFile`] as [`Config::gather`] does.
    pub fn read_serve(&self) -> Result<Option<ServeSettings>, ConfigError> {
        match &self.file {
            Some(path) => read_file(path)?.serve(),
            None => Ok(None),
        }
    }
}

/// Returns `$XDG_…/claviger`, or the default below `HOME`. Relative paths in these variables are
/// ignored, as the XDG Base Directory Specification 0.8 requires.
fn folder(variables: Variables<'_>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: String| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    variables(variable)
        .and_then(absolute)
        .or_else(|| Some(variables("HOME").and_then(absolute)?.join(below_home)))
        .map(|folder| folder.join("claviger"))
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let shown = visible(&path.to_string_lossy());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        // The configuration folder may belong to another user, as under `sudo -u`: it counts as
        // missing.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Settings::default());
        }
        Err(error) => {
            return Err(ConfigError::Unreadable {
                path: shown,
                why: error.to_string(),
            });
        }
    };
    let mut settings = Settings {
        values: ConfigFile::default(),
        path: shown,
        text,
    };
    settings.values = toml::from_str(&settings.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        settings.bad(offset, &visible(error.message()))
    })?;
    Ok(settings)
}

fn parse_location(url: &str) -> Result<DatabaseLocation, ConfigError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(DatabaseLocation::Server(SecretString::from(url)));
    }
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    match path {
        Some(path) if !path.is_empty() && path != ":memory:" => {
            Ok(DatabaseLocation::File(path.into()))
        }
        Some(_) => Err(ConfigError::BadDatabase(visible(url))),
        None => Err(ConfigError::BadDatabase(shown(url))),
    }
}

/// Returns the part of a rejected URL that cannot be a password: a path, or the text before the
/// first colon. Any other text is not shown.
fn shown(url: &str) -> String {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-~+".contains(c);
    match scheme {
        "" => "an empty value".to_owned(),
        scheme if scheme.chars().all(plain) => scheme.to_owned(),
        _ => "what was given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(flag: Option<&str>, set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = |name: &str| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::gather(flag, &variables)
    }

    fn file(config: &Config) -> &std::path::Path {
        match &config.location {
            DatabaseLocation::File(path) => path,
            DatabaseLocation::Server(_) => panic!("a file was expected"),
        }
    }

    #[test]
    fn the_flag_comes_before_the_environment_and_that_before_the_default() {
        let home = [("HOME", "/nowhere/home")];
        let default = gather(None, &home).expect("a default");
        assert_eq!(
            file(&default).to_str(),
            Some("/nowhere/home/.local/share/claviger/claviger.db")
        );
        assert_eq!(
            default.master_key,
            MasterKeyLocation::File("/nowhere/home/.config/claviger/master-key".into())
        );
        let both = [
            ("HOME", "/nowhere"),
            ("CLAVIGER_DATABASE_URL", "sqlite:/a.db"),
        ];
        assert_eq!(
            file(&gather(None, &both).expect("a")).to_str(),
            Some("/a.db")
        );
        assert_eq!(
            file(&gather(Some("sqlite:/b.db"), &both).expect("b")).to_str(),
            Some("/b.db")
        );
        let xdg = [("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")];
        assert_eq!(
            file(&gather(None, &xdg).expect("xdg")).to_str(),
            Some("/d/claviger/claviger.db")
        );
    }

    #[test]
    fn without_a_home_a_named_database_is_enough() {
        assert_eq!(gather(None, &[]).err(), Some(ConfigError::NoHome));
        assert_eq!(
            gather(None, &[("HOME", "relative")]).err(),
            Some(ConfigError::NoHome)
        );
        let named = gather(Some("sqlite:/a.db"), &[]).expect("named");
        assert_eq!(named.master_key, MasterKeyLocation::Nowhere);
    }

    /// Gathers the configuration from a file with this text.
    fn gather_file(text: &str) -> Result<Config, ConfigError> {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("claviger");
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("config.toml"), text).expect("written");
        let home = home.path().to_str().expect("a path").to_owned();
        gather(None, &[("HOME", "/nowhere"), ("XDG_CONFIG_HOME", &home)])
    }

    #[test]
    fn every_setting_of_the_file_is_read() {
        let text = "checkpoints = \"off\"\nosc52 = false\ndatabase = \"sqlite:/a.db\"\n";
        let config = gather_file(text).expect("understood");
        assert_eq!(file(&config).to_str(), Some("/a.db"));
        assert_eq!(config.checkpoints, CheckpointTarget::Off);
        assert!(config.location_named && !config.osc52);
        let none = gather_file("").expect("understood");
        assert_eq!(none.checkpoints, CheckpointTarget::Default);
        assert!(!none.location_named && none.osc52);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named_with_file_and_line() {
        for (text, line, why) in [
            ("file = \"/x\"", 1, "unknown field `file`"),
            ("\nosc52 = true\ncolour = 1", 3, "unknown field `colour`"),
            ("osc52 = true\nosc52 = false", 2, "duplicate key"),
            ("\nosc52 = \"no\"", 2, "expected a boolean"),
            ("database = 5", 1, "expected a string"),
            ("# x\n[database]", 2, "expected a string"),
            (
                "\n\ndatabase = \"mysql://u:hunter2@h/d\"",
                3,
                "mysql is no database",
            ),
            (
                "osc52 = true\ndatabase = \"\"",
                2,
                "an empty value is no database",
            ),
            (
                "osc52 = true\ncheckpoints = \"somewhere\"",
                2,
                "somewhere is no place",
            ),
            ("osc52 = true\ncheckpoints =", 2, ""),
        ] {
            let error = gather_file(text).expect_err(text).to_string();
            let place = format!("claviger/config.toml is not understood: line {line}: ");
            assert!(
                error.contains(&place) && error.contains(why),
                "{text}: {error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "mysql://u:hunter2@h/d",
            "postgres:/u:hunter2@h",
            "postgres:u:hunter2",
            "Postgres://u:hunter2@h/d",
            "mysql://u:hunter2%40h/d",
            "hunter2@h/d",
            "host=h user=u password=hunter2",
            ":hunter2",
        ] {
            let error = gather(Some(url), &[]).expect_err("refused").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for (given, shown) in [
            ("", "an empty value is no"),
            ("/tmp/x.db", "/tmp/x.db is no"),
        ] {
            let error = gather(Some(given), &[]).expect_err("refused").to_string();
            assert!(error.contains(shown), "{error}");
        }
        let config = gather(Some("postgres://u:hunter2@h/d"), &[]).expect("a server");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
