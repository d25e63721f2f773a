//! The members screen, the form of a member, and the question before a member is removed.
//!
//! ```text
//! ╭ Members · PROD ───────────────────────────────────────────────── 2 members ╮
//! │ ▸ alice                 owner     last seen 2026-11-25 22:10 UTC           │
//! │     SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ ssh-ed25519 laptop  │
//! │   bob                   viewer    only prod  not seen yet, added 2026-11-20     │
//! ╰ n add · e change · x remove · Esc close ───────────────────────────────────╯
//! ```
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tui_input::Input;

use super::{
    footer,
    paint::{buttons, results, styled_lines, typed, width, wrapped},
    sheet::{self, Sheet},
};
use crate::{
    domain::{
        agent::{AgentScope, listed},
        member::{Member, Role},
        text::{fitted, length},
    },
    tui::{
        members::{FormFocus, MemberForm, MembersDialog, Removal},
        model::{Model, TWO_LINE_WIDTH},
    },
};

pub(super) fn members(model: &Model, screen: &MembersDialog, area: Rect) -> Sheet {
    let room = sheet::room(area);
    let theme = model.theme;
    let rows = &screen.rows;
    let mut lines = results(model, rows, room);
    let mut focus = (0, 0);
    if !rows.are_read() && rows.problem.is_none() {
        lines.push(Line::from("reading…"));
    } else if rows.are_read() && rows.all().is_empty() {
        let text = "There are no members yet: keys are managed on this machine alone. n adds somebody who may come in over SSH.";
        lines.extend(styled_lines(text, room, Style::new()));
    }
    for (at, member) in rows.all().iter().enumerate() {
        if at == rows.at() {
            focus = (lines.len(), 0);
        }
        lines.extend(row(model, member, at == rows.at(), room));
    }
    let corner = match rows.all().len() {
        0 => String::new(),
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    Sheet {
        title: format!("Members · {}", theme.shown(&model.workspace)).into(),
        corner,
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

fn row(model: &Model, member: &Member, here: bool, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let style = if here { theme.selected() } else { Style::new() };
    let marker = Span::styled(if here { "▸ " } else { "  " }, theme.focus());
    let name = theme.shown(member.name());
    let limit = match &member.draft.scope {
        AgentScope::Everything => String::new(),
        AgentScope::Only(agents) => format!("only {}  ", listed(agents)),
    };
    let seen = member.last_seen.as_ref().map_or_else(
        || format!("not seen yet, added {}", member.added_at.date()),
        |(at, _)| format!("last seen {} UTC", at.date_and_clock()),
    );
    let text = if model.size.0 < TWO_LINE_WIDTH {
        format!("{name}, {}", member.draft.role)
    } else {
        format!(
            "{}  {:<8}  {limit}{seen}",
            fitted(&name, 20),
            member.draft.role.word()
        )
    };
    let text = fitted(&text, room.saturating_sub(2));
    let mut lines = vec![Line::from(vec![marker, Span::styled(text, style)])];
    if model.size.0 < TWO_LINE_WIDTH {
        lines.extend(indented(&format!("{limit}{seen}"), room, theme.quiet()));
    }
    for key in &member.draft.keys {
        lines.extend(indented(&theme.shown(&key.summary()), room, theme.quiet()));
    }
    lines
}

fn indented(text: &str, room: usize, style: Style) -> Vec<Line<'static>> {
    let parts = wrapped(text, room.saturating_sub(4));
    let line = |part: String| Line::styled(format!("    {part}"), style);
    parts.into_iter().map(line).collect()
}

/// ```text
/// ╭ New member of PROD ────────────────────────────────────────────────────────╮
/// │ ▸ Name                                                                     │
/// │   carol                                                                    │
/// │   Role  ‹ manager ›                                                        │
/// │   create, edit, rotate, revoke and copy keys, and all below                │
/// │   Agents (optional)                                          all of them   │
/// │   SSH key                                                                  │
/// │   e.g. ssh-ed25519 AAAA…, from ~/.ssh/id_ed25519.pub                       │
/// │                                                       Cancel    Save       │
/// ```
pub(super) fn form(model: &Model, form: &MemberForm, screen: Rect) -> Sheet {
    let workspace = model.theme.shown(&model.workspace);
    let mut page = FormPage {
        model,
        form,
        room: sheet::room(screen),
        lines: Vec::new(),
        focus: (0, 0),
    };
    page.draw(screen.height >= 20);
    let title = match &form.seen {
        None => format!("New member of {workspace}"),
        Some(seen) => format!("Change {} in {workspace}", model.theme.shown(seen.name())),
    };
    let hint = if form.armed {
        "unsaved changes - Esc again to discard".to_owned()
    } else if form.working {
        "saving…".to_owned()
    } else {
        footer::border(model)
    };
    Sheet {
        title: title.into(),
        corner: String::new(),
        lines: page.lines,
        focus: page.focus,
        hint,
        ..Sheet::default()
    }
}

struct FormPage<'a> {
    model: &'a Model,
    form: &'a MemberForm,
    room: usize,
    lines: Vec<Line<'static>>,
    focus: (usize, u16),
}

impl FormPage<'_> {
    fn draw(&mut self, loose: bool) {
        let theme = self.model.theme;
        let counter = format!("{}/64", length(self.form.name.value()));
        self.field(FormFocus::Name, "Name", &counter, "");
        self.gap(loose);
        self.role();
        if self.form.several {
            self.gap(loose);
            let all = match self.form.scope() {
                Ok(AgentScope::Everything) => "all of them",
                Ok(AgentScope::Only(none)) if none.is_empty() => "none of them",
                _ => "",
            };
            let names = listed(&self.model.agents);
            self.field(
                FormFocus::Agents,
                "Only these agents (optional)",
                all,
                &format!("of {names}"),
            );
        }
        self.gap(loose);
        let label = if self.form.seen.is_some() {
            "A further SSH key (optional)"
        } else {
            "SSH key"
        };
        self.field(
            FormFocus::Keys,
            label,
            "",
            "paste ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA…",
        );
        if let Some(seen) = self.form.seen.as_ref().filter(|it| it.draft.keys.len() > 1) {
            let text = format!(
                "{} keys: one is taken away with `claviger member edit NAME --remove-key SHA256:…`",
                seen.draft.keys.len()
            );
            for part in wrapped(&text, self.room.saturating_sub(2)) {
                self.lines
                    .push(Line::styled(format!("  {part}"), theme.quiet()));
            }
        }
        if let Some(problem) = &self.form.problem {
            let text = format!("! {}", theme.shown(problem));
            let lines = styled_lines(&text, self.room, theme.alarm());
            self.lines.extend(lines);
        }
        self.gap(loose);
        let focused = match self.form.focus {
            FormFocus::Cancel => Some(0),
            FormFocus::Save => Some(1),
            _ => None,
        };
        let room = self.room.saturating_sub(16);
        let (line, column) = buttons(self.model, &["Cancel", "Save"], focused, room);
        if let Some(column) = column {
            self.focus = (self.lines.len(), column);
        }
        self.lines.push(line);
    }

    fn gap(&mut self, loose: bool) {
        if loose {
            self.lines.push(Line::default());
        }
    }

    fn role(&mut self) {
        let theme = self.model.theme;
        let here = self.form.focus == FormFocus::Role;
        if here {
            self.focus = (self.lines.len(), 8);
        }
        let (label, choice) = if here {
            (theme.focus(), theme.pressed())
        } else {
            (Style::new(), Style::new())
        };
        let marker = if here { "▸ " } else { "  " };
        self.lines.push(Line::from(vec![
            Span::styled(format!("{marker}Role  "), label),
            Span::styled(format!("‹ {} ›", self.form.role), choice),
        ]));
        let may = format!("may {}", may(self.form.role));
        for part in wrapped(&may, self.room.saturating_sub(2)) {
            self.lines
                .push(Line::styled(format!("  {part}"), theme.quiet()));
        }
    }

    fn field(&mut self, field: FormFocus, label: &str, corner: &str, example: &str) {
        let theme = self.model.theme;
        let here = self.form.focus == field;
        let style = if here { theme.focus() } else { Style::new() };
        let marker = if here { "▸ " } else { "  " };
        let label = format!("{marker}{label}");
        let used = usize::from(width(&label) + width(corner));
        self.lines.push(Line::from(vec![
            Span::styled(label, style),
            Span::raw(" ".repeat(self.room.saturating_sub(used))),
            Span::styled(corner.to_owned(), theme.quiet()),
        ]));
        let input: &Input = match field {
            FormFocus::Agents => &self.form.agents,
            FormFocus::Keys => &self.form.keys,
            _ => &self.form.name,
        };
        let (shown, column) = typed(theme, input, self.room, here);
        if here {
            self.focus = (self.lines.len(), column);
        }
        let line = if input.value().is_empty() {
            let example = fitted(example, self.room.saturating_sub(3));
            Line::styled(format!("  {}", example.trim_end()), theme.quiet())
        } else {
            Line::raw(format!("  {shown}"))
        };
        self.lines.push(line);
    }
}

/// Returns the permissions of a role, worded to follow "may".
fn may(role: Role) -> &'static str {
    match role {
        Role::Owner => "do everything: members, areas, agents and the workspace, too",
        Role::Manager | Role::Operator | Role::Viewer => role.description(),
    }
}

/// ```text
/// ╭ Remove carol from PROD? ───────────────────────────────────────────────────╮
/// │ carol is a manager. With their SSH keys nobody comes in any more, and open │
/// │ sessions can do nothing from the next moment on.                           │
/// │                                                     Cancel     Remove      │
/// ```
pub(super) fn removal(model: &Model, removal: &Removal, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let name = theme.shown(removal.member.name());
    let asked = ("Remove ".to_owned(), name.clone(), String::new());
    let (title, corner, mut lines) = sheet::heading(model, screen, asked, "from");
    let head = lines.len();
    let text = format!(
        "{name} is {} {} here. Their SSH keys let nobody in any more, and what they have open can do nothing from then on. The API keys that they made stay.",
        removal.member.draft.role.article(),
        removal.member.draft.role
    );
    lines.extend(styled_lines(&text, room, Style::new()));
    lines.push(Line::default());
    let focused = Some(usize::from(removal.act));
    let (line, column) = buttons(
        model,
        &["Cancel", "Remove"],
        focused,
        room.saturating_sub(18),
    );
    let focus = (lines.len(), column.unwrap_or(0));
    lines.push(line);
    Sheet {
        title,
        corner,
        head,
        foot: 1,
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}
