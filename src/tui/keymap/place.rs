//! The places that receive key presses: lists, fields, buttons and dialogs.
use strum::{EnumCount, VariantArray};

/// The place that receives key presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum Place {
    /// The list of keys.
    List,
    /// The filter of the list, while it is typed.
    Filter,
    /// The details of a key.
    Details,
    /// A text field of the wizard.
    Field,
    /// The matrix of grants.
    Matrix,
    /// The wizard's buttons.
    Buttons,
    /// A confirmation.
    Confirmation,
    /// A confirmation's text field.
    ConfirmationField,
    /// The dialog that replaces a withdrawn confirmation.
    Withdrawn,
    /// The test of access.
    Access,
    /// A text field of the request in the test of access.
    AccessField,
    /// A choice of the request in the test of access.
    AccessChoice,
    /// The hygiene findings.
    Hygiene,
    /// The requests for approval.
    Approvals,
    /// The usage.
    Usage,
    /// The audit log.
    Audit,
    /// The filter of the audit log, while it is typed.
    AuditFilter,
    /// The details of an event.
    AuditEvent,
    /// The choice of a file format for exporting the audit log.
    Export,
    /// The members.
    Members,
    /// A text field of a member's form.
    MemberField,
    /// A choice or a button of a member's form.
    MemberChoice,
    /// The choice of an agent.
    Agents,
    /// The dialog of a new token.
    NewToken,
    /// The choice of a form in which to copy a token.
    CopyAs,
    /// A token that is shown.
    Revealed,
    /// The help.
    Help,
    /// The palette.
    Palette,
}

impl Place {
    /// All places, in the order of the key table.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The name of the place in the help and in docs/keys.md.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::List => "List of keys",
            Self::Filter => "Filter",
            Self::Details => "Details",
            Self::Field => "Wizard, a field",
            Self::Matrix => "Wizard, the matrix",
            Self::Buttons => "Wizard, a button",
            Self::Confirmation => "Confirmation",
            Self::ConfirmationField => "Confirmation, a field",
            Self::Withdrawn => "Withdrawn question",
            Self::Access => "Test access",
            Self::AccessField => "Test access, a field",
            Self::AccessChoice => "Test access, a choice",
            Self::Hygiene => "Hygiene",
            Self::Approvals => "Waiting for approval",
            Self::Usage => "Usage",
            Self::Audit => "Audit log",
            Self::AuditFilter => "Audit log, the filter",
            Self::AuditEvent => "Audit log, an event",
            Self::Export => "Audit log, writing it",
            Self::Members => "Members",
            Self::MemberField => "Member, a field",
            Self::MemberChoice => "Member, a choice or button",
            Self::Agents => "Choice of an agent",
            Self::NewToken => "New token",
            Self::CopyAs => "Copy as",
            Self::Revealed => "Revealed token",
            Self::Help => "Help",
            Self::Palette => "Palette",
        }
    }

    /// Whether printable keys are text in this place. This includes a withdrawn confirmation,
    /// because keys that were meant for its field must not trigger actions.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        matches!(
            self,
            Self::Filter
                | Self::Field
                | Self::ConfirmationField
                | Self::Withdrawn
                | Self::AccessField
                | Self::AuditFilter
                | Self::MemberField
                | Self::Palette
        )
    }
}
