//! Request methods, and the default action of each.
use std::fmt;

use crate::domain::access::Action;

/// The maximum length of a method's name, in bytes. The longest registered name has 17.
const LONGEST_METHOD: usize = 40;

/// A request method that can lead to an action: every name that is a token without lower-case
/// letters (RFC 9110, 9.1), except `CONNECT` and `TRACE`, whose target is not a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// Another method, such as `OPTIONS` or `PROPFIND`: it leads to no action unless a route
    /// specifies one.
    Other(Box<str>),
}

impl Method {
    /// The methods that mean an action without a route.
    const USUAL: [Self; 6] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
    ];

    /// Returns the method's name in HTTP, which is case-sensitive (RFC 9110, 9.1).
    #[must_use]
    pub const fn word(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Other(word) => word,
        }
    }

    /// Returns the method with exactly this name, or `None` if no route can name it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if let Some(usual) = Self::USUAL.into_iter().find(|method| method.word() == word) {
            return Some(usual);
        }
        let is_name = (1..=LONGEST_METHOD).contains(&word.len()) && word.bytes().all(is_of_name);
        (is_name && !matches!(word, "CONNECT" | "TRACE")).then(|| Self::Other(word.into()))
    }

    /// Returns the method's action where no route specifies another.
    #[must_use]
    pub const fn usual_action(&self) -> Option<Action> {
        match self {
            Self::Get | Self::Head => Some(Action::Read),
            Self::Post => Some(Action::Create),
            Self::Put | Self::Patch => Some(Action::Update),
            Self::Delete => Some(Action::Delete),
            Self::Other(_) => None,
        }
    }

    /// Returns `true` if a route for `other` also applies to this method: a route for `GET` applies
    /// to `HEAD`.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self == other || (*self == Self::Head && *other == Self::Get)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Returns `true` for the bytes of a token (RFC 9110, 5.6.2) that are no lower-case letters.
const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_uppercase()
        || byte.is_ascii_digit()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_can_name_every_token_without_lower_case_letters() {
        for word in [
            "GET",
            "OPTIONS",
            "PROPFIND",
            "QUERY",
            "M-SEARCH",
            "VERSION-CONTROL",
        ] {
            let method = Method::from_word(word).expect(word);
            assert_eq!(method.word(), word);
        }
        assert_eq!(Method::from_word("GET"), Some(Method::Get));
        for word in [
            "", "get", "Get", "TRACE", "CONNECT", "GET,POST", "GET ", "GÉT", "A\u{0}", "=",
        ] {
            assert_eq!(Method::from_word(word), None, "{word}");
        }
        assert_eq!(Method::from_word(&"A".repeat(LONGEST_METHOD + 1)), None);
    }
}
