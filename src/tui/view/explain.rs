//! The screen of the access test.
//!
//! ```text
//! ╭ Test access · Partner: Acme · PROD ────────────────────────────────────────╮
//! │ Address 10.0.1.1     Area Contact Access     Action Delete                 │
//! │ Request DELETE /contacts/41                                                │
//! │                                                                            │
//! │ DENIED  address_not_allowed                                                │
//! │ as refused 2026-11-23 13:58 UTC, d_8sJx…                                   │
//! │                                                                            │
//! │   ok    known, active, valid until 2027-01-31                              │
//! │ ▸ FAILS address  10.0.1.1 is on none of 2 entries; nearest is 10.0.0.0/24  │
//! │                  list changed 2026-11-03 09:12 UTC by alice@gw1            │
//! ```
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    footer,
    paint::{styled_lines, width, wrapped},
    sheet::{self, Sheet, Title},
};
use crate::{
    domain::{
        access::Action,
        conditions::Condition,
        decision::{Decision, Reason, reason_words},
        explain::{self, ExplainSubject, Explanation, State},
        text::fitted,
        usage::Refusal,
    },
    tui::{
        explain::{ExplainDialog, ExplainFocus, ExplainRow, RequestField},
        model::Model,
    },
};

/// Below this width, in columns, the layout is compact.
const COMPACT_WIDTH: usize = 50;
/// The widths of a check's state and name, in columns.
const STATE: usize = 6;
const NAME: usize = 9;

pub(super) fn sheet(model: &Model, test: &ExplainDialog, screen: Rect) -> Sheet {
    let mut page = ExplainPage {
        model,
        test,
        room: sheet::room(screen),
        lines: Vec::new(),
        focus: (0, 0),
    };
    // On a narrow screen the verdict comes first, because it is what users look for.
    let narrow = page.room < COMPACT_WIDTH;
    if !narrow {
        page.request();
    }
    page.answer();
    if narrow {
        page.request();
    }
    if let Some(told) = test.explanation.as_ref().filter(|_| page.is_told()) {
        page.refusals(told);
    }
    let name = model.theme.shown(&test.name);
    let tag = test
        .id
        .as_ref()
        .map_or_else(String::new, |id| model.tag(id));
    Sheet {
        title: Title {
            before: "Test access · ".to_owned(),
            name,
            after: format!("{tag} · {}", model.theme.shown(&model.workspace)),
        },
        corner: String::new(),
        lines: page.lines,
        focus: page.focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

struct ExplainPage<'a> {
    model: &'a Model,
    test: &'a ExplainDialog,
    room: usize,
    lines: Vec<Line<'static>>,
    focus: (usize, u16),
}

impl ExplainPage<'_> {
    /// Whether the answer matches the fields of the request: it may not while a field has the
    /// focus.
    fn is_told(&self) -> bool {
        matches!(self.test.focus, ExplainFocus::Row(_))
    }

    /// Draws the problem with the request, or the verdict with its checks.
    fn answer(&mut self) {
        if let Some(problem) = &self.test.problem {
            self.text(&format!("! {problem}"), self.model.theme.alarm());
        }
        match &self.test.explanation {
            None if self.test.is_first_request() => {
                let text = "No refusal is known. Describe a request, and Enter decides on it.";
                self.text(text, self.model.theme.quiet());
                self.lines.push(Line::default());
            }
            _ if !self.is_told() => {
                self.text("Enter decides on this request.", self.model.theme.quiet());
                self.lines.push(Line::default());
            }
            None if self.test.problem.is_none() => self.lines.push(Line::from("looking…")),
            None => {}
            // The failing checks come first if there may be no room for more.
            Some(told) if self.room < COMPACT_WIDTH => {
                self.verdict(told);
                self.failing(told);
                self.unfixable(told);
                self.origin(told);
                self.holding(told);
                self.lines.push(Line::default());
            }
            Some(told) => {
                self.lines.push(Line::default());
                self.verdict(told);
                self.origin(told);
                self.lines.push(Line::default());
                self.known(told);
                self.failing(told);
                self.holding(told);
                self.unfixable(told);
                self.lines.push(Line::default());
            }
        }
    }

    /// Says so if no change of the key would let a recorded refusal pass, so that `f` does nothing.
    fn unfixable(&mut self, told: &Explanation) {
        let mut failing = told.checks.iter().filter(|it| it.state == State::Fails);
        let recorded = matches!(told.question, ExplainSubject::Refusal(_)) && told.key.is_some();
        if recorded && told.failing().is_some() && failing.all(|it| it.fix.is_none()) {
            let sentence = "No change of the key would mend that.";
            self.text(sentence, self.model.theme.quiet());
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        let text = self.model.theme.shown(text);
        self.lines.extend(styled_lines(&text, self.room, style));
    }

    /// Draws the fields of the request, as many in a line as fit. The path starts a new line.
    fn request(&mut self) {
        let area = self.test.area.and_then(|at| self.model.areas.get(at));
        let area = area.map_or_else(String::new, |area| self.model.theme.shown(&area.title));
        let action = self.test.action.map_or("", |at| Action::ALL[at].title());
        let typed = |input: &tui_input::Input| self.model.theme.shown(input.value());
        let or = |text: String, none: &str| {
            if text.is_empty() {
                none.to_owned()
            } else {
                text
            }
        };
        let address = or(typed(&self.test.address), "not known");
        let path = or(typed(&self.test.path), "none");
        let fields = [
            (RequestField::Address, "Address", address),
            (RequestField::Area, "Area", or(area, "none")),
            (
                RequestField::Action,
                "Action",
                or(action.to_owned(), "none"),
            ),
            (RequestField::Path, "Request", path),
        ];
        let (mut spans, mut used): (Vec<Span<'static>>, usize) = (Vec::new(), 0);
        for (field, label, value) in fields {
            let here = self.test.focus == ExplainFocus::Field(field);
            let shown = match (here, field.is_text()) {
                (true, true) => match field {
                    RequestField::Address => typed(&self.test.address),
                    _ => typed(&self.test.path),
                },
                (true, false) => format!("‹ {value} ›"),
                _ => value,
            };
            let wide = label.len() + 1 + usize::from(width(&shown)) + 4;
            if used + wide > self.room || field == RequestField::Path {
                self.lines.push(Line::from(std::mem::take(&mut spans)));
                used = 0;
            }
            if here {
                let typed = match field {
                    RequestField::Address => self.test.address.visual_cursor(),
                    RequestField::Path => self.test.path.visual_cursor(),
                    _ => 0,
                };
                self.focus = (self.lines.len(), cells(used + label.len() + 1 + typed));
            }
            let style = match (here, field.is_text()) {
                (true, true) => self.model.theme.focus(),
                (true, false) => self.model.theme.pressed(),
                _ => Style::new(),
            };
            spans.push(Span::styled(format!("{label} "), self.model.theme.quiet()));
            spans.push(Span::styled(shown, style));
            spans.push(Span::raw("    "));
            used += wide;
        }
        self.lines.push(Line::from(spans));
    }

    fn verdict(&mut self, told: &Explanation) {
        let theme = self.model.theme;
        let (word, reason, style) = match &told.decision {
            Decision::Allow { .. } => ("ALLOWED", String::new(), theme.success()),
            Decision::Deny { reason, detail, .. } => {
                ("DENIED", reason_words(*reason, *detail), theme.alarm())
            }
        };
        self.lines.push(Line::from(vec![
            Span::styled(word, style.patch(theme.strong())),
            Span::raw("  "),
            Span::styled(reason, style),
        ]));
    }

    /// Says which request the answer is about.
    fn origin(&mut self, told: &Explanation) {
        let theme = self.model.theme;
        if let ExplainSubject::Refusal(refusal) = &told.question {
            let when = refusal.at.date_and_clock();
            let same = matches!(&told.decision, Decision::Deny { reason, .. } if *reason == refusal.reason);
            let was = if same {
                format!("as refused {when} UTC, {}", refusal.id)
            } else {
                format!(
                    "was refused {when} UTC for {}, {}",
                    refusal.reason_words(),
                    refusal.id
                )
            };
            self.text(&was, theme.quiet());
        } else {
            self.text("a described request, with the current token", theme.quiet());
        }
    }

    /// Draws the checks that pass and need only a few words, in one line.
    fn known(&mut self, told: &Explanation) {
        let holding = told.checks.iter().filter(|it| it.state == State::Holds);
        let briefs = holding.map(|check| check.brief.as_str());
        let briefs: Vec<&str> = briefs.filter(|brief| !brief.is_empty()).collect();
        if !briefs.is_empty() {
            let style = self.model.theme.success();
            self.row(false, "ok", style, "", &briefs.join(", "));
        }
    }

    fn failing(&mut self, told: &Explanation) {
        let failing = told.checks.iter().filter(|it| it.state == State::Fails);
        for (at, check) in failing.enumerate() {
            let here = self.test.focus == ExplainFocus::Row(at);
            if here {
                self.focus = (self.lines.len(), 0);
            }
            let (name, style) = (explain::name(check.reason), self.model.theme.alarm());
            self.row(here, "FAILS", style, name, &check.evidence);
            for line in &check.history {
                self.row(false, "", Style::new(), "", line);
            }
        }
    }

    /// Draws the checks that pass and are worth a line each. In the compact layout, it first draws
    /// the line of [`Self::known`].
    fn holding(&mut self, told: &Explanation) {
        if self.room < COMPACT_WIDTH {
            self.known(told);
        }
        for check in &told.checks {
            let worth_a_line = match check.reason {
                Reason::AddressNotAllowed | Reason::NoRoute | Reason::ActionNotPermitted => true,
                // A line only where the key has such a limit.
                Reason::RateLimited => told.has_condition(Condition::RateLimit),
                Reason::QuotaExceeded => told.has_condition(Condition::Quota),
                Reason::MissingToken
                | Reason::MalformedToken
                | Reason::UnknownToken
                | Reason::Revoked
                | Reason::Disabled
                | Reason::NotYetValid
                | Reason::Expired
                | Reason::WrongAgent => false, // `known` draws them
            };
            let (name, theme) = (explain::name(check.reason), self.model.theme);
            match check.state {
                _ if !worth_a_line => {}
                State::Holds => self.row(false, "ok", theme.success(), name, &check.evidence),
                // What only an endpoint remembers; without a key, nothing is known at all.
                State::Unknown if told.key.is_some() => {
                    self.row(false, "?", theme.quiet(), name, &check.evidence);
                }
                State::Unknown | State::Fails => {}
            }
        }
    }

    /// Draws a line with a state, a name and words; further lines of words are indented.
    fn row(&mut self, here: bool, state: &str, style: Style, name: &str, words: &str) {
        let theme = self.model.theme;
        let indent = if name.is_empty() && !state.is_empty() {
            2 + STATE
        } else {
            2 + STATE + NAME
        };
        let room = self.room.saturating_sub(indent).max(12);
        for (at, part) in wrapped(&theme.shown(words), room).into_iter().enumerate() {
            if at > 0 || state.is_empty() {
                let blank = " ".repeat(self.room.saturating_sub(room).min(indent));
                self.lines
                    .push(Line::styled(format!("{blank}{part}"), theme.quiet()));
                continue;
            }
            let marker = if here { "▸ " } else { "  " };
            let name = if name.is_empty() {
                String::new()
            } else {
                format!("{name:<NAME$}")
            };
            self.lines.push(Line::from(vec![
                Span::styled(marker, theme.focus()),
                Span::styled(format!("{state:<STATE$}"), style),
                Span::styled(name, theme.strong()),
                Span::raw(part),
            ]));
        }
    }

    fn refusals(&mut self, told: &Explanation) {
        let theme = self.model.theme;
        if self.room < COMPACT_WIDTH {
            self.lines.push(Line::default());
        }
        let count = told.refusals.len();
        if count == 0 {
            self.lines
                .push(Line::styled("No refusal is known.", theme.quiet()));
            return;
        }
        let mut head = if count == 1 {
            "The last refusal".to_owned()
        } else {
            format!("The last {count} refusals")
        };
        let of_key = told.question.key().is_some();
        if !of_key {
            head += if count == 1 {
                " that matches no key"
            } else {
                " that match no key"
            };
        }
        self.lines.push(Line::styled(head, theme.strong()));
        let failing = self
            .test
            .rows()
            .iter()
            .filter(|row| matches!(row, ExplainRow::Failing(_)))
            .count();
        for (at, refusal) in told.refusals.iter().enumerate() {
            let here = self.test.focus == ExplainFocus::Row(failing + at);
            // In the compact layout, if no check fails, the first row does not take the focus from
            // the verdict, which stays in view.
            let first = self.room < COMPACT_WIDTH && failing + at == 0;
            if here && !first {
                self.focus = (self.lines.len(), 0);
            }
            let asked =
                matches!(&told.question, ExplainSubject::Refusal(asked) if asked.id == refusal.id);
            let marker = match (here, asked) {
                (true, _) => "▸ ",
                (false, true) => "· ",
                _ => "  ",
            };
            let line = fitted(
                &theme.shown(&short(refusal, of_key)),
                self.room.saturating_sub(2),
            );
            self.lines.push(Line::from(vec![
                Span::styled(marker, theme.focus()),
                Span::raw(line.trim_end().to_owned()),
            ]));
        }
    }
}

/// The line of a refusal: `11-23 14:02  action_not_permitted  10.0.0.9  DELETE /contacts/41`. For a
/// refusal of a key, a token that is not the key's is marked; for a refusal that matches no key,
/// the key that the token names is shown.
fn short(refusal: &Refusal, of_key: bool) -> String {
    let at = refusal.at.date_and_clock();
    let token = match (&refusal.key, &refusal.named) {
        (None, _) if of_key => "another token  ".to_owned(),
        (None, Some(named)) => format!("names {named}  "),
        _ => String::new(),
    };
    format!(
        "{}  {}  {token}{}  {}",
        at.get(5..).unwrap_or(&at),
        refusal.reason.word(),
        refusal.address,
        refusal.request_line()
    )
}

fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
