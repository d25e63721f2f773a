//! The log: lines of text or JSON on standard error, written by a separate thread, so that a slow
//! reader does not delay decisions.
//!
//! Refusals are logged individually up to a limit per minute, both for each source and in all. The
//! rest is counted and reported as a sum, so that refused requests cannot fill the disk. Text from
//! clients is made visible, truncated, and never contains a token.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use percent_encoding::percent_decode;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer as _, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    registry, reload,
    util::SubscriberInitExt as _,
};

use crate::{
    config::{LogFormat, LogLevel},
    domain::{forwarded::ClientAddress, text::visible, token::without_tokens},
};

/// The maximum number of lines that wait for a slow reader; further ones are lost.
const MAX_QUEUED_LINES: usize = 10_000;
/// The maximum length of a client's text in a line, in characters.
const MAX_CLIENT_TEXT: usize = 200;
/// The maximum length of a run of letters and digits that is shown whole, and the length that is
/// kept of a longer one. The secret half of a token has 49 characters.
const LONGEST_RUN: usize = 40;
const KEPT_OF_RUN: usize = 8;
/// The length of a window in which refusals are counted.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// The numbers of refusals that are logged in one window, for one source and in all.
const OF_ONE: u32 = 60;
const OF_ALL: u32 = 600;

/// The running log. It writes the last lines when it is dropped.
pub(super) struct LogHandle {
    _guard: WorkerGuard,
    text: reload::Handle<Targets, Registry>,
    json: reload::Handle<Targets, Registry>,
}

impl LogHandle {
    /// Changes the format and the level of the lines from now on.
    pub(super) fn set(&self, format: LogFormat, level: LogLevel) {
        let (text, json) = filters(format, level);
        // It fails only if another endpoint of the same process logs, as in tests.
        let _ = self.text.reload(text);
        let _ = self.json.reload(json);
    }
}

/// Returns what the lines of text and those of JSON let pass: one of them nothing.
fn filters(format: LogFormat, level: LogLevel) -> (Targets, Targets) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Only this program's lines: an endpoint's log does not cover the internals of libraries.
    let ours = Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
    match format {
        LogFormat::Text => (ours, Targets::new()),
        LogFormat::Json => (Targets::new(), ours),
    }
}

/// Starts logging.
pub(super) fn begin(format: LogFormat, level: LogLevel) -> LogHandle {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_QUEUED_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let (text, json) = filters(format, level);
    let (text, text_handle) = reload::Layer::new(text);
    let (json, json_handle) = reload::Layer::new(json);
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(writer.clone());
    let objects = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(writer)
        .json()
        .flatten_event(true);
    // A second endpoint in the same process, as in tests, logs where the first one does.
    let layers = vec![
        lines.with_filter(text).boxed(),
        objects.with_filter(json).boxed(),
    ];
    let _ = registry().with(layers).try_init();
    LogHandle {
        _guard: guard,
        text: text_handle,
        json: json_handle,
    }
}

/// Returns a client's text in a form that is safe for a log line or a sentence.
pub(super) fn shown(bytes: &[u8]) -> String {
    let bytes_shown = &bytes[..bytes.len().min(4 * MAX_CLIENT_TEXT)];
    let text = String::from_utf8_lossy(bytes_shown).into_owned();
    let hidden = |text: &str| without_secrets(&without_tokens(text));
    // Percent-escapes are shown as they came, unless a secret is hidden in them.
    let decoded = percent_decode(bytes_shown).decode_utf8_lossy();
    let clean = match hidden(&decoded) {
        clean if clean == decoded => visible(&hidden(&text)),
        clean => visible(&clean),
    };
    let mut cut: String = clean.chars().take(MAX_CLIENT_TEXT).collect();
    if cut.len() < clean.len() || bytes.len() > 4 * MAX_CLIENT_TEXT {
        cut.push('…');
    }
    cut
}

/// Returns the text with every long run of letters and digits cut: a token whose beginning was
/// written in another way is still a token.
fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        clean.push_str(&rest[..at]);
        let run = &rest[at..];
        let end = run.find(|c: char| !c.is_ascii_alphanumeric());
        let (run, behind) = run.split_at(end.unwrap_or(run.len()));
        if run.len() > LONGEST_RUN {
            clean.push_str(&run[..KEPT_OF_RUN]);
            clean.push('…');
        } else {
            clean.push_str(run);
        }
        rest = behind;
    }
    clean + rest
}

/// Determines which refusals are logged individually.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Default)]
struct Window {
    began: Duration,
    logged: u32,
    left_out: u64,
    /// The number of logged refusals per address; all addresses that are not known are one source.
    of: HashMap<Option<IpAddr>, u32>,
}

impl Window {
    /// Starts a new window if the current one is over. Returns how many refusals the old one left
    /// out, or `None` if it left out none or is not over.
    fn turn(&mut self, now: Duration) -> Option<u64> {
        if now.saturating_sub(self.began) < WINDOW {
            return None;
        }
        let before = std::mem::take(self);
        self.began = now;
        Some(before.left_out).filter(|count| *count > 0)
    }
}

impl Refusals {
    /// Returns how many refusals were not logged individually, if their window is over.
    pub(super) fn overdue(&self, now: Duration) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn(now)
    }

    /// Returns whether this refusal is to be logged, and how many refusals of the previous window
    /// were not, if that window is over.
    pub(super) fn should_log(&self, from: ClientAddress, now: Duration) -> (bool, Option<u64>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = &mut *held;
        let summed = window.turn(now);
        // Every source in the map has a logged line, so the map has at most as many sources as
        // lines.
        if window.logged < OF_ALL {
            let source = match from {
                ClientAddress::Known(address) => Some(address),
                _ => None,
            };
            let of_one = window.of.entry(source).or_default();
            if *of_one < OF_ONE {
                *of_one += 1;
                window.logged += 1;
                return (true, summed);
            }
        }
        window.left_out += 1;
        (false, summed)
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_encode_byte;

    use super::*;

    #[test]
    fn what_clients_wrote_is_visible_short_and_without_tokens() {
        assert_eq!(shown(b"/contacts/7"), "/contacts/7");
        assert_eq!(
            shown("/\u{1b}[31m\u{202e}x".as_bytes()),
            "/<U+001B>[31m<U+202E>x"
        );
        assert_eq!(
            shown(b"/x?k=clv_0123456789AB_aaaabbbbcccc"),
            "/x?k=clv_0123456789AB_…"
        );
        let long = "/a".repeat(50_000);
        assert_eq!(shown(long.as_bytes()).chars().count(), MAX_CLIENT_TEXT + 1);
        let secret = "5alvd3kjhAMdTj1AOJWA9uJSbWNvw45HpApoGqOfaHl2OWTMk";
        for disguise in ["CLV_Cr5JI7uXSE4O_", "clv%5FCr5JI7uXSE4O%5F", "/", ""] {
            let shown = shown(format!("{disguise}{secret}").as_bytes());
            assert!(!shown.contains(&secret[12..]), "{shown}");
        }
        let escaped: String = secret.bytes().map(percent_encode_byte).collect();
        assert_eq!(shown(format!("/x/{escaped}").as_bytes()), "/x/5alvd3kj…");
        assert_eq!(shown(b"/a/%2e%2e/b"), "/a/%2e%2e/b");
        assert_eq!(shown(&[0xff, b'/']), "\u{fffd}/");
    }

    #[test]
    fn a_million_refusals_are_some_lines_and_an_exact_count() {
        let refusals = Refusals::default();
        let address = |n: u32| ClientAddress::Known(std::net::Ipv4Addr::from(n).into());
        let mut logged = 0;
        let mut summed = 0;
        let mut should_log = |n: u32, seconds: u64| {
            let (admitted, before) = refusals.should_log(address(n), Duration::from_secs(seconds));
            logged += u64::from(admitted);
            summed += before.unwrap_or_default();
        };
        for _ in 0..1_000_000 {
            should_log(1, 0);
        }
        // Another source is still logged.
        should_log(2, 1);
        // Many sources together are limited as well.
        for n in 3..100_003 {
            should_log(n, 2);
        }
        should_log(1, 61);
        assert_eq!(logged, 600 + 1);
        assert_eq!(logged + summed, 1_100_002);
    }
}
