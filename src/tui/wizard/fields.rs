//! The wizard's fields and buttons, in order, and the limits of the fields.
use strum::{EnumCount, VariantArray};

use crate::{
    domain::{
        key::{DESCRIPTION_LIMITS, Draft, NAME_LIMITS},
        moment::Moment,
    },
    tui::typing::FieldLimit,
};

/// A field of step one, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
#[expect(missing_docs, reason = "their titles say what they are")]
pub enum Field {
    Name,
    Description,
    Addresses,
    Expires,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The field's title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Description => "Description",
            Self::Addresses => "IP Address",
            Self::Expires => "Expires",
        }
    }

    /// The text of the field for a draft.
    #[must_use]
    pub fn text(self, draft: &Draft) -> String {
        let conditions = &draft.conditions;
        match self {
            Self::Name => draft.name.as_str().to_owned(),
            Self::Description => draft.description.as_str().to_owned(),
            Self::Addresses => conditions.allow.entries().join(", "),
            Self::Expires => {
                let end = conditions.expires_at.map(Moment::as_expiry_input);
                end.unwrap_or_default()
            }
        }
    }

    /// The words that stand for an empty field.
    #[must_use]
    pub const fn empty_words(self) -> &'static str {
        match self {
            Self::Name | Self::Description => "empty",
            Self::Addresses => "Any IP",
            Self::Expires => "no end date",
        }
    }

    /// An example of a value, for fields where that is not obvious.
    #[must_use]
    pub const fn example(self) -> Option<&'static str> {
        match self {
            Self::Name | Self::Description => None,
            Self::Addresses => Some("e.g. 192.168.1.1, 10.0.0.0/24"),
            Self::Expires => Some("e.g. 90d, or 2027-01-31"),
        }
    }

    /// The maximum number of characters, for fields that show a counter.
    #[must_use]
    pub const fn limit(self) -> Option<usize> {
        match self {
            Self::Name => Some(NAME_LIMITS.characters),
            Self::Description => Some(DESCRIPTION_LIMITS.characters),
            Self::Addresses | Self::Expires => None,
        }
    }

    /// The limit of the text in the field.
    #[must_use]
    pub const fn room(self) -> FieldLimit {
        match self {
            Self::Name => FieldLimit {
                limits: NAME_LIMITS,
                separator: " ",
            },
            Self::Description => FieldLimit {
                limits: DESCRIPTION_LIMITS,
                separator: " ",
            },
            // This is twice as long as the longest list.
            Self::Addresses => FieldLimit {
                separator: ", ",
                ..FieldLimit::of(8192)
            },
            Self::Expires => FieldLimit::of(100),
        }
    }
}

/// The part of step one that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field and two buttons")]
pub enum BasicsFocus {
    Field(Field),
    Cancel,
    Next,
}

impl BasicsFocus {
    /// All that can be focused, in order.
    pub(super) fn order() -> Vec<Self> {
        let fields = Field::ALL.into_iter().map(Self::Field);
        fields.chain([Self::Cancel, Self::Next]).collect()
    }
}

/// The part of step two that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixFocus {
    /// A cell: the index of an area (row) and of an action (column).
    Cell(usize, usize),
    /// The button that goes back to step one.
    Back,
    /// The button that saves: Give Access, or Save changes.
    Save,
}
