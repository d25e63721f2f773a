//! The wizard's fields and buttons, in their order, and what a paste becomes in one of them.
/// A field of step one, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their titles say what they are")]
pub enum Field {
    Name,
    Description,
    Addresses,
    Expires,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Self; 4] = [
        Self::Name,
        Self::Description,
        Self::Addresses,
        Self::Expires,
    ];

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
            Self::Name => Some(100),
            Self::Description => Some(500),
            Self::Addresses | Self::Expires => None,
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
    pub(super) const ORDER: [Self; 6] = [
        Self::Field(Field::Name),
        Self::Field(Field::Description),
        Self::Field(Field::Addresses),
        Self::Field(Field::Expires),
        Self::Cancel,
        Self::Next,
    ];
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

/// A paste as text: line ends become separators, other control characters go.
#[must_use]
pub fn pasted_text(text: &str, separator: &str) -> String {
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| {
            let line = line.replace('\t', " ");
            let trimmed = if separator == ", " {
                line.trim().trim_end_matches([',', ';'])
            } else {
                &line
            };
            trimmed
                .chars()
                .filter(|c| !c.is_control())
                .collect::<String>()
        })
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.join(separator)
}
