//! The reasons of refusals: their order is that of the checks.
use strum::{EnumCount, VariantArray};

/// The reason why a request is refused, in the order in which the checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, VariantArray)]
pub enum Reason {
    /// No token was presented.
    MissingToken,
    /// The token has a wrong shape or wrong check digits, or there are two different credentials.
    MalformedToken,
    /// The token is well-formed but not known.
    UnknownToken,
    /// The token's key was deleted.
    Revoked,
    /// The token's key is disabled.
    Disabled,
    /// The token's key begins later.
    NotYetValid,
    /// The token's key has expired, or the token is a previous one whose validity has ended.
    Expired,
    /// The request names an agent other than the key's, such as by the endpoint that it came to.
    WrongAgent,
    /// The client's address is not on the allow-list, is on the deny-list, is unknown although there
    /// is such a list, or is unreadable.
    AddressNotAllowed,
    /// Method and path lead to no area and action.
    NoRoute,
    /// The key has no grant for the action in the area.
    ActionNotPermitted,
    /// The key has used up its rate limit for now.
    RateLimited,
    /// The key has used up its quota for this day or month.
    QuotaExceeded,
}

impl Reason {
    /// All reasons, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word used in JSON and in logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::UnknownToken => "unknown_token",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::WrongAgent => "wrong_agent",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::NoRoute => "no_route",
            Self::ActionNotPermitted => "action_not_permitted",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }

    /// Returns the reason with this word, or `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// Returns `true` if the check is one of those that find the key of the token. The others run
    /// when it is found.
    pub(super) const fn finds_the_key(self) -> bool {
        match self {
            Self::MissingToken | Self::MalformedToken | Self::UnknownToken | Self::Revoked => true,
            Self::Disabled
            | Self::NotYetValid
            | Self::Expired
            | Self::WrongAgent
            | Self::AddressNotAllowed
            | Self::NoRoute
            | Self::ActionNotPermitted
            | Self::RateLimited
            | Self::QuotaExceeded => false,
        }
    }

    /// Returns the HTTP status of the endpoint's response: 401 if the reason concerns the token
    /// or the state of its key, 403 if it concerns the request, 429 if there were too many.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingToken
            | Self::MalformedToken
            | Self::UnknownToken
            | Self::Revoked
            | Self::Disabled
            | Self::NotYetValid
            | Self::Expired => 401,
            Self::WrongAgent
            | Self::AddressNotAllowed
            | Self::NoRoute
            | Self::ActionNotPermitted => 403,
            Self::RateLimited | Self::QuotaExceeded => 429,
        }
    }
}
