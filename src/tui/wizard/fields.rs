//! The wizard's fields and buttons, in their order, and what can be typed into them.
use strum::{EnumCount, VariantArray};

use crate::{
    domain::key::{DESCRIPTION_LIMITS, NAME_LIMITS},
    tui::typing::FieldLimit,
};

/// A field of step one, in their order.
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

    /// What could be typed, where that does not go without saying.
    #[must_use]
    pub const fn example(self) -> Option<&'static str> {
        match self {
            Self::Name | Self::Description => None,
            Self::Addresses => Some("e.g. 192.168.1.1, 10.0.0.0/24"),
            Self::Expires => Some("e.g. 90d, or 2027-01-31"),
        }
    }

    /// The most characters, where they are counted.
    #[must_use]
    pub const fn limit(self) -> Option<usize> {
        match self {
            Self::Name => Some(NAME_LIMITS.characters),
            Self::Description => Some(DESCRIPTION_LIMITS.characters),
            Self::Addresses | Self::Expires => None,
        }
    }

    /// What can be typed into it.
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
            // Twice as much as the longest list.
            Self::Addresses => FieldLimit {
                separator: ", ",
                ..FieldLimit::of(8192)
            },
            Self::Expires => FieldLimit::of(100),
        }
    }
}

/// What has the keys in step one.
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

/// What has the keys in step two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixFocus {
    /// A cell: the row of an area, the column of an action.
    Cell(usize, usize),
    /// Back to step one.
    Back,
    /// Give Access, or Save changes.
    Save,
}
