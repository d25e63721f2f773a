//! Filters for events of the audit log.
use crate::domain::{
    agent::AgentScope,
    moment::{Moment, PastError, parse_past},
    text::visible,
};

/// A filter for events; an empty text matches every event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// The agents whose keys' events match. Events that are not about a key always match.
    pub scope: AgentScope,
    /// Part of the actor's name, or a member's id, or a fingerprint. Case is ignored in parts of
    /// names and of changes; beyond ASCII only as far as the database supports it.
    pub actor: String,
    /// The exact name of the actor.
    pub actor_is: String,
    /// The exact id of the subject, such as a key's id.
    pub subject_id: String,
    /// Part of the subject's name, or the subject's exact id.
    pub subject: String,
    /// Part of the change's word: `key.revoked`, or `revoked`, or `member`.
    pub change: String,
    /// The earliest time that matches.
    pub since: Option<Moment>,
    /// The latest time that matches.
    pub until: Option<Moment>,
}

/// The position from which events are read, and the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventCursor {
    /// Events after this number, the oldest first.
    After(i64),
    /// Events before this number, the newest first.
    Before(i64),
}

/// The reason why a typed filter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The name before a colon is unknown.
    #[error("{0}: means nothing here: say actor:, key:, action:, since: or until:")]
    Unknown(String),
    /// A quote is not closed.
    #[error("a quote is left open: close it, as in actor:'Bob Smith'")]
    Quote,
    /// A time cannot be parsed.
    #[error(transparent)]
    Past(#[from] PastError),
}

impl EventFilter {
    /// Parses a typed filter: `actor:alice key:acme action:revoked since:7d until:2026-11-01`, and
    /// words without a name, which are part of the subject's name, or its exact id. Quotes keep
    /// words together; `actor:=alice` matches only the exact name.
    ///
    /// # Errors
    /// Returns [`FilterError`] if a name before a colon is unknown, a quote is not closed, or a
    /// time cannot be parsed.
    pub fn parse(text: &str, now: Moment) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        let words = shell_words::split(text).map_err(|_| FilterError::Quote)?;
        for word in &words {
            match word.split_once(':') {
                Some(("actor", value)) if value.starts_with('=') => {
                    value[1..].clone_into(&mut filter.actor_is);
                }
                Some(("actor", value)) => value.clone_into(&mut filter.actor),
                Some(("key", value)) => value.clone_into(&mut filter.subject),
                Some(("action", value)) => value.clone_into(&mut filter.change),
                Some(("since", value)) => filter.since = Some(parse_past(value, now, false)?),
                Some(("until", value)) => filter.until = Some(parse_past(value, now, true)?),
                Some((name, _)) => return Err(FilterError::Unknown(visible(name))),
                None if filter.subject.is_empty() => filter.subject.clone_from(word),
                // Several words without a name form one text.
                None => filter.subject = format!("{} {word}", filter.subject),
            }
        }
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_filter_is_understood_or_says_what_is_wrong() {
        let now = Moment::from_millis(1_795_435_200_000);
        let typed = "actor:alice action:revoked Partner: Acme since:7d until:2026-11-22";
        assert!(matches!(
            EventFilter::parse(typed, now),
            Err(FilterError::Unknown(name)) if name == "Partner"
        ));
        let filter = EventFilter::parse("actor:alice action:revoked since:7d the export", now);
        let filter = filter.expect("a filter");
        assert_eq!(
            (filter.actor.as_str(), filter.change.as_str()),
            ("alice", "revoked")
        );
        assert_eq!(filter.subject, "the export");
        assert_eq!(filter.since, Some(now.plus(-7 * 86_400_000)));
        let exact = EventFilter::parse("'actor:=Bob Smith' key:'a b'", now).expect("a filter");
        assert_eq!(
            (exact.actor_is.as_str(), exact.subject.as_str()),
            ("Bob Smith", "a b")
        );
        assert_eq!(EventFilter::parse("a'b", now), Err(FilterError::Quote));
        assert_eq!(EventFilter::parse("  ", now), Ok(EventFilter::default()));
        assert!(EventFilter::parse("since:soon", now).is_err());
    }
}
