//! The wizard's fields and buttons, in order, and the limits of the fields.
use strum::{EnumCount, VariantArray};

use crate::{
    domain::{
        key::{DESCRIPTION_LIMITS, Draft, NAME_LIMITS},
        moment::Moment,
        owner::OWNER_LIMITS,
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
    Begins,
    Denied,
    RateLimit,
    Quota,
    Owner,
    Labels,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The number of fields that are always shown; the others are when there is something in them,
    /// or when they are asked for.
    pub(super) const USUAL: usize = 4;

    /// The field's title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Description => "Description",
            Self::Addresses => "IP Address",
            Self::Expires => "Expires",
            Self::Begins => "Begins",
            Self::Denied => "Denied IPs",
            Self::RateLimit => "Rate limit",
            Self::Quota => "Quota",
            Self::Owner => "Owner",
            Self::Labels => "Labels",
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
            Self::Begins => {
                let start = conditions.not_before.map(Moment::as_start_input);
                start.unwrap_or_default()
            }
            Self::Denied => conditions.deny.entries().join(", "),
            Self::RateLimit => text_of(conditions.rate_limit),
            Self::Quota => text_of(conditions.quota),
            Self::Owner => text_of(draft.owner.as_ref()),
            Self::Labels => draft.labels.written(),
        }
    }

    /// The words that stand for an empty field.
    #[must_use]
    pub const fn empty_words(self) -> &'static str {
        match self {
            Self::Name | Self::Description => "empty",
            Self::Addresses => "Any IP",
            Self::Expires => "no end date",
            Self::Begins => "at once",
            Self::Denied | Self::Owner | Self::Labels => "none",
            Self::RateLimit => "no limit",
            Self::Quota => "no quota",
        }
    }

    /// An example of a value, for fields where that is not obvious.
    #[must_use]
    pub const fn example(self) -> Option<&'static str> {
        match self {
            Self::Name | Self::Description => None,
            Self::Addresses => Some("e.g. 192.168.1.1, 10.0.0.0/24"),
            Self::Expires => Some("e.g. 90d, or 2027-01-31"),
            Self::Begins => Some("e.g. 7d, or 2027-01-31"),
            Self::Denied => Some("e.g. 10.0.0.66, 10.9.0.0/16"),
            Self::RateLimit => Some("e.g. 60/minute, or 60/minute:20"),
            Self::Quota => Some("e.g. 1000/day, or 50000/month"),
            Self::Owner => Some("e.g. alice, or billing team"),
            Self::Labels => Some("e.g. team=billing, env=prod"),
        }
    }

    /// The maximum number of characters, for fields that show a counter.
    #[must_use]
    pub const fn limit(self) -> Option<usize> {
        match self {
            Self::Name => Some(NAME_LIMITS.characters),
            Self::Description => Some(DESCRIPTION_LIMITS.characters),
            _ => None,
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
            Self::Addresses | Self::Denied => FieldLimit {
                separator: ", ",
                ..FieldLimit::of(8192)
            },
            Self::Expires | Self::Begins | Self::RateLimit | Self::Quota => FieldLimit::of(100),
            Self::Owner => FieldLimit {
                limits: OWNER_LIMITS,
                separator: " ",
            },
            Self::Labels => FieldLimit {
                separator: ", ",
                ..FieldLimit::of(4096)
            },
        }
    }
}

fn text_of<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The part of step one that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field and three buttons")]
pub enum BasicsFocus {
    Field(Field),
    More,
    Cancel,
    Next,
}

impl BasicsFocus {
    /// All that can be focused, in order: these fields, and the button that shows the others as
    /// long as they are hidden.
    pub(super) fn order(fields: &[Field]) -> Vec<Self> {
        let hidden = fields.len() < Field::COUNT;
        let more = hidden.then_some(Self::More);
        let fields = fields.iter().copied().map(Self::Field);
        let buttons = more.into_iter().chain([Self::Cancel, Self::Next]);
        fields.chain(buttons).collect()
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
