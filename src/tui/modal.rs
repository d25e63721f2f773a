//! The list of all dialogs: [`Modal`] has a variant for each.
use super::dialog::Dialog;

/// A type of dialog that can be found among the open ones.
pub trait InModal: Sized {
    /// Returns the dialog if it is of this type.
    fn of(modal: &Modal) -> Option<&Self>;
    /// Returns the dialog, to be changed, if it is of this type.
    fn of_mut(modal: &mut Modal) -> Option<&mut Self>;
}

/// Defines [`Modal`] from one line for each dialog.
macro_rules! modals {
    ($($name:ident($dialog:ty)),* $(,)?) => {
        /// An open dialog.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each type says what it is")]
        pub enum Modal {
            $($name(Box<$dialog>)),*
        }

        impl Modal {
            /// Returns the dialog as a [`Dialog`].
            #[must_use]
            pub fn dialog(&self) -> &dyn Dialog {
                match self {
                    $(Self::$name(dialog) => dialog.as_ref()),*
                }
            }

            /// Returns the dialog as a [`Dialog`], to be changed.
            pub fn dialog_mut(&mut self) -> &mut dyn Dialog {
                match self {
                    $(Self::$name(dialog) => dialog.as_mut()),*
                }
            }
        }

        $(
            impl From<$dialog> for Modal {
                fn from(dialog: $dialog) -> Self {
                    Self::$name(Box::new(dialog))
                }
            }

            impl InModal for $dialog {
                fn of(modal: &Modal) -> Option<&Self> {
                    match modal {
                        Modal::$name(dialog) => Some(dialog),
                        _ => None,
                    }
                }

                fn of_mut(modal: &mut Modal) -> Option<&mut Self> {
                    match modal {
                        Modal::$name(dialog) => Some(dialog),
                        _ => None,
                    }
                }
            }
        )*
    };
}

modals! {
    Details(super::texts::KeyDetails),
    Wizard(super::wizard::Wizard),
    Explain(super::explain::ExplainDialog),
    Hygiene(super::hygiene::HygieneDialog),
    Approvals(super::approvals::ApprovalsDialog),
    Usage(super::usage::UsageDialog),
    Audit(super::audit::AuditDialog),
    Export(super::audit::ExportDialog),
    Members(super::members::MembersDialog),
    MemberForm(super::members::MemberForm),
    Removal(super::members::Removal),
    Agents(super::agents::AgentChoice),
    Confirmation(super::confirmation::Confirmation),
    Withdrawn(super::texts::Withdrawn),
    NewToken(super::token::NewToken),
    CopyAs(super::token::CopyAs),
    Revealed(super::token::Revealed),
    Help(super::texts::Help),
    Palette(super::palette::Palette),
}
