//! Sends whole events of the audit log to a syslog socket, as messages of RFC 5424.
use std::{
    io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use syslog_fmt::{
    Facility, Severity,
    v5424::{Config, Formatter, Msg, Timestamp},
};

use super::SYSLOG;
use crate::domain::{
    audit::{Event, json_line},
    location::AuditTarget,
    text::visible,
};

/// The longest text of a message, in bytes. Rsyslog cuts messages after 8 KiB unless it is told
/// otherwise, and the header takes a part of that.
const LONGEST_TEXT: usize = 7_000;
/// The length of the parts of a longer event, in bytes: a part grows to at most twice its length
/// when it becomes a JSON string.
const PART: usize = 3_400;
/// How long a message waits for a log daemon that reads slowly.
const SEND_TIMEOUT: Duration = Duration::from_millis(200);
/// The largest `sequenceId` (RFC 5424, 7.3.1); it begins at 1 again after that.
const LARGEST_ID: i64 = 2_147_483_647;

/// A place to which events are sent.
#[derive(Debug)]
pub(crate) struct EventStream {
    path: PathBuf,
    formatter: Formatter,
}

impl EventStream {
    /// Returns the stream to a place, or `None` if events are sent nowhere. Nothing is opened yet.
    pub(crate) fn to(target: &AuditTarget) -> Option<Self> {
        let path = match target {
            AuditTarget::Off => return None,
            AuditTarget::Syslog(None) => Path::new(SYSLOG),
            AuditTarget::Syslog(Some(path)) => path,
        };
        let host = nix::unistd::gethostname().ok();
        let host = host.and_then(|host| host.into_string().ok());
        let host = host.filter(|host| is_field(host));
        let process = std::process::id().to_string();
        let config = Config {
            facility: Facility::Authpriv,
            hostname: host.as_deref(),
            app_name: Some(env!("CARGO_PKG_NAME")),
            proc_id: Some(&process),
        };
        Some(Self {
            path: path.to_owned(),
            formatter: config.into_formatter(),
        })
    }

    /// Returns the path of the socket, with hazardous characters made visible.
    pub(crate) fn shown(&self) -> String {
        visible(&self.path.to_string_lossy())
    }

    /// Opens the socket.
    ///
    /// # Errors
    /// Returns the operating system's error if nobody listens there.
    pub(crate) fn connect(&self) -> io::Result<StreamConnection<'_>> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.connect(&self.path)?;
        Ok(StreamConnection {
            stream: self,
            socket,
        })
    }

    /// Returns the messages of an event: one, or several that each hold a part of it.
    fn messages(&self, event: &Event) -> io::Result<Vec<Vec<u8>>> {
        let text = json_line(event).to_string();
        let at = event.draft.at.rfc3339();
        let message = |text: &str| {
            let head = (Timestamp::PreformattedStr(&at), event.draft.change.word());
            self.message(Severity::Info, head, event.sequence, text)
        };
        if text.len() <= LONGEST_TEXT {
            return Ok(vec![message(&text)?]);
        }
        let pieces = pieces(&text);
        let parts = pieces.iter().zip(1..).map(|(piece, part)| {
            let text = json!({
                "sequence": event.sequence,
                "part": part,
                "parts": pieces.len(),
                "text": piece,
            });
            message(&text.to_string())
        });
        parts.collect()
    }

    fn message(
        &self,
        severity: Severity,
        (at, id): (Timestamp<'_>, &str),
        sequence: i64,
        text: &str,
    ) -> io::Result<Vec<u8>> {
        let number = ((sequence - 1).rem_euclid(LARGEST_ID) + 1).to_string();
        let mut message = Vec::with_capacity(text.len() + 200);
        let data = [("meta", [("sequenceId", number.as_str())])];
        let text = without_bom(text);
        self.formatter
            .write_with_data(&mut message, severity, at, text, Some(id), data)?;
        Ok(message)
    }
}

/// An open connection to the socket.
pub(crate) struct StreamConnection<'a> {
    stream: &'a EventStream,
    socket: UnixDatagram,
}

impl StreamConnection<'_> {
    /// Sends an event.
    ///
    /// # Errors
    /// Returns the operating system's error if it was not taken, or not in time; then it must be
    /// sent again as a whole.
    pub(crate) fn send(&self, event: &Event) -> io::Result<()> {
        for message in self.stream.messages(event)? {
            self.socket.send(&message)?;
        }
        Ok(())
    }

    /// Sends in place of an event that cannot be read that there is one.
    ///
    /// # Errors
    /// Returns the errors of [`Self::send`].
    pub(crate) fn send_unreadable(&self, sequence: i64, why: &str) -> io::Result<()> {
        let text = json!({ "sequence": sequence, "unreadable": why }).to_string();
        let head = (Timestamp::None, "unreadable");
        let message = self.stream.message(Severity::Crit, head, sequence, &text)?;
        self.socket.send(&message).map(drop)
    }
}

/// Returns a text that is written without the byte order mark of RFC 5424, 6.4: rsyslog leaves it in
/// the text, and with it the text is no JSON any more (RFC 8259, 8.1).
fn without_bom(text: &str) -> Msg<'_> {
    Msg::NonUnicodeBytes(text.as_bytes())
}

/// Returns `true` if the text can be a field of the header: 1 to 255 visible ASCII characters (RFC
/// 5424, 6).
fn is_field(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Splits a text into pieces of at most [`PART`] bytes, between characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(PART);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::{
        audit::{Actor, Change, EventDraft, Gate},
        moment::Moment,
    };

    fn event(name: &str, sequence: i64) -> Event {
        Event {
            sequence,
            draft: EventDraft {
                at: Moment::from_millis(1_795_435_200_123),
                actor: Actor {
                    name: "alice@gw1".into(),
                    from: None,
                    login: None,
                },
                change: Change::Created,
                subject_id: "0123456789AB".into(),
                subject_name: name.into(),
                agent: None,
                details: "{}".into(),
                program: "1".into(),
                gate: Gate::Open,
            },
            previous_hash: "a".into(),
            hash: "b".into(),
        }
    }

    fn messages(name: &str, sequence: i64) -> Vec<String> {
        let stream = EventStream::to(&AuditTarget::Syslog(None)).expect("a stream");
        let messages = stream.messages(&event(name, sequence)).expect("messages");
        let text = |message| String::from_utf8(message).expect("UTF-8");
        messages.into_iter().map(text).collect()
    }

    #[test]
    fn an_event_is_one_message_with_its_time_its_number_and_all_its_fields() {
        let all = messages("Zoë ] \" \\ 界", 17);
        let [message] = all.as_slice() else {
            panic!("{all:?}")
        };
        let (head, text) = message.split_once(" {").expect("a text");
        let fields: Vec<&str> = head.splitn(7, ' ').collect();
        assert_eq!(fields[..2], ["<86>1", "2026-11-23T12:00:00.123Z"]);
        assert_eq!(fields[3], "claviger");
        assert_eq!(fields[5..], ["key.created", "[meta sequenceId=\"17\"]"]);
        let told: Value = serde_json::from_str(&format!("{{{text}")).expect("JSON");
        assert_eq!(told, json_line(&event("Zoë ] \" \\ 界", 17)));
        let last = &messages("x", LARGEST_ID)[0];
        assert!(last.contains("sequenceId=\"2147483647\""), "{last}");
        let next = &messages("x", LARGEST_ID + 1)[0];
        assert!(next.contains("sequenceId=\"1\""), "{next}");
    }

    #[test]
    fn a_long_event_is_several_short_messages_that_lose_nothing() {
        let name = "\"界\\é".repeat(4_000);
        let all = messages(&name, 5);
        assert!(all.len() > 5 && all.iter().all(|message| message.len() < 8_000));
        let mut whole = String::new();
        for (message, part) in all.iter().zip(1..) {
            let (_, text) = message.split_once(" {").expect("a text");
            let told: Value = serde_json::from_str(&format!("{{{text}")).expect("JSON");
            assert_eq!(
                (&told["sequence"], &told["part"], &told["parts"]),
                (&json!(5), &json!(part), &json!(all.len()))
            );
            whole.push_str(told["text"].as_str().expect("a part"));
        }
        assert_eq!(whole, json_line(&event(&name, 5)).to_string());
    }
}
