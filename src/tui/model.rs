//! The state of the screen: the loaded data, the user's position and the open dialogs.
//!
//! The place that receives key presses is derived from the topmost dialog and never stored. The
//! selection and the marks are key ids, so that no reload can move them to another key. Only
//! `update` changes the model.
mod list;
mod permissions;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem::{self, Discriminant},
};

pub use list::{DamageSearch, List, Placement};

use super::{
    confirmation::Confirmation,
    keymap::Place,
    message::{Effect, Tickets},
    modal::{InModal, Modal},
    palette::Palette,
    read::{ListRow, Load, Read},
    theme::Theme,
};
use crate::domain::{
    access::Area,
    agent::{AgentName, AgentScope},
    key::Key,
    listing::{Count, Cursor, Damaged, Direction, Filter, ListVersion, PageRequest, Sort},
    member::Role,
    moment::Moment,
    policy::Policy,
    token::KeyId,
    usage::Activity,
};

/// The maximum number of rows that are kept around the cursor.
pub const MAX_LOADED_ROWS: usize = 400;

/// The minimum number of rows of a page: it fills a screen of 24 lines and is more than `walk`
/// reads ahead.
const MIN_PAGE_ROWS: usize = 45;

/// The maximum number of messages that wait to be shown.
const MAX_QUEUED_NOTICES: usize = 8;

/// Below this width a row of a dialog takes two lines.
pub const TWO_LINE_WIDTH: u16 = 64;

/// From this width on the details are shown beside the list.
pub const PANE_WIDTH: u16 = 120;

/// The state of the screen.
#[derive(Debug)]
pub struct Model {
    /// The current time; the shell sets it before every message.
    pub now: Moment,
    /// The number of columns and rows of the terminal.
    pub size: (u16, u16),
    /// The theme to draw with.
    pub theme: Theme,
    /// The workspace's label.
    pub workspace: String,
    /// The name of the acting user.
    pub actor: String,
    /// The role of the acting user.
    pub role: Role,
    /// Whether the acting user is a member who connected over SSH. The program then runs no other
    /// program and writes no file, because the machine is not theirs.
    pub is_member: bool,
    /// The agents whose keys the acting user may see.
    pub agents: Vec<AgentName>,
    /// The access areas.
    pub areas: Vec<Area>,
    /// The policy for the ends of keys.
    pub policy: Policy,
    /// The list of keys.
    pub list: List,
    /// The open dialogs; the last one is topmost and has the focus.
    pub modals: Vec<Modal>,
    /// The listed keys whose name equals or resembles that of another key.
    pub namesakes: BTreeSet<KeyId>,
    /// The message above the footer.
    pub notice: Option<Notice>,
    /// Errors that wait to be shown, one after the other.
    pub queued_notices: VecDeque<String>,
    /// The id and name of the key whose token was copied last and may be on a clipboard.
    pub copied: Option<(KeyId, String)>,
    /// Seconds until the native clipboard is cleared.
    pub clipboard: Option<u32>,
    /// The activity of the key whose details are shown, if it was read.
    pub key_details: Option<(KeyId, Activity)>,
    /// The key whose activity is being read, or was read since the list was loaded.
    pub loading_details: Option<KeyId>,
    /// The tickets of the reads whose answers are awaited.
    pub tickets: Tickets,
    /// Why the session ends, if the user did not end it.
    pub exit_reason: Option<String>,
    /// Whether the rest of the incoming burst is ignored, because it was taken for a paste where
    /// there is no text field, or did not fit into one. The shell clears this when another burst
    /// begins.
    pub ignores_burst: bool,
}

/// A dialog or a step of one, as far as the same key can have another meaning in another layer. The
/// palette is not a layer: what is typed after `:` belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    depth: usize,
    dialog: Option<Discriminant<Modal>>,
    is_second_step: bool,
}

impl Layer {
    /// Whether this layer was opened while `other` was topmost, rather than uncovered by closing
    /// it.
    #[must_use]
    pub fn was_opened_after(&self, other: &Self) -> bool {
        self.depth > other.depth || (self.depth == other.depth && self != other)
    }
}

/// A sentence above the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// Whether the sentence reports a failure.
    pub failed: bool,
}

impl Model {
    /// Creates an empty screen.
    #[must_use]
    pub fn new(
        now: Moment,
        size: (u16, u16),
        theme: Theme,
        workspace: String,
        actor: String,
    ) -> Self {
        let list = List {
            rows: Vec::new(),
            at_start: true,
            at_end: true,
            selected: None,
            top: 0,
            count: Count::default(),
            agent: None,
            filter: Filter::default(),
            sort: Sort::NEWEST,
            typing: None,
            damage: DamageSearch::NotYet,
            marks: BTreeMap::new(),
            list_version: ListVersion::default(),
            awaited: None,
            loaded: false,
        };
        Self {
            now,
            size,
            theme,
            workspace,
            actor,
            role: Role::Owner,
            is_member: false,
            agents: Vec::new(),
            areas: Vec::new(),
            policy: Policy::default(),
            list,
            modals: Vec::new(),
            namesakes: BTreeSet::new(),
            notice: None,
            queued_notices: VecDeque::new(),
            copied: None,
            clipboard: None,
            key_details: None,
            loading_details: None,
            tickets: Tickets::default(),
            exit_reason: None,
            ignores_burst: false,
        }
    }

    /// The topmost dialog, or the step of it, that has the focus; the palette is ignored.
    #[must_use]
    pub fn layer(&self) -> Layer {
        let is_layer = |modal: &&Modal| Palette::of(modal).is_none();
        let top = self.modals.iter().rev().find(is_layer);
        Layer {
            depth: self.modals.iter().filter(is_layer).count(),
            dialog: top.map(mem::discriminant),
            is_second_step: top.is_some_and(|modal| modal.dialog().is_second_step()),
        }
    }

    /// The place that receives key presses: that of the topmost dialog.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.modals.last() {
            None if self.list.typing.is_some() => Place::Filter,
            None => Place::List,
            Some(modal) => modal.dialog().place(),
        }
    }

    /// Opens a dialog on top of the others.
    pub fn open(&mut self, dialog: impl Into<Modal>) {
        self.modals.push(dialog.into());
    }

    /// The topmost dialog, if it is of this type.
    #[must_use]
    pub fn top<D: InModal>(&self) -> Option<&D> {
        D::of(self.modals.last()?)
    }

    /// The same, for changing it.
    pub fn top_mut<D: InModal>(&mut self) -> Option<&mut D> {
        D::of_mut(self.modals.last_mut()?)
    }

    /// The dialog of this type that was opened last, whatever was opened over it.
    #[must_use]
    pub fn find<D: InModal>(&self) -> Option<&D> {
        self.modals.iter().rev().find_map(D::of)
    }

    /// The same, for changing it.
    pub fn find_mut<D: InModal>(&mut self) -> Option<&mut D> {
        self.modals.iter_mut().rev().find_map(D::of_mut)
    }

    /// Closes the dialogs of this type that fit.
    pub fn close_if<D: InModal>(&mut self, fits: impl Fn(&D) -> bool) {
        self.modals.retain(|modal| !D::of(modal).is_some_and(&fits));
    }

    /// The selected key, if a readable key is selected.
    #[must_use]
    pub fn selected(&self) -> Option<&Key> {
        let id = self.list.selected.as_ref()?;
        self.list.rows.iter().find(|row| row.id() == id)?.key()
    }

    /// The selected row, if its key cannot be read.
    #[must_use]
    pub fn selected_damaged(&self) -> Option<&Damaged> {
        match self.list.rows.get(self.selected_index()?)? {
            ListRow::Damaged(damaged, _) => Some(damaged),
            ListRow::Key(_) => None,
        }
    }

    /// The text that follows a key's name to tell it from others: its id, and its agent if there
    /// are several agents. Empty if there is one agent and no other key has this name or a similar
    /// one.
    #[must_use]
    pub fn tag(&self, id: &KeyId) -> String {
        let several = self.agents.len() > 1;
        if !several && !self.namesakes.contains(id) {
            return String::new();
        }
        let agent = self.known_key(id).filter(|_| several);
        match agent {
            Some(key) => format!(" ({id}, {})", key.agent),
            None => format!(" ({id})"),
        }
    }

    /// A key's name, followed by its tag.
    #[must_use]
    pub fn label(&self, id: &KeyId, name: &str) -> String {
        let label = format!("{}{}", self.theme.shown(name), self.tag(id));
        label.trim().to_owned()
    }

    /// A key that is in an open confirmation, marked, or listed.
    #[must_use]
    pub fn known_key(&self, id: &KeyId) -> Option<&Key> {
        let mut asked = self.modals.iter().filter_map(Confirmation::of);
        let asked = asked.find_map(|asked| asked.keys.iter().find(|key| key.id == *id));
        let listed = || self.list.rows.iter().find(|row| row.id() == id)?.key();
        asked.or_else(|| self.list.marks.get(id)).or_else(listed)
    }

    /// The index of the selected key among the loaded rows.
    #[must_use]
    pub fn selected_index(&self) -> Option<usize> {
        let id = self.list.selected.as_ref()?;
        self.list.rows.iter().position(|row| row.id() == id)
    }

    /// The keys that revoke and disable act on: the marked keys, newest first, or else the selected
    /// key.
    #[must_use]
    pub fn targets(&self) -> Vec<Key> {
        if self.list.marks.is_empty() {
            return self.selected().cloned().into_iter().collect();
        }
        let mut keys: Vec<Key> = self.list.marks.values().cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.sequence));
        keys
    }

    /// The number of marked keys that the filter hides.
    #[must_use]
    pub fn hidden_marks(&self) -> usize {
        let shown = |key: &&Key| !self.list.filter.matches(key, self.now);
        self.list.marks.values().filter(shown).count()
    }

    /// Returns the read that the dialogs or the details in view need now, if any.
    #[must_use]
    pub fn next_read(&mut self) -> Option<Effect> {
        let read = self.wanted_read()?;
        Some(self.tickets.ask(read))
    }

    fn wanted_read(&mut self) -> Option<Read> {
        let agents = AgentScope::of(self.list.agent.as_ref());
        let modals = self.modals.iter_mut().rev().enumerate();
        let reads = modals.filter_map(|(at, modal)| modal.dialog_mut().to_read(&agents, at == 0));
        if let Some(read) = { reads }.next() {
            return Some(read);
        }
        if self.list.filter.attention && self.list.damage == DamageSearch::NotYet {
            self.list.damage = DamageSearch::Begun;
            return Some(Read::Damage);
        }
        let shows_use = self.modals.iter().any(|modal| modal.dialog().shows_use());
        let in_view = self.size.0 >= PANE_WIDTH || shows_use;
        let asked = self.top_mut::<Confirmation>();
        let id = match (
            asked.and_then(Confirmation::to_look_up),
            &self.list.selected,
        ) {
            (Some(id), _) => id,
            (None, Some(id)) if in_view && self.loading_details.as_ref() != Some(id) => id.clone(),
            _ => return None,
        };
        self.loading_details = Some(id.clone());
        Some(Read::KeyDetails(id))
    }

    /// The key's activity, if it was read.
    #[must_use]
    pub fn activity(&self, id: &KeyId) -> Option<&Activity> {
        let (known, activity) = self.key_details.as_ref()?;
        (known == id).then_some(activity)
    }

    /// Whether something counts down, so that the shell must send a message every second.
    #[must_use]
    pub fn counts_down(&self) -> bool {
        let mut modals = self.modals.iter();
        self.clipboard.is_some() || modals.any(|modal| modal.dialog().counts_down())
    }

    /// The number of rows that fit into the list.
    #[must_use]
    pub fn visible_rows(&self) -> usize {
        usize::from(self.size.1)
            .saturating_sub(4 + usize::from(self.filter_line()))
            .max(1)
    }

    /// The number of events that fit into the audit log: each takes one line, or two on a narrow
    /// screen.
    #[must_use]
    pub fn audit_rows(&self) -> usize {
        let lines = usize::from(self.size.1).saturating_sub(6);
        let each = if self.size.0 < TWO_LINE_WIDTH { 2 } else { 1 };
        (lines / each).max(1)
    }

    /// Whether the filter line is shown.
    #[must_use]
    pub fn filter_line(&self) -> bool {
        self.list.typing.is_some() || self.list.filter != Filter::default()
    }

    /// Shows a message above the footer. An error that was not dismissed yet is shown again
    /// afterwards.
    pub fn notify(&mut self, text: impl Into<String>) {
        let said = Notice {
            text: text.into(),
            failed: false,
        };
        if let Some(before) = self.notice.replace(said).filter(|before| before.failed) {
            self.say_later(before.text);
        }
    }

    /// Shows an error, after earlier errors that were not dismissed yet.
    pub fn report_error(&mut self, text: impl Into<String>) {
        let text = text.into();
        match &self.notice {
            Some(notice) if notice.failed && notice.text == text => {}
            Some(notice) if notice.failed => self.say_later(text),
            _ => self.notice = Some(Notice { text, failed: true }),
        }
    }

    fn say_later(&mut self, text: String) {
        if self.queued_notices.len() < MAX_QUEUED_NOTICES && !self.queued_notices.contains(&text) {
            self.queued_notices.push_back(text);
        }
    }

    /// Dismisses the message and shows the next waiting error.
    pub fn dismiss_notice(&mut self) {
        let next = self.queued_notices.pop_front();
        self.notice = next.map(|text| Notice { text, failed: true });
    }

    /// Returns the effect that reads a page; its answer replaces any that is still awaited.
    #[must_use]
    pub fn load(&mut self, direction: Direction, placement: Placement) -> Effect {
        self.list.awaited = Some(placement);
        let limit = (self.visible_rows() * 2).max(MIN_PAGE_ROWS);
        let limit = match placement {
            Placement::Refresh => limit.max(self.list.rows.len().min(MAX_LOADED_ROWS)),
            _ => limit,
        };
        let load = Load {
            request: PageRequest {
                scope: AgentScope::of(self.list.agent.as_ref()),
                filter: self.list.filter.clone(),
                sort: self.list.sort,
                direction,
                limit: u32::try_from(limit).unwrap_or(u32::MAX),
                now: self.now,
                damaged: Vec::new(),
            },
            watch: self.watched(),
        };
        self.tickets.ask(Read::List(load))
    }

    /// Returns the effect that reads the current rows again.
    #[must_use]
    pub fn refresh(&mut self) -> Effect {
        let direction = match self.list.rows.first() {
            Some(first) if !self.list.at_start => Direction::From(first.cursor().clone()),
            _ => Direction::First,
        };
        self.load(direction, Placement::Refresh)
    }

    /// Returns the effect that reads the page that begins with a key, at its place in the order.
    #[must_use]
    pub fn follow(&mut self, key: &Key) -> Effect {
        let cursor = Cursor::of(key, self.list.sort.field, self.now);
        self.load(Direction::From(cursor), Placement::Follow)
    }

    /// The keys whose current state is needed beside the rows: the selected one, the marked ones,
    /// and those of an open confirmation.
    fn watched(&self) -> Vec<KeyId> {
        let mut ids: Vec<KeyId> = self.list.selected.iter().cloned().collect();
        ids.extend(self.list.marks.keys().cloned());
        for asked in self.modals.iter().filter_map(Confirmation::of) {
            ids.extend(asked.keys.iter().map(|key| key.id.clone()));
        }
        ids.sort();
        ids.dedup();
        ids
    }
}
