//! Request methods, and the default action of each.
use crate::domain::access::Action;
use strum::{EnumCount, VariantArray};

/// A request method that can lead to an action.
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
    /// `OPTIONS`: leads to no action unless a route specifies one.
    Options,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the method's name in HTTP. It is upper case and case-sensitive (RFC 9110, 9.1).
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

    /// Returns the method with exactly this name, or `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == word)
    }

    /// Returns the method's action where no route specifies another.
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

    /// Returns `true` if a route for `other` also applies to this method: a route for `GET` applies
    /// to `HEAD`.
    pub(super) fn goes_with(self, other: Self) -> bool {
        self == other || (self == Self::Head && other == Self::Get)
    }
}
