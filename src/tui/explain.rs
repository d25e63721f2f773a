//! The access test: one request of a key, explained check by check, with the last refusals below.
//!
//! This is a small state with its own focus; it neither draws nor acts. The question is in
//! [`ExplainDialog::query`], and the answer arrives as an [`Explanation`]. Any change that may
//! affect the answer sets [`ExplainDialog::stale`].
use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{Intent, Place, neighbour},
    read::{ExplainQuery, Read},
    typing::{FieldLimit, TextEdit, type_into},
};
use std::net::IpAddr;

use tui_input::Input;

use crate::domain::{
    access::{Action, Area},
    agent::AgentScope,
    decision::{DecisionId, Reason, Target},
    explain::{Check, ExplainSubject, Explanation, Fix, State},
    forwarded::{Client, ClientAddress},
    key::Key,
    text::visible,
    token::KeyId,
    usage::{Refusal, RequestedAccess, RequestedTarget},
};

/// The title for a request that matches no key.
const NO_KEY: &str = "no key";

/// A field of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestField {
    /// The client's address: text.
    Address,
    /// The area: a choice.
    Area,
    /// The action: a choice.
    Action,
    /// Method and path, which are routed to an area and an action: text.
    Path,
}

impl RequestField {
    /// All fields, in focus order.
    pub const ORDER: [Self; 4] = [Self::Address, Self::Area, Self::Action, Self::Path];

    /// Whether the field is a text field.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Address | Self::Path)
    }
}

/// The part of the screen that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFocus {
    /// The row with this index: the failing checks first, then the refusals.
    Row(usize),
    /// A field of the request.
    Field(RequestField),
}

/// A row that can be focused.
#[derive(Debug, Clone, Copy)]
pub enum ExplainRow<'a> {
    /// A check that fails.
    Failing(&'a Check),
    /// A refusal.
    Refused(&'a Refusal),
}

impl ExplainRow<'_> {
    /// Whether both rows are about the same check or refusal, even if its details have changed.
    fn is_about(&self, other: &ExplainRow<'_>) -> bool {
        match (self, other) {
            (Self::Failing(one), ExplainRow::Failing(other)) => one.reason == other.reason,
            (Self::Refused(one), ExplainRow::Refused(other)) => one.id == other.id,
            _ => false,
        }
    }
}

/// The state of the access test.
#[derive(Debug, Clone)]
pub struct ExplainDialog {
    /// The key, if it is known.
    pub id: Option<KeyId>,
    /// The key's name, [`NO_KEY`], or the decision id while that decision is looked up.
    pub name: String,
    /// The question.
    pub query: ExplainQuery,
    /// Whether the question must be asked, again or for the first time.
    pub stale: bool,
    /// The answer.
    pub explanation: Option<Box<Explanation>>,
    /// Why there is no answer.
    pub problem: Option<String>,
    /// The part of the screen that has the focus.
    pub focus: ExplainFocus,
    /// The address, as it is typed.
    pub address: Input,
    /// Method and path, as they are typed.
    pub path: Input,
    /// The index of the chosen area, if any.
    pub area: Option<usize>,
    /// The index of the chosen action, if any.
    pub action: Option<usize>,
}

impl ExplainDialog {
    /// Creates a test of a key's newest refusal or, if there is none, of an ordinary request.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let name = key.name().to_owned();
        Self::asking(
            ExplainQuery::Newest(key.id.clone()),
            Some(key.id.clone()),
            name,
        )
    }

    /// Creates a test of an ordinary request with the key's new token.
    #[must_use]
    pub fn new_token(id: KeyId, name: String) -> Self {
        Self::asking(ExplainQuery::Ordinary(id.clone()), Some(id), name)
    }

    /// Creates a test of the refusal with this decision id, of any key or of none.
    #[must_use]
    pub fn decision(id: DecisionId) -> Self {
        let name = id.to_string();
        Self::asking(ExplainQuery::Decision(id), None, name)
    }

    /// Creates a test of the newest refusal that matches no key.
    #[must_use]
    pub fn unmatched() -> Self {
        Self::asking(ExplainQuery::Unmatched, None, NO_KEY.to_owned())
    }

    fn asking(query: ExplainQuery, id: Option<KeyId>, name: String) -> Self {
        Self {
            query,
            id,
            name,
            stale: true,
            explanation: None,
            problem: None,
            focus: ExplainFocus::Row(0),
            address: Input::default(),
            path: Input::default(),
            area: None,
            action: None,
        }
    }

    /// Fills the fields with the request that the answer is about.
    fn fill_in(&mut self, explanation: &Explanation) {
        self.address = Input::new(match explanation.request.address {
            ClientAddress::Known(address) => address.to_string(),
            ClientAddress::Unknown | ClientAddress::Unreadable => String::new(),
        });
        let RequestedAccess { method, path, .. } = explanation.question.wanted();
        self.path = Input::new(format!("{method} {path}").trim().to_owned());
        let led = match (
            &explanation.request.target,
            &explanation.question.wanted().requested,
        ) {
            (Target::Routed(area, action), _) | (_, RequestedTarget::Named(area, action)) => {
                Some((area, action))
            }
            _ => None,
        };
        self.area = led.and_then(|(area, _)| {
            let mut areas = explanation.areas.iter();
            areas.position(|known| known.slug == *area)
        });
        self.action = led.map(|(_, action)| *action as usize);
    }

    /// Leaves the fields and discards what was typed there since the last question.
    pub fn leave_fields(&mut self) {
        self.focus = ExplainFocus::Row(0);
        self.problem = None;
        if let Some(explanation) = self.explanation.take() {
            self.fill_in(&explanation);
            self.explanation = Some(explanation);
        }
    }

    /// Whether the key has no refusal to show. The user then describes a request first, because a
    /// verdict on an address that nobody entered would mean nothing.
    fn is_nothing_to_show(&self, explanation: &Explanation) -> bool {
        let is_described = matches!(explanation.question, ExplainSubject::Request { .. });
        let mut failing = explanation
            .checks
            .iter()
            .filter(|it| it.state == State::Fails);
        let is_unknown = explanation.request.address == ClientAddress::Unknown;
        let is_well = failing.all(|it| it.reason == Reason::AddressNotAllowed && is_unknown);
        match self.query {
            ExplainQuery::Newest(_) => is_described && is_well,
            ExplainQuery::Ordinary(_) => is_described && is_well && explanation.failing().is_some(),
            _ => false,
        }
    }

    /// Whether the user is describing a request and no request was explained before.
    #[must_use]
    pub fn is_first_request(&self) -> bool {
        matches!(self.focus, ExplainFocus::Field(_)) && self.explanation.is_none()
    }

    /// Takes in the answer.
    pub fn answered(&mut self, explanation: Explanation) {
        if self.is_nothing_to_show(&explanation) {
            if matches!(self.focus, ExplainFocus::Row(_)) {
                self.fill_in(&explanation);
                self.problem = None;
                self.focus = ExplainFocus::Field(RequestField::Address);
            }
            return;
        }
        if matches!(self.focus, ExplainFocus::Row(_)) {
            self.fill_in(&explanation);
            self.problem = None;
        }
        if self.id.is_none() {
            self.id = explanation.question.key().cloned();
            self.name = explanation
                .name
                .clone()
                .unwrap_or_else(|| NO_KEY.to_owned());
        }
        // From now on this refusal is meant, even if a newer one arrives.
        self.query = ExplainQuery::Of(explanation.question.clone());
        let before = self.explanation.replace(Box::new(explanation));
        // A user who is typing a request keeps what was typed.
        if let ExplainFocus::Row(at) = self.focus {
            self.focus = ExplainFocus::Row(self.row_again(before.as_deref(), at));
        }
    }

    /// Returns the new index of the row that was at `at` before, or the nearest index if the row is
    /// gone.
    fn row_again(&self, before: Option<&Explanation>, at: usize) -> usize {
        let rows = self.rows();
        let focused = before.and_then(|explanation| rows_of(explanation).get(at).copied());
        let again = focused.and_then(|row| rows.iter().position(|it| it.is_about(&row)));
        again.unwrap_or(at.min(rows.len().saturating_sub(1)))
    }

    /// The failing checks, then the refusals.
    #[must_use]
    pub fn rows(&self) -> Vec<ExplainRow<'_>> {
        self.explanation.as_deref().map_or_else(Vec::new, rows_of)
    }

    /// The check that `f` fixes: the focused check, or else the first failing one, if a change of
    /// the key would fix it.
    #[must_use]
    pub fn to_fix(&self) -> Option<&Check> {
        let explanation = self.explanation.as_ref()?;
        let focused = match self.focused() {
            Some(ExplainRow::Failing(check)) => {
                let same = |known: &&Check| known.reason == check.reason;
                explanation.checks.iter().find(same)
            }
            _ => explanation.failing(),
        };
        focused.filter(|check| !matches!(check.fix, None | Some(Fix::Wait(_) | Fix::Approve)))
    }

    /// The focused row.
    #[must_use]
    pub fn focused(&self) -> Option<ExplainRow<'_>> {
        match self.focus {
            ExplainFocus::Row(at) => self.rows().get(at).copied(),
            ExplainFocus::Field(_) => None,
        }
    }

    /// Whether the focus is on a failing check.
    #[must_use]
    pub fn is_on_failing(&self) -> bool {
        matches!(self.focused(), Some(ExplainRow::Failing(_)))
    }

    /// Moves the focus one row up or down.
    pub fn move_row(&mut self, forward: bool) {
        let last = self.rows().len().saturating_sub(1);
        if let ExplainFocus::Row(at) = &mut self.focus {
            *at = if forward {
                (*at + 1).min(last)
            } else {
                at.saturating_sub(1)
            };
        }
    }

    /// Moves the focus into the fields, or to the next or the previous field.
    pub fn move_field(&mut self, forward: bool) {
        let order = RequestField::ORDER;
        let ExplainFocus::Field(field) = self.focus else {
            self.focus = ExplainFocus::Field(order[0]);
            return;
        };
        self.focus = ExplainFocus::Field(neighbour(&order, field, forward));
    }

    /// Returns the text field that has the focus, if any, and clears the problem.
    pub fn typed_field(&mut self) -> Option<&mut Input> {
        self.problem = None;
        match self.focus {
            ExplainFocus::Field(RequestField::Address) => Some(&mut self.address),
            ExplainFocus::Field(RequestField::Path) => Some(&mut self.path),
            _ => None,
        }
    }

    /// Chooses the next or the previous area or action. This clears the path, which would
    /// contradict the choice.
    pub fn choose(&mut self, forward: bool, areas: usize) {
        let turn = |at: Option<usize>, count: usize| {
            let step = if forward { 1 } else { count.max(1) - 1 };
            let at = at.map_or(0, |at| (at + step) % count.max(1));
            Some(at).filter(|at| *at < count)
        };
        match self.focus {
            ExplainFocus::Field(RequestField::Area) => self.area = turn(self.area, areas),
            ExplainFocus::Field(RequestField::Action) => {
                self.action = turn(self.action, Action::ALL.len());
            }
            _ => return,
        }
        self.path = Input::default();
    }

    /// Asks about the request in the fields, or sets `problem` if the fields are invalid.
    pub fn ask(&mut self, areas: &[Area]) {
        match self.described(areas) {
            Ok(question) => {
                self.inquire(question);
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    fn described(&self, areas: &[Area]) -> Result<ExplainSubject, String> {
        let address = match self.address.value().trim() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| {
                format!(
                    "{} is no address: write one such as 10.0.0.9, or none",
                    visible(text)
                )
            })?),
        };
        let wanted = match self.path.value().trim() {
            "" => {
                let area = self.area.and_then(|at| areas.get(at));
                let (Some(area), Some(action)) = (area, self.action) else {
                    return Err(
                        "choose an area and an action, or write a request such as GET /contacts/7"
                            .to_owned(),
                    );
                };
                RequestedAccess::named(area.slug.clone(), Action::ALL[action])
            }
            text => RequestedAccess::routed(text)?,
        };
        let key = self.id.clone().ok_or("there is no key to ask for")?;
        Ok(ExplainSubject::Request {
            key,
            client: Client::given(address),
            wanted,
        })
    }

    /// Asks about a refusal.
    pub fn ask_about(&mut self, refusal: Refusal) {
        self.inquire(ExplainSubject::Refusal(Box::new(refusal)));
    }

    /// Sets the question and discards the answer to the previous one.
    fn inquire(&mut self, question: ExplainSubject) {
        self.query = ExplainQuery::Of(question);
        self.stale = true;
        self.explanation = None;
        self.problem = None;
        self.focus = ExplainFocus::Row(0);
    }
}

fn rows_of(explanation: &Explanation) -> Vec<ExplainRow<'_>> {
    let failing = explanation
        .checks
        .iter()
        .filter(|it| it.state == State::Fails);
    let refused = explanation.refusals.iter().map(ExplainRow::Refused);
    failing.map(ExplainRow::Failing).chain(refused).collect()
}

impl Dialog for ExplainDialog {
    fn place(&self) -> Place {
        match self.focus {
            ExplainFocus::Row(_) => Place::Access,
            ExplainFocus::Field(field) if field.is_text() => Place::AccessField,
            ExplainFocus::Field(_) => Place::AccessChoice,
        }
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        if let Some(input) = self.typed_field() {
            let cut = type_into(input, text, FieldLimit::LINE);
            self.problem = cut;
        }
        Typed::cut_if(self.problem.as_ref())
    }

    fn leave(&mut self) -> Leave {
        if matches!(self.focus, ExplainFocus::Row(_)) || self.is_first_request() {
            return Leave::Close;
        }
        self.leave_fields();
        Leave::Stay
    }

    fn leave_field(&mut self) -> Option<Leave> {
        (self.place() == Place::AccessField).then(|| self.leave())
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.problem = Some(why);
        None
    }

    fn accept_word(&self) -> Option<&'static str> {
        match self.focused()? {
            ExplainRow::Failing(_) => Some("fix"),
            ExplainRow::Refused(_) => Some("explain"),
        }
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        let is_row = self.place() == Place::Access;
        match intent {
            Intent::Accept if is_row => Some(match self.focused() {
                Some(ExplainRow::Failing(_)) => self.to_fix().is_some(),
                Some(ExplainRow::Refused(_)) => true,
                None => false,
            }),
            // A decision about no key has no token to ask with.
            Intent::Next if is_row => Some(self.id.is_some()),
            Intent::Fix => Some(self.to_fix().is_some()),
            _ => None,
        }
    }

    fn mark_stale(&mut self) {
        self.stale = true;
    }

    fn to_read(&mut self, _agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let asks = is_topmost && std::mem::take(&mut self.stale);
        asks.then(|| Read::Explain(self.query.clone()))
    }
}
