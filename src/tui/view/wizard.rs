//! The two steps of the wizard, as sheets.
//!
//! ```text
//! ╭ New API key in PROD ───────────────────────────────────────── Step 1 of 2 ─╮
//! │ Enter basic information                                                    │
//! │ ▸ Name                                                              13/100 │
//! │   Partner: Acme▏                                                           │
//! ```
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    footer,
    paint::{buttons, typed, width, wrapped},
    sheet::{self, Sheet, Title},
};
use crate::{
    domain::{
        access::Action,
        text::{cut_in_the_middle, fitted},
    },
    tui::{
        model::{Model, TWO_LINE_WIDTH},
        wizard::{
            BasicsFocus, Field, FieldConflict, MatrixFocus, Wizard, WizardPurpose, WizardStep,
        },
    },
};

pub(super) fn sheet(model: &Model, wizard: &Wizard, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let workspace = model.theme.shown(&model.workspace);
    let title = match &wizard.purpose {
        WizardPurpose::New => match wizard.agent.as_ref().filter(|_| model.agents.len() > 1) {
            Some(agent) => format!("New API key for {agent} in {workspace}").into(),
            None => format!("New API key in {workspace}").into(),
        },
        WizardPurpose::Edit(key) => Title {
            before: "Edit ".to_owned(),
            name: model.theme.shown(key.name()),
            after: if room < TWO_LINE_WIDTH.into() {
                format!(" in {workspace}")
            } else {
                format!("{} in {workspace}", model.tag(&key.id))
            },
        },
    };
    let mut page = WizardPage {
        model,
        wizard,
        room,
        height: sheet::height(screen),
        lines: Vec::new(),
        focus: (0, 0),
        head: 0,
        foot: 0,
    };
    // A narrow title has no room for id and agent.
    if let WizardPurpose::Edit(key) = &wizard.purpose
        && room < TWO_LINE_WIDTH.into()
    {
        let tag = model.tag(&key.id);
        let tag = tag.trim().trim_matches(['(', ')']);
        if !tag.is_empty() {
            page.line(tag, model.theme.quiet());
            page.head = 1;
        }
    }
    let corner = match wizard.step {
        WizardStep::Basics(focus) => {
            page.basics(focus, screen.height < 20);
            "Step 1 of 2"
        }
        WizardStep::Permissions(_, focus) => {
            page.permissions(focus, screen.height < 20);
            "Step 2 of 2"
        }
    };
    let hint = if wizard.armed {
        "unsaved changes - Esc again to discard".to_owned()
    } else if wizard.saving {
        "saving…".to_owned()
    } else {
        footer::border(model)
    };
    Sheet {
        title,
        corner: corner.to_owned(),
        lines: page.lines,
        head: page.head,
        foot: page.foot,
        focus: page.focus,
        hint,
        ..Sheet::default()
    }
}

struct WizardPage<'a> {
    model: &'a Model,
    wizard: &'a Wizard,
    room: usize,
    /// The number of lines that the sheet has room for.
    height: usize,
    lines: Vec<Line<'static>>,
    focus: (usize, u16),
    /// The numbers of lines that stay in view at the top and at the bottom.
    head: usize,
    foot: usize,
}

/// The minimum number of rows of the matrix in view.
const LEAST_ROWS: usize = 3;

impl WizardPage<'_> {
    fn line(&mut self, text: impl Into<String>, style: Style) {
        self.lines.push(Line::styled(text.into(), style));
    }

    fn basics(&mut self, focus: BasicsFocus, tight: bool) {
        let theme = self.model.theme;
        self.line("Enter basic information", theme.strong());
        for field in self.wizard.fields().iter().copied() {
            if !tight {
                self.lines.push(Line::default());
            }
            self.field(field, focus == BasicsFocus::Field(field));
        }
        self.trouble();
        if !tight {
            self.lines.push(Line::default());
        }
        let hidden = usize::from(self.wizard.fields().len() < Field::ALL.len());
        let focused = match focus {
            BasicsFocus::More => Some(0),
            BasicsFocus::Cancel => Some(hidden),
            BasicsFocus::Next => Some(hidden + 1),
            BasicsFocus::Field(_) => None,
        };
        self.buttons(&["More rules", "Cancel", "Next"][1 - hidden..], focused);
    }

    fn field(&mut self, field: Field, focused: bool) {
        let theme = self.model.theme;
        let marker = if focused { "▸ " } else { "  " };
        let optional = if field == Field::Name {
            ""
        } else {
            " (optional)"
        };
        let label = format!("{marker}{}{optional}", field.title());
        let notes = self.wizard.notes(field, self.model.now);
        let corner = match (self.wizard.counter(field), field) {
            (Some(counter), _) => counter,
            (None, Field::Expires | Field::Begins | Field::RateLimit | Field::Quota) => {
                notes.first().cloned().unwrap_or_default()
            }
            (None, _) => String::new(),
        };
        let fits = |corner: &str| usize::from(width(&label) + width(corner)) < self.room;
        let corner = match corner.split_once(',') {
            Some((date, _)) if !fits(&corner) => date.to_owned(),
            _ => corner,
        };
        let gap = self
            .room
            .saturating_sub(usize::from(width(&label) + width(&corner)));
        let style = if focused { theme.focus() } else { Style::new() };
        self.lines.push(Line::from(vec![
            Span::styled(label, style),
            Span::raw(" ".repeat(gap)),
            Span::styled(corner, theme.quiet()),
        ]));
        self.text(field, focused);
        if field == Field::Name {
            self.warnings();
        }
        if let Some((_, cut)) = self.wizard.cut.as_ref().filter(|(it, _)| *it == field) {
            self.marked(cut, theme.alarm());
        }
        if let Some(error) = self.wizard.error(field, self.model.now) {
            self.marked(&error, theme.alarm());
        } else if matches!(field, Field::Addresses | Field::Denied) {
            for note in notes {
                self.line(format!("  {note}"), theme.quiet());
            }
        }
    }

    fn warnings(&mut self) {
        for warning in self.wizard.warnings() {
            self.marked(&warning, self.model.theme.warning());
        }
    }

    /// Draws a sentence below a field, with a mark.
    fn marked(&mut self, sentence: &str, style: Style) {
        for (at, part) in wrapped(sentence, self.room.saturating_sub(4))
            .into_iter()
            .enumerate()
        {
            let mark = if at == 0 { "  ! " } else { "    " };
            self.line(format!("{mark}{part}"), style);
        }
    }

    /// Draws the field's text, scrolled so that the cursor is in view.
    fn text(&mut self, field: Field, focused: bool) {
        let theme = self.model.theme;
        let input = self.wizard.input(field);
        let (shown, column) = typed(theme, input, self.room, focused);
        if focused {
            self.focus = (self.lines.len(), column);
        }
        match field.example() {
            Some(example) if focused && input.value().is_empty() => {
                self.line(format!("  {example}"), theme.quiet());
            }
            _ => self.line(format!("  {shown}"), Style::new()),
        }
    }

    /// Draws the matrix. It is scrolled between the titles of its columns and the text that the
    /// user must have read before saving: what the key will be able to do.
    fn permissions(&mut self, focus: MatrixFocus, tight: bool) {
        let theme = self.model.theme;
        let wide = self.room >= 60;
        let cell = if wide { 9 } else { 6 };
        let label = self.room.saturating_sub(4 * cell);
        let heads: String = Action::ALL
            .map(|action| {
                format!(
                    "{:<cell$}",
                    action.title().chars().take(cell - 1).collect::<String>()
                )
            })
            .concat();
        let mut changes = self.of(Self::changes);
        let mut sentence = self.of(Self::sentence);
        let least = self.lines.len() + 3 + changes.len().min(2);
        if sentence.len() + least > self.height {
            // On a screen this small, that text is scrolled with the changes.
            changes.append(&mut sentence);
        }
        let trouble = self.of(Self::trouble);
        let help = self.of(|page| page.matrix_help(focus, wide));
        let fits = changes.len() + trouble.len();
        // The room is given to the most important parts first: the column titles, the buttons, what
        // the key can do, and some rows; then the changes; then the title; then the help.
        let most = self
            .height
            .saturating_sub(self.lines.len() + 2 + sentence.len());
        let rows = if fits + LEAST_ROWS <= most {
            LEAST_ROWS
        } else {
            1
        };
        let told = fits.min(most.saturating_sub(rows).max(2));
        let left = most.saturating_sub(rows + told);
        if left > 0 && rows == LEAST_ROWS {
            self.line("Configure permissions", theme.strong());
        }
        self.line(format!("{:<label$}{heads}", ""), theme.quiet());
        self.head = self.lines.len();
        for (row, area) in self.model.areas.iter().enumerate() {
            self.area(row, area, focus, label, cell);
        }
        let matrix = self.lines.len();
        // The title and the blank line take one line each.
        let is_pinned = left > help.len();
        let is_apart = !tight && left > 1 + if is_pinned { help.len() } else { 0 };
        self.lines.extend(help);
        let body = if is_pinned { matrix } else { self.lines.len() };
        if is_apart {
            self.lines.push(Line::default());
        }
        if told == fits {
            self.lines.extend(changes);
            self.lines.extend(sentence);
            self.lines.extend(trouble);
        } else {
            // The reason why the key was not saved comes first, unless another user changed the key
            // meanwhile: then the reason is long.
            let mut parts = [changes, trouble];
            if self.wizard.meanwhile.is_none() {
                parts.reverse();
            }
            self.window(parts.concat(), told);
            self.lines.extend(sentence);
        }
        let focused = match focus {
            MatrixFocus::Back => Some(0),
            MatrixFocus::Save => Some(1),
            MatrixFocus::Cell(..) => None,
        };
        self.buttons(&["Back", self.wizard.save_word()], focused);
        self.foot = self.lines.len() - body;
    }

    /// Returns the lines that a part of the page would add.
    fn of(&mut self, part: impl FnOnce(&mut Self)) -> Vec<Line<'static>> {
        let before = std::mem::take(&mut self.lines);
        part(self);
        std::mem::replace(&mut self.lines, before)
    }

    /// Adds as many of these lines as there is room for, from the scroll position.
    fn window(&mut self, lines: Vec<Line<'static>>, room: usize) {
        if lines.len() <= room {
            self.lines.extend(lines);
            return;
        }
        let room = room.saturating_sub(1).max(1);
        let most = lines.len() - room;
        let from = usize::from(self.wizard.scroll).min(most);
        let below = most - from;
        self.lines.extend(lines.into_iter().skip(from).take(room));
        let mark = match (from, below, &self.wizard.meanwhile) {
            (from, 0, _) => format!("↑ {from} lines above, PgUp"),
            (0, below, None) => format!("↓ {below} more lines, PgDn"),
            (0, below, Some(_)) => format!("! changed meanwhile, ↓ {below} more: PgDn"),
            (from, below, _) => format!("↑ {from} PgUp · ↓ {below} more, PgDn"),
        };
        self.line(mark, self.model.theme.warning());
    }

    fn matrix_help(&mut self, focus: MatrixFocus, wide: bool) {
        let MatrixFocus::Cell(_, column) = focus else {
            return;
        };
        let action = Action::ALL[column];
        let said = format!("  {}: {}", action.title(), action.description());
        self.line(said, Style::new());
        let presets = if wide {
            "Row: 0 none  1 read  2 read and write (read, create, update)  3 all four"
        } else {
            "0 none  1 read  2 read, create, update  3 all four"
        };
        for part in wrapped(presets, self.room.saturating_sub(2)) {
            self.line(format!("  {part}"), self.model.theme.quiet());
        }
    }

    fn area(
        &mut self,
        row: usize,
        area: &crate::domain::access::Area,
        focus: MatrixFocus,
        label: usize,
        cell: usize,
    ) {
        let theme = self.model.theme;
        let here = matches!(focus, MatrixFocus::Cell(focused, _) if focused == row);
        let marker = if here { "▸ " } else { "  " };
        let title = cut_in_the_middle(&theme.shown(&area.title), label.saturating_sub(3));
        let title = fitted(&title, label.saturating_sub(3));
        let style = if here { theme.focus() } else { Style::new() };
        let mut spans = vec![Span::styled(format!("{marker}{title} "), style)];
        let actions = self.wizard.grants.of(&area.slug);
        for (column, action) in Action::ALL.into_iter().enumerate() {
            let box_ = if actions.contains(action) {
                "[x]"
            } else {
                "[ ]"
            };
            let focused = focus == MatrixFocus::Cell(row, column);
            if focused {
                let at = label + column * cell + 1;
                self.focus = (self.lines.len(), u16::try_from(at).unwrap_or(0));
            }
            let style = if focused {
                theme.pressed()
            } else {
                Style::new()
            };
            spans.push(Span::styled(box_, style));
            spans.push(Span::raw(" ".repeat(cell - 3)));
        }
        self.lines.push(Line::from(spans));
    }

    /// Adds the warnings about the name, and the sentences about what an edit changes.
    fn changes(&mut self) {
        let theme = self.model.theme;
        self.warnings();
        for sentence in self.wizard.changes(&self.model.areas) {
            let sentence = theme.shown(&sentence);
            let style = if sentence.starts_with("Widens") {
                theme.warning()
            } else {
                Style::new()
            };
            for part in wrapped(&sentence, self.room) {
                self.line(part, style);
            }
        }
    }

    /// Adds the sentence about what the key will and will not be able to do.
    fn sentence(&mut self) {
        let sentence = self.wizard.sentence(&self.model.areas);
        let sentence = self.model.theme.shown(&sentence.unwrap_or_default());
        for part in wrapped(&sentence, self.room) {
            self.line(part, Style::new());
        }
    }

    fn trouble(&mut self) {
        let Some(trouble) = &self.wizard.trouble else {
            return;
        };
        for part in wrapped(&format!("! {}", self.model.theme.shown(trouble)), self.room) {
            self.line(part, self.model.theme.alarm());
        }
        self.beside();
    }

    /// ```text
    ///   bob@gw2             theirs                    yours
    /// ! Name                acme by bob               acme by me
    ///   Contact Access      read, update              read, update
    /// ```
    fn beside(&mut self) {
        let theme = self.model.theme;
        let rows = self.wizard.beside(&self.model.areas);
        if rows.is_empty() {
            return;
        }
        let (room, each) = (self.room, (self.room.saturating_sub(2) / 3).max(1));
        let fits = |row: &FieldConflict| {
            let wide = |text: &str| usize::from(width(&theme.shown(text)));
            room >= 60
                && wide(&row.title) < each
                && wide(&row.theirs) < each
                && wide(&row.mine) <= each
        };
        if rows.iter().any(fits) {
            let heads = format!("  {:<each$}{:<each$}yours", "", "theirs");
            self.line(heads, theme.quiet());
        }
        for row in rows {
            let shown = |text: &str| theme.shown(text);
            let (mark, style) = if row.clash {
                ("! ", theme.warning())
            } else {
                ("  ", Style::new())
            };
            if fits(&row) {
                let [title, theirs] = [&row.title, &row.theirs].map(|it| fitted(&shown(it), each));
                let text = format!("{mark}{title}{theirs}{}", shown(&row.mine));
                self.line(text, style);
                continue;
            }
            let title = shown(&row.title);
            self.line(format!("{mark}{title}"), style);
            for (whose, text) in [("theirs", &row.theirs), ("yours", &row.mine)] {
                for (at, part) in wrapped(&shown(text), self.room.saturating_sub(12))
                    .into_iter()
                    .enumerate()
                {
                    let label = if at == 0 { whose } else { "" };
                    self.line(format!("    {label:<8}{part}"), style);
                }
            }
        }
    }

    fn buttons(&mut self, titles: &[&str], focused: Option<usize>) {
        let wide: usize = titles.iter().map(|title| title.len() + 3).sum();
        let (line, column) = buttons(self.model, titles, focused, self.room.saturating_sub(wide));
        if let Some(column) = column {
            self.focus = (self.lines.len(), column);
        }
        self.lines.push(line);
    }
}
