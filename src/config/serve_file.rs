//! The section `[serve]` of the configuration file.
use serde::Deserialize;
use toml::Spanned;

use super::serve::{MAX_CACHE, MAX_CONNECTIONS, ServeSettings};

/// The section as it is written. A setting has the name of its flag, with `_` for `-`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServeSection {
    listen: Option<Spanned<String>>,
    socket_mode: Option<Spanned<String>>,
    gateway: Option<Spanned<String>>,
    trusted_proxy: Option<Spanned<OneOrMore>>,
    proxy_secret_file: Option<Spanned<String>>,
    credential: Option<Spanned<OneOrMore>>,
    max_connections: Option<Spanned<u32>>,
    cache: Option<Spanned<u32>>,
    metrics_label: Option<Spanned<String>>,
    log_format: Option<Spanned<String>>,
    log_level: Option<Spanned<String>>,
}

/// One text, with commas between several values, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn values(&self) -> Vec<&str> {
        match self {
            Self::One(text) => text.split(',').map(str::trim).collect(),
            Self::More(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// The byte offset of a setting that is wrong, and a sentence that says why.
type WrongSetting = (usize, String);

fn parsed<T: std::str::FromStr>(text: Option<&Spanned<String>>) -> Result<Option<T>, WrongSetting>
where
    T::Err: ToString,
{
    let Some(text) = text else { return Ok(None) };
    let read = text.get_ref().parse();
    read.map(Some)
        .map_err(|why: T::Err| (text.span().start, why.to_string()))
}

fn all_parsed<T: std::str::FromStr>(
    texts: Option<&Spanned<OneOrMore>>,
) -> Result<Option<Vec<T>>, WrongSetting>
where
    T::Err: ToString,
{
    let Some(texts) = texts else { return Ok(None) };
    if texts.get_ref().values().is_empty() {
        let why = "the list is empty: leave the setting out".to_owned();
        return Err((texts.span().start, why));
    }
    let values = texts.get_ref().values().into_iter();
    let read: Result<Vec<T>, T::Err> = values.map(str::parse).collect();
    read.map(Some)
        .map_err(|why| (texts.span().start, why.to_string()))
}

fn within(number: Option<&Spanned<u32>>, most: u32) -> Result<Option<u32>, WrongSetting> {
    let Some(number) = number else {
        return Ok(None);
    };
    let value = *number.get_ref();
    if (1..=most).contains(&value) {
        return Ok(Some(value));
    }
    let why = format!("{value} is not between 1 and {most}");
    Err((number.span().start, why))
}

impl ServeSection {
    /// Parses the values.
    ///
    /// # Errors
    /// Returns the place of the first value that is wrong, and why.
    pub(super) fn read(&self) -> Result<ServeSettings, WrongSetting> {
        let path = self.proxy_secret_file.as_ref();
        if let Some(path) = path.filter(|path| !path.get_ref().starts_with('/')) {
            let why = "proxy_secret_file is no absolute path".to_owned();
            return Err((path.span().start, why));
        }
        Ok(ServeSettings {
            listen: parsed(self.listen.as_ref())?,
            socket_mode: parsed(self.socket_mode.as_ref())?,
            gateway: parsed(self.gateway.as_ref())?,
            trusted: all_parsed(self.trusted_proxy.as_ref())?,
            proxy_secret_file: path.map(|path| path.get_ref().into()),
            credentials: all_parsed(self.credential.as_ref())?,
            connections: within(self.max_connections.as_ref(), MAX_CONNECTIONS)?,
            cache: within(self.cache.as_ref(), MAX_CACHE)?,
            metrics_label: parsed(self.metrics_label.as_ref())?,
            log_format: parsed(self.log_format.as_ref())?,
            log_level: parsed(self.log_level.as_ref())?,
        })
    }
}
