//! Which events of the audit log are wanted.
use crate::domain::{
    agent::AgentScope,
    moment::{Moment, PastError, parse_past},
    text::visible,
};

/// Which events are wanted; an empty text is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Of which agents' keys; what is no key's is always told.
    pub scope: AgentScope,
    /// Part of who did it, or a member's id, or a fingerprint. Upper and lower case are one in this and
    /// in the other parts, beyond ASCII only where the database knows them.
    pub actor: String,
    /// Who did it, exactly.
    pub actor_is: String,
    /// To what exactly: the id of a key, say.
    pub subject_id: String,
    /// Part of what its subject was called, or its id.
    pub subject: String,
    /// Part of what was done: `key.revoked`, or `revoked`, or `member`.
    pub change: String,
    /// Not before.
    pub since: Option<Moment>,
    /// Not after.
    pub until: Option<Moment>,
}

/// From which event on, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventCursor {
    /// The ones after this number, the oldest first.
    After(i64),
    /// The ones before this number, the newest first.
    Before(i64),
}

/// Why a filter that was typed is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A word before a colon that means nothing here.
    #[error("{0}: means nothing here: say actor:, key:, action:, since: or until:")]
    Unknown(String),
    /// A quote without its other half.
    #[error("a quote is left open: close it, as in actor:'Bob Smith'")]
    Quote,
    /// A time that is none.
    #[error(transparent)]
    Past(#[from] PastError),
}

impl EventFilter {
    /// What was typed: `actor:alice key:acme action:revoked since:7d until:2026-11-01`, and words
    /// without a name, which are part of what the subject was called or its id. Quotes hold words
    /// together; `actor:=alice` is exactly she.
    ///
    /// # Errors
    /// [`FilterError`].
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
                // Several words are one name.
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
