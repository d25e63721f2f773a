//! The screen of the audit log: the loaded events, the selected event and the filter.
//!
//! Events never change, so paging continues from an event's number, and new events are put before
//! the loaded ones: the cursor stays on its event.
use strum::{EnumCount, VariantArray};
use tui_input::Input;

use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{Intent, Place},
    read::Read,
    typing::{FieldLimit, TextEdit, type_into},
};
use crate::domain::{
    agent::AgentScope,
    audit::{Event, EventCursor, EventFilter},
    moment::Moment,
};

/// The number of events per read.
pub const PAGE: i64 = 200;
/// A file format for exporting the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum ExportForm {
    /// JSON lines, which lose nothing.
    JsonLines,
    /// CSV, for a spreadsheet.
    Csv,
}

impl ExportForm {
    /// All formats, in the order in which they are offered.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The name of the format in the dialog.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::JsonLines => "JSON lines, which lose nothing",
            Self::Csv => "CSV, for a spreadsheet",
        }
    }

    /// The file name extension of the format.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// The other format.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::JsonLines => Self::Csv,
            Self::Csv => Self::JsonLines,
        }
    }
}

/// The distance from the end of the loaded events, in events, at which the next page is read.
const MARGIN: usize = 30;

/// Where reading starts when the loaded events are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At the newest event.
    Newest,
    /// At the oldest event.
    Oldest,
}

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct AuditDialog {
    /// The loaded events, newest first.
    pub events: Vec<Event>,
    /// The index of the selected event.
    pub at: usize,
    /// The index of the first visible event.
    pub top: usize,
    /// How far the details of the selected event are scrolled, if they are open.
    pub opened: Option<u16>,
    /// The filter while it is being typed.
    pub typing: Option<Input>,
    /// The filter as it was typed.
    pub typed: String,
    /// The filter in its parsed form.
    pub filter: EventFilter,
    /// Whether there are older events than the loaded ones.
    pub more: bool,
    /// Where the events start that are to replace the loaded ones, if a replacement is wanted.
    pub begin: Option<Begin>,
    /// Whether there may be newer events than the loaded ones.
    pub news: bool,
    /// The cursor of the read that is under way, if any.
    pub awaited: Option<EventCursor>,
    /// Why events could not be read, or why the filter is invalid.
    pub problem: Option<String>,
    /// The result of the last action.
    pub said: Option<String>,
}

impl Default for AuditDialog {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            at: 0,
            top: 0,
            opened: None,
            typing: None,
            typed: String::new(),
            filter: EventFilter::default(),
            more: false,
            begin: Some(Begin::Newest),
            news: false,
            awaited: None,
            problem: None,
            said: None,
        }
    }
}

impl AuditDialog {
    /// The selected event.
    #[must_use]
    pub fn selected(&self) -> Option<&Event> {
        self.events.get(self.at)
    }

    /// Moves the selection by `rows`, within the loaded events.
    pub fn walk(&mut self, rows: isize, room: usize) {
        let last = self.events.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
        self.keep_in_view(room);
        self.opened = self.opened.map(|_| 0);
    }

    /// Scrolls as little as is needed to show the selected event.
    pub fn keep_in_view(&mut self, room: usize) {
        let room = room.max(1);
        if self.at < self.top {
            self.top = self.at;
        } else if self.at >= self.top + room {
            self.top = self.at + 1 - room;
        }
    }

    /// Returns the cursor of the read that is needed now, if any, and records it as awaited.
    pub fn next_cursor(&mut self) -> Option<EventCursor> {
        if self.awaited.is_some() || (self.problem.is_some() && self.begin.is_none()) {
            return None;
        }
        let wanted = match (self.events.first(), self.events.last()) {
            _ if self.begin == Some(Begin::Newest) => EventCursor::Before(i64::MAX),
            _ if self.begin == Some(Begin::Oldest) => EventCursor::After(0),
            (None, _) if self.news => EventCursor::Before(i64::MAX),
            // Newer events are not needed while the cursor is far from the newest ones.
            (Some(first), _) if self.news && self.at <= MARGIN => {
                EventCursor::After(first.sequence)
            }
            (_, Some(last)) if self.more && self.at + MARGIN >= self.events.len() => {
                EventCursor::Before(last.sequence)
            }
            _ => return None,
        };
        // Events that arrive during this read will set `news` again.
        if !matches!(wanted, EventCursor::Before(sequence) if sequence < i64::MAX) {
            self.news = false;
        }
        self.awaited = Some(wanted);
        Some(wanted)
    }

    /// Takes in the events of the awaited read.
    pub fn take_in(&mut self, read: Result<Vec<Event>, String>, room: usize) {
        let Some(cursor) = self.awaited.take() else {
            return;
        };
        let events = match read {
            Ok(events) => events,
            Err(sentence) => {
                self.begin = None;
                self.problem = Some(sentence);
                return;
            }
        };
        let full = i64::try_from(events.len()).unwrap_or(i64::MAX) >= PAGE;
        match cursor {
            EventCursor::Before(i64::MAX) => {
                (self.at, self.top, self.more) = (0, 0, full);
                self.events = events;
            }
            EventCursor::Before(_) => {
                self.more = full;
                self.events.extend(events);
            }
            EventCursor::After(0) if self.begin == Some(Begin::Oldest) => {
                self.events = events.into_iter().rev().collect();
                (self.begin, self.more, self.news) = (None, false, full);
                self.at = self.events.len().saturating_sub(1);
                self.top = 0;
                self.keep_in_view(room);
                return;
            }
            EventCursor::After(_) => {
                let count = events.len();
                let at_top = self.at == 0 && self.opened.is_none() && self.top == 0;
                self.events.splice(0..0, events.into_iter().rev());
                // A cursor at the newest event shows the new events; otherwise the view stays where
                // it is.
                if !at_top {
                    self.at += count;
                    self.top += if self.top > 0 { count } else { 0 };
                }
                self.keep_in_view(room);
                self.news |= full;
                return;
            }
        }
        self.begin = None;
    }

    /// Goes to the newest event, or to the oldest one.
    pub fn jump(&mut self, newest: bool, room: usize) {
        if newest && self.news {
            self.begin = Some(Begin::Newest);
        } else if newest {
            self.walk(isize::MIN, room);
        } else if self.more {
            self.begin = Some(Begin::Oldest);
        } else {
            self.walk(isize::MAX, room);
        }
    }

    /// Filters by this text from now on; if it is invalid, the error is shown instead.
    pub fn filter_by(&mut self, text: &str, now: Moment) {
        match EventFilter::parse(text, now) {
            Ok(filter) => self.only(text.trim().to_owned(), filter),
            Err(error) => self.problem = Some(error.to_string()),
        }
    }

    /// Shows only the events that the filter matches; `typed` is its text.
    pub fn only(&mut self, typed: String, filter: EventFilter) {
        self.typed = typed;
        self.filter = filter;
        self.typing = None;
        self.problem = None;
        self.opened = None;
        self.begin = Some(Begin::Newest);
        // A read that is still awaited belongs to the previous filter.
        self.awaited = None;
    }
}

/// The choice of the file format for exporting the log.
#[derive(Debug, Clone)]
pub struct ExportDialog {
    /// The selected format.
    pub form: ExportForm,
}

impl Dialog for ExportDialog {
    fn place(&self) -> Place {
        Place::Export
    }
}

impl Dialog for AuditDialog {
    fn place(&self) -> Place {
        match (&self.typing, self.opened) {
            (Some(_), _) => Place::AuditFilter,
            (None, Some(_)) => Place::AuditEvent,
            (None, None) => Place::Audit,
        }
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        let Some(input) = &mut self.typing else {
            return Typed::Whole;
        };
        self.problem = type_into(input, text, FieldLimit::LINE);
        Typed::cut_if(self.problem.as_ref())
    }

    fn leave(&mut self) -> Leave {
        if self.typing.take().is_some() {
            self.problem = None;
        } else if self.opened.take().is_some() {
        } else if self.filter != EventFilter::default() {
            self.only(String::new(), EventFilter::default());
        } else {
            return Leave::Close;
        }
        Leave::Stay
    }

    fn leave_field(&mut self) -> Option<Leave> {
        self.typing.is_some().then(|| self.leave())
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.problem = Some(why);
        None
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::Open | Intent::OnlySubject | Intent::OnlyActor | Intent::Export
                if self.typing.is_none() =>
            {
                Some(self.selected().is_some())
            }
            Intent::Filter if self.typing.is_none() => Some(true),
            _ => None,
        }
    }

    fn mark_stale(&mut self) {
        self.news = true;
        if self.typing.is_none() {
            self.problem = None;
        }
    }

    fn to_read(&mut self, _agents: &AgentScope, _is_topmost: bool) -> Option<Read> {
        let cursor = self.next_cursor()?;
        Some(Read::Events(self.filter.clone(), cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, Change, EventDraft, Gate};

    fn event(sequence: i64) -> Event {
        Event {
            sequence,
            draft: EventDraft {
                at: Moment::from_millis(sequence),
                actor: Actor {
                    name: "a".into(),
                    from: None,
                    login: None,
                },
                change: Change::Created,
                subject_id: String::new(),
                subject_name: String::new(),
                agent: None,
                details: "{}".into(),
                program: String::new(),
                gate: Gate::Open,
            },
            previous_hash: String::new(),
            hash: String::new(),
        }
    }

    fn numbers(screen: &AuditDialog) -> Vec<i64> {
        screen.events.iter().map(|event| event.sequence).collect()
    }

    #[test]
    fn what_is_new_comes_first_and_the_cursor_stays_on_its_event() {
        let mut screen = AuditDialog::default();
        assert_eq!(screen.next_cursor(), Some(EventCursor::Before(i64::MAX)));
        assert_eq!(screen.next_cursor(), None, "it is awaited");
        let first = vec![event(3), event(2), event(1)];
        screen.take_in(Ok(first), 10);
        assert_eq!(screen.next_cursor(), None, "there is no more");
        screen.walk(1, 10);
        screen.news = true;
        assert_eq!(screen.next_cursor(), Some(EventCursor::After(3)));
        screen.take_in(Ok(vec![event(4), event(5)]), 10);
        assert_eq!(numbers(&screen), [5, 4, 3, 2, 1]);
        assert_eq!(screen.selected().map(|it| it.sequence), Some(2));
        assert_eq!(screen.next_cursor(), None);
    }

    #[test]
    fn from_the_newest_to_the_oldest_and_back_nothing_in_between_is_read() {
        let page = |last: i64| (last - PAGE + 1..=last).map(event).collect::<Vec<_>>();
        let newest = |last| page(last).into_iter().rev().collect::<Vec<_>>();
        let mut screen = AuditDialog::default();
        let _ = screen.next_cursor();
        screen.take_in(Ok(newest(1000)), 10);
        screen.jump(false, 10);
        assert_eq!(screen.next_cursor(), Some(EventCursor::After(0)));
        screen.take_in(Ok(page(PAGE)), 10);
        assert_eq!(screen.selected().map(|it| it.sequence), Some(1));
        assert_eq!(
            screen.next_cursor(),
            None,
            "neither older ones nor newer ones yet"
        );
        // Moving up again: newer events are read when the cursor comes near them.
        screen.walk(-170, 10);
        assert_eq!(screen.next_cursor(), Some(EventCursor::After(PAGE)));
        screen.take_in(Ok(page(2 * PAGE)), 10);
        assert_eq!(screen.selected().map(|it| it.sequence), Some(171));
        screen.jump(true, 10);
        assert_eq!(screen.next_cursor(), Some(EventCursor::Before(i64::MAX)));
    }

    #[test]
    fn a_new_filter_reads_again_and_a_bad_one_is_reported() {
        let mut screen = AuditDialog::default();
        let _ = screen.next_cursor();
        screen.filter_by("actor:bob", Moment::from_millis(0));
        assert_eq!(screen.next_cursor(), Some(EventCursor::Before(i64::MAX)));
        screen.filter_by("nonsense:", Moment::from_millis(0));
        assert!(screen.problem.is_some());
        assert_eq!(
            screen.typed, "actor:bob",
            "what is shown is what was understood"
        );
    }
}
