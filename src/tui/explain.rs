//! The test of access: one request of a key, explained check by check, and the last refusals below.
//!
//! It is a small state with its own focus; it neither draws nor acts. What it asks stands in
//! [`ExplainDialog::query`], and the answer comes as an [`Explanation`]; whatever may have changed
//! the answer sets [`ExplainDialog::stale`].
use std::net::IpAddr;

use tui_input::Input;

use crate::domain::{
    access::{Action, Area},
    decision::{DecisionId, Reason, Target},
    explain::{Check, ExplainSubject, Explanation, State},
    forwarded::{Client, ClientAddress},
    key::Key,
    text::visible,
    token::KeyId,
    usage::{Refusal, RequestedAccess, RequestedTarget},
};

/// The title of what matches no key.
const NO_KEY: &str = "no key";

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainQuery {
    /// The newest refusal of a key, or an ordinary request.
    Newest(KeyId),
    /// This.
    Of(ExplainSubject),
    /// An ordinary request with the current token of a key.
    Ordinary(KeyId),
    /// The refusal of this name.
    Decision(DecisionId),
    /// The newest refusal that matches no key.
    Unmatched,
}

/// A field of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestField {
    /// The client's address: text.
    Address,
    /// The area: a choice.
    Area,
    /// The action: a choice.
    Action,
    /// Method and path, which lead to an area and an action: text.
    Path,
}

impl RequestField {
    /// In the order in which they are reached.
    pub const ORDER: [Self; 4] = [Self::Address, Self::Area, Self::Action, Self::Path];

    /// Whether it is typed into.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Address | Self::Path)
    }
}

/// What has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFocus {
    /// A row: the failing checks first, then the refusals.
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
    /// Whether it is about the same, whatever is known of it by now.
    fn is_about(&self, other: &ExplainRow<'_>) -> bool {
        match (self, other) {
            (Self::Failing(one), ExplainRow::Failing(other)) => one.reason == other.reason,
            (Self::Refused(one), ExplainRow::Refused(other)) => one.id == other.id,
            _ => false,
        }
    }
}

/// The test.
#[derive(Debug, Clone)]
pub struct ExplainDialog {
    /// The key, if it is known which.
    pub id: Option<KeyId>,
    /// What it is called; or [`NO_KEY`], or the name of the decision while that is looked for.
    pub name: String,
    /// What is asked.
    pub query: ExplainQuery,
    /// Whether it must be asked, again or for the first time.
    pub stale: bool,
    /// The answer.
    pub explanation: Option<Box<Explanation>>,
    /// Why there is none.
    pub problem: Option<String>,
    /// What has the keys.
    pub focus: ExplainFocus,
    /// The address, as it is typed.
    pub address: Input,
    /// Method and path, as they are typed.
    pub path: Input,
    /// Which area is chosen, if one is.
    pub area: Option<usize>,
    /// Which action is chosen, if one is.
    pub action: Option<usize>,
}

impl ExplainDialog {
    /// On a key's newest refusal, or on an ordinary request.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let name = key.name().to_owned();
        Self::asking(
            ExplainQuery::Newest(key.id.clone()),
            Some(key.id.clone()),
            name,
        )
    }

    /// On an ordinary request with the token that a key has just got.
    #[must_use]
    pub fn new_token(id: KeyId, name: String) -> Self {
        Self::asking(ExplainQuery::Ordinary(id.clone()), Some(id), name)
    }

    /// On the refusal of this name, whosever it is.
    #[must_use]
    pub fn decision(id: DecisionId) -> Self {
        let name = id.to_string();
        Self::asking(ExplainQuery::Decision(id), None, name)
    }

    /// On the newest refusal that matches no key.
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

    /// The fields show what the answer is about.
    fn fill_in(&mut self, explanation: &Explanation) {
        self.address = Input::new(match explanation.request.address {
            ClientAddress::Known(address) => address.to_string(),
            ClientAddress::Unknown | ClientAddress::Unreadable => String::new(),
        });
        let RequestedAccess { method, path, .. } = explanation.question.wanted();
        self.path = Input::new(format!("{method} {path}").trim().to_owned());
        let led = match (
            &explanation.request.target,
            &explanation.question.wanted().way,
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

    /// Leaves the fields, and what was typed there without asking.
    pub fn leave_fields(&mut self) {
        self.focus = ExplainFocus::Row(0);
        self.problem = None;
        if let Some(explanation) = self.explanation.take() {
            self.fill_in(&explanation);
            self.explanation = Some(explanation);
        }
    }

    /// Whether nothing was refused to the key that could be looked at: then a request is described
    /// first, for a verdict on an address that nobody gave would say nothing.
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

    /// Whether a request is described and none was decided on before.
    #[must_use]
    pub fn is_first_request(&self) -> bool {
        matches!(self.focus, ExplainFocus::Field(_)) && self.explanation.is_none()
    }

    /// Takes the answer in.
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
        // The newest one is this one from now on, whatever comes in meanwhile.
        self.query = ExplainQuery::Of(explanation.question.clone());
        let before = self.explanation.replace(Box::new(explanation));
        // Whoever types a request now does not lose it.
        if let ExplainFocus::Row(at) = self.focus {
            self.focus = ExplainFocus::Row(self.row_again(before.as_deref(), at));
        }
    }

    /// Where the row is now that stood there before; or the nearest one, if it is gone.
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

    /// The check that `f` mends: the focused one, or the first that fails, if a change of the key
    /// mends it.
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
        focused.filter(|check| check.mend.is_some())
    }

    /// The focused row.
    #[must_use]
    pub fn focused(&self) -> Option<ExplainRow<'_>> {
        match self.focus {
            ExplainFocus::Row(at) => self.rows().get(at).copied(),
            ExplainFocus::Field(_) => None,
        }
    }

    /// Up or down the rows.
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

    /// Into the fields, to the next or the one before.
    pub fn move_field(&mut self, forward: bool) {
        let order = RequestField::ORDER;
        let ExplainFocus::Field(field) = self.focus else {
            self.focus = ExplainFocus::Field(order[0]);
            return;
        };
        let at = order.iter().position(|one| *one == field).unwrap_or(0);
        let step = if forward { 1 } else { order.len() - 1 };
        self.focus = ExplainFocus::Field(order[(at + step) % order.len()]);
    }

    /// The field that is typed into.
    pub fn typed_field(&mut self) -> Option<&mut Input> {
        self.problem = None;
        match self.focus {
            ExplainFocus::Field(RequestField::Address) => Some(&mut self.address),
            ExplainFocus::Field(RequestField::Path) => Some(&mut self.path),
            _ => None,
        }
    }

    /// Another area or action: whoever chooses one does not mean the path any more.
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

    /// Asks what the fields say; else says why not.
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

    /// Asks, and forgets the answer to another question.
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
