//! The owner of a key: the person or the team that answers for it. The upstream is told the owner
//! in a header, so the text is short; it has no meaning to the checks.
use std::{fmt, str::FromStr};

use percent_encoding::utf8_percent_encode;

use super::{
    label::RESERVED,
    text::{self, Limits, TextError},
};

/// The limits of an owner.
pub const OWNER_LIMITS: Limits = Limits {
    field: "Owner",
    characters: 100,
    bytes: 128,
};

/// The owner of a key: 1 to 100 characters and at most 128 bytes, without white space at either
/// end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(String);

impl Owner {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the owner percent-encoded, as the header of the upstream has it.
    #[must_use]
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, &RESERVED).to_string()
    }

    /// Reads what people type: the trimmed text, or no owner for `none` and an empty text.
    ///
    /// # Errors
    /// Returns [`TextError`] if the text is too long, or has a character that texts must not have.
    pub fn read(typed: &str) -> Result<Option<Self>, TextError> {
        match typed.trim() {
            "" => Ok(None),
            none if none.eq_ignore_ascii_case("none") => Ok(None),
            text => text.parse().map(Some),
        }
    }
}

impl FromStr for Owner {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        text::check(text, OWNER_LIMITS)?;
        if text.is_empty() {
            return Err(TextError::Empty {
                field: OWNER_LIMITS.field,
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_short_plain_texts() {
        assert_eq!(
            Owner::read(" alice ").expect("read").expect("one").as_str(),
            "alice"
        );
        assert_eq!(Owner::read("none"), Ok(None));
        assert_eq!(Owner::read("  "), Ok(None));
        assert!("é".repeat(64).parse::<Owner>().is_ok());
        for bad in [
            "",
            " ",
            "a\u{202e}b",
            "a\nb",
            &"x".repeat(101),
            &"é".repeat(65),
        ] {
            assert!(bad.parse::<Owner>().is_err(), "{bad:?}");
        }
    }
}
