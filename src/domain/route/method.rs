//! Request methods, and the action that each usually stands for.
use crate::domain::access::Action;
use strum::{EnumCount, VariantArray};

/// A request method that can lead somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, VariantArray)]
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
    /// `OPTIONS`: leads nowhere unless a route says so.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The word of HTTP; upper case, and no other spelling is the same method (RFC 9110, 9.1).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// From its word, to the letter; `None` for every other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == word)
    }

    /// The action that it stands for, where no route says otherwise.
    #[must_use]
    pub const fn usual_action(self) -> Option<Action> {
        match self {
            Self::Get | Self::Head => Some(Action::Read),
            Self::Post => Some(Action::Create),
            Self::Put | Self::Patch => Some(Action::Update),
            Self::Delete => Some(Action::Delete),
            Self::Options => None,
        }
    }

    /// Whether a route for `other` is one for this too: what `HEAD` asks for is a `GET`.
    pub(super) fn goes_with(self, other: Self) -> bool {
        self == other || (self == Self::Head && other == Self::Get)
    }
}
