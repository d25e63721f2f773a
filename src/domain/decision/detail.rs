//! Details of refusals: what a reason alone does not say.
use strum::{EnumCount, VariantArray};

use super::Reason;

/// The detail of a refusal. The set is closed, so that it can be the label of a metric. A refusal
/// has no detail if its reason says all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, VariantArray)]
pub enum Detail {
    /// `Authorization` has a scheme that the endpoint does not read, and there is no other
    /// credential.
    OtherScheme,
    /// A browser's CORS preflight, which never has a credential (Fetch, 3.2.2).
    Preflight,
    /// Two different credentials that can both be this product's.
    TwoCredentials,
    /// The credential has the shape of a token, and its check digits are wrong.
    BadCheckDigits,
    /// The credential does not have the shape of a token.
    BadShape,
    /// The key is new and waits for the approval of another person.
    PendingApproval,
    /// The token is a previous one, and its overlap has ended.
    OverlapEnded,
    /// The client's address is on the deny-list.
    DeniedAddress,
    /// No address of the client is known, and the key may not be used from everywhere.
    UnknownAddress,
    /// The address that the gateway forwarded is not one.
    UnreadableAddress,
    /// The endpoint has no such path, or not for the gateway that `--gateway` names.
    UnknownEndpointPath,
    /// The peer that sent method, path and address is not a trusted proxy.
    UntrustedPeer,
    /// The gateway did not send the method exactly once, or sent text that is not UTF-8.
    MethodNotSaidOnce,
    /// The gateway did not send the path exactly once.
    PathNotSaidOnce,
    /// A header asks the upstream for another method.
    MethodOverride,
    /// No route can name the method.
    UnknownMethod,
    /// Two programs could read the path differently.
    AmbiguousPath,
    /// The request names an area that does not exist.
    UnknownArea,
    /// No route leads from the path to an area, or the method means no action there.
    NoMatch,
}

impl Detail {
    /// All details.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word used in JSON, in logs, in metrics and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OtherScheme => "other_scheme",
            Self::Preflight => "preflight",
            Self::TwoCredentials => "two_credentials",
            Self::BadCheckDigits => "bad_check_digits",
            Self::BadShape => "bad_shape",
            Self::PendingApproval => "pending_approval",
            Self::OverlapEnded => "overlap_ended",
            Self::DeniedAddress => "denied_address",
            Self::UnknownAddress => "unknown_address",
            Self::UnreadableAddress => "unreadable_address",
            Self::UnknownEndpointPath => "unknown_endpoint_path",
            Self::UntrustedPeer => "untrusted_peer",
            Self::MethodNotSaidOnce => "method_not_said_once",
            Self::PathNotSaidOnce => "path_not_said_once",
            Self::MethodOverride => "method_override",
            Self::UnknownMethod => "unknown_method",
            Self::AmbiguousPath => "ambiguous_path",
            Self::UnknownArea => "unknown_area",
            Self::NoMatch => "no_area_or_no_action_for_the_method",
        }
    }

    /// Returns the detail with this word, or `None` if there is none. Also reads the word that
    /// version 0.1.0 used for [`Self::AmbiguousPath`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if word == "path_not_canonical" {
            return Some(Self::AmbiguousPath);
        }
        Self::ALL.into_iter().find(|detail| detail.word() == word)
    }

    /// Returns the reason that the detail belongs to.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::OtherScheme | Self::Preflight => Reason::MissingToken,
            Self::TwoCredentials | Self::BadCheckDigits | Self::BadShape => Reason::MalformedToken,
            Self::PendingApproval => Reason::Disabled,
            Self::OverlapEnded => Reason::Expired,
            Self::DeniedAddress | Self::UnknownAddress | Self::UnreadableAddress => {
                Reason::AddressNotAllowed
            }
            Self::UnknownEndpointPath
            | Self::UntrustedPeer
            | Self::MethodNotSaidOnce
            | Self::PathNotSaidOnce
            | Self::MethodOverride
            | Self::UnknownMethod
            | Self::AmbiguousPath
            | Self::UnknownArea
            | Self::NoMatch => Reason::NoRoute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for detail in Detail::ALL {
            assert_eq!(Detail::from_word(detail.word()), Some(detail));
        }
        let old = Detail::from_word("path_not_canonical");
        assert_eq!(old, Some(Detail::AmbiguousPath));
        assert_eq!(Detail::from_word(""), None);
    }
}
