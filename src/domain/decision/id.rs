//! Ids of decisions, by which a client can refer to a decision in the log.
use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::domain::token;

/// The id of one decision: `d_` and 16 base62 characters. It reveals how many decisions its
/// endpoint made before, and nothing else about this decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecisionId(String);

/// The length of each half of an id, in characters: the first half is drawn at random when the
/// endpoint starts (47 bits) and identifies the endpoint, the second is the number of the decision.
const HALF: usize = 8;

/// The source of an endpoint's decision ids. They differ from those of other endpoints by the first
/// half.
#[derive(Debug)]
pub struct DecisionIds {
    endpoint: String,
    next: AtomicU64,
}

impl DecisionIds {
    /// Creates the source of a new endpoint.
    #[must_use]
    pub fn draw(chance: token::RandomSource<'_>) -> Self {
        let mut endpoint = String::with_capacity(2 + HALF);
        endpoint.push_str("d_");
        token::draw_digits(chance, HALF, &mut endpoint);
        Self {
            endpoint,
            next: AtomicU64::new(0),
        }
    }

    /// Returns the next id.
    #[must_use]
    pub fn next(&self) -> DecisionId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(2 + 2 * HALF);
        id.push_str(&self.endpoint);
        token::write_digits::<HALF>(number, &mut id);
        DecisionId(id)
    }
}

impl DecisionId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for a text that is not `d_` and 16 base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a decision id is d_ and 16 characters of 0-9, A-Z and a-z")]
pub struct InvalidDecisionId;

impl FromStr for DecisionId {
    type Err = InvalidDecisionId;

    fn from_str(text: &str) -> Result<Self, InvalidDecisionId> {
        let digits = text.strip_prefix("d_").ok_or(InvalidDecisionId)?;
        if digits.len() == 2 * HALF && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDecisionId)
        }
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_decisions_are_an_endpoint_and_a_number() {
        let mut next = 0_u8;
        let mut chance = |buffer: &mut [u8]| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
        };
        let ids = DecisionIds::draw(&mut chance);
        assert_eq!(ids.next().as_str(), "d_0123456700000000");
        assert_eq!(ids.next().as_str(), "d_0123456700000001");
        let id = ids.next();
        assert_eq!(id.as_str().parse(), Ok(id));
        for wrong in [
            "",
            "d_",
            "d_012345670000010",
            "d_01234567000001-z",
            "0123456700000100",
        ] {
            assert_eq!(
                wrong.parse::<DecisionId>(),
                Err(InvalidDecisionId),
                "{wrong}"
            );
        }
        ids.next.store(62 * 62 + 61, Ordering::Relaxed);
        assert_eq!(ids.next().as_str(), "d_012345670000010z");
    }
}
