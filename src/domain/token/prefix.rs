//! The prefixes of tokens: `clv`, or the prefix that the agent had when the token was created.
//!
//! A prefix that was changed or retired stays known, because tokens that have it stay valid.
use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{ID_LENGTH, KeyId};
use crate::domain::text::visible;

/// The prefix of tokens whose agent has none of its own.
const DEFAULT: &str = "clv";
/// The shortest and the longest prefix, in bytes.
pub(super) const SHORTEST_PREFIX: usize = 2;
pub(super) const LONGEST_PREFIX: usize = 20;

/// What a token begins with, without the `_` after it: 2 to 20 of `a-z` and `0-9`, in words that are
/// joined by single `_`; the first character is a letter. `Default` is `clv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenPrefix(String);

impl TokenPrefix {
    /// Returns the prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TokenPrefix {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl fmt::Display for TokenPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that cannot be a prefix of tokens. It contains the text, made visible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} cannot be a prefix of tokens: use 2 to 20 of a-z and 0-9, beginning with a letter, in words joined by single _, such as acme_live; write none to use clv again"
)]
pub struct InvalidPrefix(String);

impl FromStr for TokenPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        // On the command line `none` takes a prefix away.
        if is_prefix(text.as_bytes()) && text != "none" {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidPrefix(if text.is_empty() {
            "an empty text".to_owned()
        } else {
            visible(text)
        }))
    }
}

/// Returns `true` if the text has the form of a prefix.
pub(super) fn is_prefix(text: &[u8]) -> bool {
    let is_word = |word: &[u8]| {
        !word.is_empty()
            && word
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (SHORTEST_PREFIX..=LONGEST_PREFIX).contains(&text.len())
        && text[0].is_ascii_lowercase()
        && text.split(|byte| *byte == b'_').all(is_word)
}

/// The prefixes that are or were in use. `clv` always is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes(BTreeSet<TokenPrefix>);

impl Prefixes {
    /// Returns the prefix, with `_`, that the value begins with; the longest, if there are several.
    fn of<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let begins = |prefix: &str| {
            value.starts_with(prefix.as_bytes()) && value.get(prefix.len()) == Some(&b'_')
        };
        let known = self.0.iter().map(TokenPrefix::as_str);
        let known = known.chain([DEFAULT]).filter(|prefix| begins(prefix));
        Some(&value[..=known.map(str::len).max()?])
    }

    /// Returns `true` if the value could be meant as a token, complete or not: it begins with one of
    /// these prefixes and `_`.
    #[must_use]
    pub fn can_be_ours(&self, value: &[u8]) -> bool {
        self.of(value).is_some()
    }

    /// Returns `true` if a prefix that is not among these could make the value one that
    /// [`Self::can_be_ours`]: it begins like a token.
    #[must_use]
    pub fn may_miss(&self, value: &[u8]) -> bool {
        let start = &value[..value.len().min(LONGEST_PREFIX + 1)];
        let ends = (0..start.len()).filter(|at| start[*at] == b'_');
        let mut begins_like_one = ends.map(|at| is_prefix(&start[..at]));
        !self.can_be_ours(value) && begins_like_one.any(|it| it)
    }

    /// Returns the key id from a text that begins with a token's public part, whatever follows it.
    /// Meant for texts that are not valid tokens because they were mistyped or truncated.
    #[must_use]
    pub fn key_named_by(&self, text: &str) -> Option<KeyId> {
        let prefix = self.of(text.as_bytes())?;
        let rest = text.get(prefix.len()..)?;
        let (id, rest) = rest.split_at_checked(ID_LENGTH)?;
        rest.strip_prefix('_')?;
        id.parse().ok()
    }

    /// Returns the length of the public part of a token that the text begins with, complete or not;
    /// `None` if it begins with none of these prefixes.
    pub(super) fn public_length(&self, text: &str) -> Option<usize> {
        Some(self.of(text.as_bytes())?.len() + ID_LENGTH + 1)
    }

    /// Adds all prefixes of another set.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }
}

impl FromIterator<TokenPrefix> for Prefixes {
    fn from_iter<T: IntoIterator<Item = TokenPrefix>>(prefixes: T) -> Self {
        Self(prefixes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(all: &[&str]) -> Prefixes {
        all.iter()
            .map(|one| one.parse().expect("a prefix"))
            .collect()
    }

    #[test]
    fn what_a_prefix_is() {
        for good in [
            "ab",
            "a1",
            "acme_live",
            "a_1",
            "clv",
            "abcdefghijklmnopqrst",
            "a_b_c_d",
        ] {
            assert_eq!(
                good.parse().map(|it: TokenPrefix| it.0).as_deref(),
                Ok(good)
            );
        }
        for bad in [
            "",
            "a",
            "1a",
            "_a",
            "a_",
            "a__b",
            "Acme",
            "acme-live",
            "acme live",
            "é1",
            "none",
            "abcdefghijklmnopqrstu",
            "acme_live ",
            "a\u{202e}b",
        ] {
            let error = bad.parse::<TokenPrefix>().expect_err(bad).to_string();
            assert!(error.contains("such as acme_live"), "{error}");
            assert!(!error.contains('\u{202e}'), "{error}");
        }
    }

    #[test]
    fn a_value_can_be_ours_by_any_known_prefix_and_the_longest_one_tells_the_id() {
        let known = prefixes(&["acme", "acme_live"]);
        for ours in ["clv_", "clv_x", "acme_x", "acme_live_", "acme_other_x"] {
            assert!(known.can_be_ours(ours.as_bytes()), "{ours}");
            assert!(!known.may_miss(ours.as_bytes()), "{ours}");
        }
        for others in ["clv", "CLV_x", "acme", "acm_x", "sk_live_x", ""] {
            assert!(!known.can_be_ours(others.as_bytes()), "{others}");
        }
        for missed in ["sk_live_x", "acm_x", "abcdefghijklmnopqrst_x"] {
            assert!(known.may_miss(missed.as_bytes()), "{missed}");
        }
        for never in [
            "",
            "x",
            "Basic_x",
            "_x",
            "a__",
            "abcdefghijklmnopqrstu_x",
            "xyz",
        ] {
            assert!(!known.may_miss(never.as_bytes()), "{never}");
        }
        let id = "0123456789AB";
        for text in [
            format!("clv_{id}_"),
            format!("acme_{id}_x"),
            format!("acme_live_{id}_é"),
        ] {
            let named = known.key_named_by(&text);
            assert_eq!(
                named.map(|it| it.to_string()).as_deref(),
                Some(id),
                "{text}"
            );
        }
        for text in [
            format!("other_{id}_x"),
            format!("acme_{id}"),
            format!("acme_x{id}_"),
        ] {
            assert_eq!(known.key_named_by(&text), None, "{text}");
        }
    }
}
