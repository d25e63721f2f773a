//! The table of key bindings, used for dispatch, the footer, the help and the key table of
//! docs/keys.md.
//!
//! Keys are bound only here. Letters are bound only in places without a text field, so that every
//! printable key can be typed into a text field. To bind a key, add an [`Intent`], a line in
//! [`BINDINGS`] and an arm in `update`.
mod chord;
mod place;

use crossterm::event::KeyCode;

pub use chord::Chord;
use chord::{DOWN, ENTER, ESC, LEFT, RIGHT, SHIFT_TAB, TAB, UP, control, named, plain};
pub use place::Place;

use crate::domain::{audit::Change, member::Permission};

/// An action that a user can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each one does")]
pub enum Intent {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Filter,
    OnlyAttention,
    SortNext,
    SortReverse,
    Mark,
    Open,
    New,
    NewLike,
    Edit,
    Copy,
    CopyAs,
    Reveal,
    Switch,
    Rotate,
    Revoke,
    Explain,
    Fix,
    Unmatched,
    Hygiene,
    Approvals,
    Usage,
    Apply,
    Audit,
    OnlySubject,
    OnlyActor,
    Export,
    Members,
    Agents,
    Next,
    Previous,
    Accept,
    Toggle,
    GrantNone,
    GrantRead,
    GrantWrite,
    GrantAll,
    Save,
    Help,
    Palette,
    Close,
    Quit,
    Interrupt,
    Redraw,
    Suspend,
    Overwrite,
}

impl Intent {
    /// The permission that the intent requires in this place, or `None` if everyone may do it.
    #[must_use]
    pub const fn permission(self, place: Place) -> Option<Permission> {
        let change = match (self, place) {
            (Self::New, Place::Members) => Change::MemberAdded,
            (Self::Edit, Place::Members) => Change::MemberEdited,
            (Self::Revoke, Place::Members) => Change::MemberRemoved,
            (Self::Revoke, Place::Approvals) => return None,
            (Self::Accept, Place::Approvals) => Change::Approved,
            (Self::New | Self::NewLike, _) => Change::Created,
            (Self::Edit | Self::Fix | Self::Apply, _) => Change::Edited,
            (Self::Switch, _) => Change::Disabled,
            (Self::Rotate, _) => Change::Rotated,
            (Self::Revoke, _) => Change::Revoked,
            (Self::Copy | Self::CopyAs, _) => Change::Copied,
            (Self::Reveal, _) => Change::Revealed,
            (Self::Explain, _) => return Some(Permission::Explain),
            _ => return None,
        };
        Some(change.permission())
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Binding {
    /// The places in which the binding applies. Empty means everywhere.
    pub places: &'static [Place],
    /// The chords; the first one is shown in the footer.
    pub chords: &'static [Chord],
    /// The intent that the chords trigger.
    pub intent: Intent,
    /// The word in the footer, or `None` if the binding is not shown there.
    pub footer: Option<&'static str>,
    /// The words in the help, which are also the name in the palette.
    pub help: &'static str,
}

const fn bind(
    places: &'static [Place],
    chords: &'static [Chord],
    intent: Intent,
    footer: Option<&'static str>,
    help: &'static str,
) -> Binding {
    Binding {
        places,
        chords,
        intent,
        footer,
        help,
    }
}

const LIST: &[Place] = &[Place::List];
const KEY: &[Place] = &[Place::List, Place::Details];
const FIELDS: &[Place] = &[Place::Field];
const CONFIRMATIONS: &[Place] = &[Place::Confirmation];
const CONFIRMATION_AND_FIELDS: &[Place] = &[Place::Confirmation, Place::ConfirmationField];
const CONFIRMATION_FIELDS: &[Place] = &[Place::ConfirmationField];
const MATRIX: &[Place] = &[Place::Matrix];
const REVIEW: &[Place] = &[Place::Matrix, Place::Buttons];
const BUTTONS: &[Place] = &[Place::Buttons];
const TOKEN: &[Place] = &[Place::NewToken];
const ACCESS: &[Place] = &[Place::Access];
const HYGIENE: &[Place] = &[Place::Hygiene];
const EXPLAIN_REQUEST: &[Place] = &[Place::AccessField, Place::AccessChoice];
const APPROVALS: &[Place] = &[Place::Approvals];
const USAGE: &[Place] = &[Place::Usage];
const EVENTS: &[Place] = &[Place::Audit];
const EVENT: &[Place] = &[Place::AuditEvent];
const ANY_EVENT: &[Place] = &[Place::Audit, Place::AuditEvent];
const EXPORT: &[Place] = &[Place::Export];
const MEMBERS: &[Place] = &[Place::Members];
const MEMBER_FORM: &[Place] = &[Place::MemberField, Place::MemberChoice];
const AGENTS: &[Place] = &[Place::Agents];
const CHOICES: &[Place] = &[Place::CopyAs];
const SCROLLED: &[Place] = &[Place::Help];
const PAGED: &[Place] = &[Place::Help, Place::Details];
const PALETTE: &[Place] = &[Place::Palette];

/// The table. If two bindings that apply in a place have the same chord, the first one wins.
#[rustfmt::skip]
pub static BINDINGS: &[Binding] = &[
    // The list, with a key selected: the most useful bindings come first, for the footer.
    bind(KEY, &[plain('c'), plain('y')], Intent::Copy, Some("copy"), "Copy API Key"),
    bind(KEY, &[plain('e')], Intent::Edit, Some("edit"), "edit"),
    bind(KEY, &[plain('t')], Intent::Explain, Some("test"), "test access"),
    bind(KEY, &[plain('x'), named(KeyCode::Delete)], Intent::Revoke, Some("revoke"), "revoke"),
    bind(LIST, &[plain('n')], Intent::New, Some("new"), "new key"),
    bind(LIST, &[plain('/')], Intent::Filter, Some("filter"), "filter by name, description or id"),
    bind(LIST, &[plain('!')], Intent::OnlyAttention, Some("attention"), "only what needs attention"),
    bind(KEY, &[plain('d')], Intent::Switch, Some("disable"), "disable or enable"),
    bind(KEY, &[plain('R')], Intent::Rotate, None, "rotate: a new token, the old one for a while"),
    bind(LIST, &[ENTER], Intent::Open, None, "details"),
    bind(KEY, &[plain('N')], Intent::NewLike, None, "new like this"),
    bind(KEY, &[plain('C')], Intent::CopyAs, None, "copy as…"),
    bind(KEY, &[plain('v')], Intent::Reveal, None, "reveal"),
    bind(LIST, &[plain(' ')], Intent::Mark, None, "mark"),
    bind(LIST, &[plain('s')], Intent::SortNext, None, "next sort column"),
    bind(LIST, &[plain('S')], Intent::SortReverse, None, "reverse the order"),
    bind(KEY, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(KEY, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(LIST, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    bind(LIST, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(LIST, &[plain('g'), named(KeyCode::Home)], Intent::First, None, "to the first"),
    bind(LIST, &[plain('G'), named(KeyCode::End)], Intent::Last, None, "to the last"),
    bind(LIST, &[plain('H')], Intent::Hygiene, None, "hygiene: unused, endless and overly powerful keys"),
    bind(KEY, &[plain('W')], Intent::Approvals, None, "waiting for approval: new keys, and what widens"),
    bind(LIST, &[plain('u')], Intent::Unmatched, None, "unknown tokens: refusals that match no key"),
    bind(LIST, &[plain('a')], Intent::Audit, None, "audit log: who did what, and when"),
    bind(KEY, &[plain('U')], Intent::Usage, None, "usage: requests by day, key, area, action, address, verdict"),
    bind(LIST, &[plain('m')], Intent::Members, None, "members: who may come in, and how far"),
    bind(LIST, &[plain('A')], Intent::Agents, None, "agents: whose keys are shown"),
    // The filter.
    bind(&[Place::Filter], &[ENTER], Intent::Accept, Some("keep"), "keep the filter"),
    bind(&[Place::Filter], &[ESC], Intent::Close, Some("drop"), "drop the filter"),
    bind(&[Place::Filter], &[UP], Intent::Up, None, "one up"),
    bind(&[Place::Filter], &[DOWN], Intent::Down, None, "one down"),
    // The wizard.
    bind(FIELDS, &[TAB, DOWN], Intent::Next, Some("field"), "next"),
    bind(FIELDS, &[SHIFT_TAB, UP], Intent::Previous, None, "previous"),
    bind(FIELDS, &[ENTER], Intent::Accept, Some("Next"), "Next: to step 2"),
    bind(MATRIX, &[plain(' ')], Intent::Toggle, Some("toggle"), "toggle"),
    bind(MATRIX, &[ENTER], Intent::Accept, Some("save"), "Give Access, or Save changes"),
    bind(MATRIX, &[plain('0')], Intent::GrantNone, None, "none, for the row"),
    bind(MATRIX, &[plain('1')], Intent::GrantRead, None, "read, for the row"),
    bind(MATRIX, &[plain('2')], Intent::GrantWrite, None, "read and write (read, create, update), for the row"),
    bind(MATRIX, &[plain('3')], Intent::GrantAll, None, "all, for the row"),
    bind(MATRIX, &[UP, plain('k')], Intent::Up, None, "area above"),
    bind(MATRIX, &[DOWN, plain('j')], Intent::Down, None, "area below"),
    bind(MATRIX, &[LEFT, plain('h')], Intent::Left, None, "action to the left"),
    bind(MATRIX, &[RIGHT, plain('l')], Intent::Right, None, "action to the right"),
    bind(REVIEW, &[named(KeyCode::PageUp)], Intent::PageUp, None, "what it says below, up"),
    bind(REVIEW, &[named(KeyCode::PageDown)], Intent::PageDown, None, "what it says below, down"),
    bind(MATRIX, &[TAB], Intent::Next, Some("Back"), "to Back and Give Access"),
    bind(MATRIX, &[SHIFT_TAB], Intent::Previous, None, "the other way round"),
    bind(BUTTONS, &[TAB, RIGHT, DOWN], Intent::Next, Some("next"), "next"),
    bind(BUTTONS, &[SHIFT_TAB, LEFT, UP], Intent::Previous, None, "previous"),
    bind(BUTTONS, &[ENTER], Intent::Accept, Some("press"), "press the button"),
    // Confirmations.
    bind(CONFIRMATIONS, &[ENTER], Intent::Accept, Some("press"), "do what is focused"),
    bind(CONFIRMATIONS, &[TAB, DOWN], Intent::Next, Some("next"), "next"),
    bind(CONFIRMATIONS, &[SHIFT_TAB, UP], Intent::Previous, None, "previous"),
    bind(CONFIRMATIONS, &[LEFT], Intent::Left, None, "the choice before, or the button to the left"),
    bind(CONFIRMATIONS, &[RIGHT], Intent::Right, None, "the next choice, or the button to the right"),
    bind(CONFIRMATION_AND_FIELDS, &[named(KeyCode::PageUp)], Intent::PageUp, None, "what it says, up"),
    bind(CONFIRMATION_AND_FIELDS, &[named(KeyCode::PageDown)], Intent::PageDown, None, "what it says, down"),
    bind(CONFIRMATION_FIELDS, &[ENTER], Intent::Accept, Some("revoke"), "revoke, if what is asked for is typed"),
    bind(CONFIRMATION_FIELDS, &[TAB, DOWN], Intent::Next, Some("reason"), "next"),
    bind(CONFIRMATION_FIELDS, &[SHIFT_TAB, UP], Intent::Previous, None, "previous"),
    // The test of access.
    bind(ACCESS, &[plain('f')], Intent::Fix, Some("fix this check"), "fix: the edit with the mending change filled in"),
    bind(ACCESS, &[TAB], Intent::Next, Some("edit the request"), "edit the request"),
    bind(ACCESS, &[ENTER], Intent::Accept, Some("explain"), "explain the refusal, or fix the check"),
    bind(ACCESS, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(ACCESS, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(EXPLAIN_REQUEST, &[ENTER], Intent::Accept, Some("decide"), "decide on this request"),
    bind(EXPLAIN_REQUEST, &[TAB, DOWN], Intent::Next, Some("next"), "next"),
    bind(EXPLAIN_REQUEST, &[SHIFT_TAB, UP], Intent::Previous, None, "previous"),
    bind(&[Place::AccessChoice], &[LEFT, plain('h')], Intent::Left, None, "the choice before"),
    bind(&[Place::AccessChoice], &[RIGHT, plain('l')], Intent::Right, Some("another"), "the next choice"),
    // Hygiene.
    bind(HYGIENE, &[plain(' ')], Intent::Mark, Some("mark"), "mark the proposal, or unmark it"),
    bind(HYGIENE, &[ENTER], Intent::Apply, Some("review and apply"), "review what is marked, or the focused one, and apply it"),
    bind(HYGIENE, &[plain('t')], Intent::Explain, Some("test"), "test access of the key"),
    bind(HYGIENE, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(HYGIENE, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(HYGIENE, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(HYGIENE, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    // The requests for approval.
    bind(APPROVALS, &[TAB, SHIFT_TAB, LEFT, RIGHT], Intent::Next, Some("other button"), "in the question: to the other button"),
    bind(APPROVALS, &[ENTER], Intent::Accept, Some("approve"), "approve, after a question"),
    bind(APPROVALS, &[plain('x'), named(KeyCode::Delete)], Intent::Revoke, Some("reject"), "reject it, or take back your own, after a question"),
    bind(APPROVALS, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(APPROVALS, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(APPROVALS, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(APPROVALS, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    // Usage.
    bind(USAGE, &[TAB, RIGHT], Intent::Next, Some("next grouping"), "by the next: day, key, area, action, address, verdict"),
    bind(USAGE, &[SHIFT_TAB, LEFT], Intent::Previous, None, "by the one before"),
    bind(USAGE, &[plain('s')], Intent::SortNext, Some("days"), "over 1, 7, 30 or 90 days"),
    bind(USAGE, &[ENTER], Intent::Open, Some("this key"), "the usage of this key"),
    bind(USAGE, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(USAGE, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(USAGE, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(USAGE, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    // The audit log.
    bind(EVENTS, &[ENTER], Intent::Open, Some("details"), "details of the event"),
    bind(ANY_EVENT, &[plain('/')], Intent::Filter, Some("filter"), "filter by actor, key, action and time"),
    bind(ANY_EVENT, &[plain('o')], Intent::OnlySubject, Some("only about this"), "only about this key, member or area"),
    bind(ANY_EVENT, &[plain('p')], Intent::OnlyActor, Some("only by them"), "only by this person"),
    bind(ANY_EVENT, &[plain('w')], Intent::Export, Some("write to a file"), "write what is shown to a file, as JSON lines or CSV"),
    bind(EVENT, &[DOWN, plain('j')], Intent::Down, Some("the one before"), "the event before it"),
    bind(EVENT, &[UP, plain('k')], Intent::Up, Some("the one after"), "the event after it"),
    bind(EVENTS, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(EVENTS, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(ANY_EVENT, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(ANY_EVENT, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    bind(EVENTS, &[plain('g'), named(KeyCode::Home)], Intent::First, None, "to the newest"),
    bind(EVENTS, &[plain('G'), named(KeyCode::End)], Intent::Last, None, "to the oldest"),
    bind(&[Place::AuditFilter], &[ENTER], Intent::Accept, Some("filter"), "filter by what was typed"),
    bind(EXPORT, &[ENTER], Intent::Accept, Some("write"), "write it in this form"),
    bind(EXPORT, &[DOWN, plain('j'), TAB], Intent::Down, Some("the other"), "the other form"),
    bind(EXPORT, &[UP, plain('k'), SHIFT_TAB], Intent::Up, None, "the other form"),
    // Members.
    bind(MEMBERS, &[plain('n')], Intent::New, Some("add"), "add a member"),
    bind(MEMBERS, &[plain('e'), ENTER], Intent::Edit, Some("change"), "change name, role, agents, or add a key"),
    bind(MEMBERS, &[plain('x'), named(KeyCode::Delete)], Intent::Revoke, Some("remove"), "remove the member"),
    bind(MEMBERS, &[DOWN, plain('j')], Intent::Down, None, "one down"),
    bind(MEMBERS, &[UP, plain('k')], Intent::Up, None, "one up"),
    bind(MEMBERS, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    bind(MEMBERS, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    bind(MEMBER_FORM, &[ENTER], Intent::Accept, Some("save"), "save, or press the button"),
    bind(MEMBER_FORM, &[TAB, DOWN], Intent::Next, Some("next"), "next"),
    bind(MEMBER_FORM, &[SHIFT_TAB, UP], Intent::Previous, None, "previous"),
    bind(&[Place::MemberChoice], &[LEFT, plain('h')], Intent::Left, None, "the choice before"),
    bind(&[Place::MemberChoice], &[RIGHT, plain('l')], Intent::Right, Some("another"), "the next choice"),
    // The choice of an agent.
    bind(AGENTS, &[ENTER], Intent::Accept, Some("choose"), "choose this one"),
    bind(AGENTS, &[DOWN, plain('j'), TAB], Intent::Down, Some("next"), "next"),
    bind(AGENTS, &[UP, plain('k'), SHIFT_TAB], Intent::Up, None, "previous"),
    // The new token.
    bind(TOKEN, &[ENTER], Intent::Accept, Some("press"), "press the button; it starts on Copy"),
    bind(TOKEN, &[plain('c'), plain('y')], Intent::Copy, Some("copy"), "copy"),
    bind(TOKEN, &[plain('C')], Intent::CopyAs, Some("copy as"), "copy as…"),
    bind(TOKEN, &[plain('v')], Intent::Reveal, Some("reveal"), "reveal"),
    bind(TOKEN, &[plain('t')], Intent::Explain, Some("test"), "test it now"),
    bind(TOKEN, &[TAB, RIGHT], Intent::Next, None, "next button"),
    bind(TOKEN, &[SHIFT_TAB, LEFT], Intent::Previous, None, "button before"),
    // Choosing a form.
    bind(CHOICES, &[ENTER], Intent::Accept, Some("copy"), "copy in this form"),
    bind(CHOICES, &[DOWN, plain('j'), TAB], Intent::Down, Some("next"), "next form"),
    bind(CHOICES, &[UP, plain('k'), SHIFT_TAB], Intent::Up, None, "form before"),
    // A shown token.
    bind(&[Place::Revealed], &[plain('s')], Intent::Save, Some("save to a file"), "save it to a file that only you can read"),
    bind(&[Place::Revealed], &[plain('c'), plain('y')], Intent::Copy, Some("copy"), "copy"),
    // The help.
    bind(SCROLLED, &[UP, plain('k')], Intent::Up, Some("scroll"), "scroll up"),
    bind(SCROLLED, &[DOWN, plain('j')], Intent::Down, None, "scroll down"),
    bind(PAGED, &[named(KeyCode::PageUp)], Intent::PageUp, None, "a page up"),
    bind(PAGED, &[named(KeyCode::PageDown)], Intent::PageDown, None, "a page down"),
    // The palette.
    bind(PALETTE, &[ENTER], Intent::Accept, Some("do it"), "do what is selected"),
    bind(PALETTE, &[UP, SHIFT_TAB], Intent::Up, None, "one up"),
    bind(PALETTE, &[DOWN, TAB], Intent::Down, Some("next"), "one down"),
    // Everywhere. Letters among these do not apply where text is typed.
    bind(&[], &[plain('?')], Intent::Help, Some("help"), "help for this place"),
    bind(&[], &[ESC], Intent::Close, Some("close"), "close one layer, never the program"),
    bind(&[], &[plain(':')], Intent::Palette, None, "palette: every action by name, and a decision by its id"),
    bind(&[], &[plain('q')], Intent::Quit, None, "quit"),
    bind(&[], &[control('c')], Intent::Interrupt, None, "leave the field, then say how to quit"),
    bind(&[], &[control('l')], Intent::Redraw, None, "redraw"),
    bind(&[], &[control('z')], Intent::Suspend, None, "suspend"),
    bind(&[], &[plain('z')], Intent::Overwrite, None, "overwrite the terminal's clipboard"),
];

impl Binding {
    /// Whether the binding applies in a place.
    #[must_use]
    pub fn holds_in(&self, place: Place) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }

    /// The chords that work in a place: letters do not work where text is typed.
    pub fn chords_in(&self, place: Place) -> impl Iterator<Item = Chord> {
        let text = place.takes_text();
        self.chords
            .iter()
            .copied()
            .filter(move |chord| !text || !chord.is_text())
    }
}

/// The bindings that apply in a place and have a chord that works there. Those of the place come
/// before those that apply everywhere.
pub fn bindings_in(place: Place) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |b| b.holds_in(place) && b.chords_in(place).next().is_some())
}

/// The intent of a chord in a place.
#[must_use]
pub fn intent_of(place: Place, chord: Chord) -> Option<Intent> {
    bindings_in(place)
        .find(|b| b.chords_in(place).any(|c| c == chord))
        .map(|b| b.intent)
}

/// The key table of docs/keys.md, generated from the bindings.
#[must_use]
pub fn markdown() -> String {
    let mut lines = vec![
        "| where | key | what it does |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    let mut row = |place: &str, chords: Vec<Chord>, help: &str| {
        let keys: Vec<String> = chords
            .iter()
            .map(|c| format!("`{}`", c.written()))
            .collect();
        lines.push(format!("| {place} | {} | {help} |", keys.join(" ")));
    };
    for binding in BINDINGS.iter().filter(|b| b.places.is_empty()) {
        row("everywhere", binding.chords.to_vec(), binding.help);
    }
    for place in Place::ALL {
        for binding in BINDINGS.iter().filter(|b| b.places.contains(&place)) {
            row(
                place.title(),
                binding.chords_in(place).collect(),
                binding.help,
            );
        }
    }
    lines.join("\n") + "\n"
}

/// Returns the item after or before `here`, wrapping around at the ends. If `here` is not in
/// `order`, the position of the first item is used. `order` must not be empty.
pub fn neighbour<T: Copy + PartialEq>(order: &[T], here: T, forward: bool) -> T {
    let at = order.iter().position(|one| *one == here).unwrap_or(0);
    let step = if forward { 1 } else { order.len() - 1 };
    order[(at + step) % order.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_press_means_two_things_in_one_place() {
        for place in Place::ALL {
            let mut seen: Vec<(Chord, Intent)> = Vec::new();
            for binding in BINDINGS.iter().filter(|b| b.places.contains(&place)) {
                for chord in binding.chords_in(place) {
                    let twin = seen.iter().find(|(known, _)| *known == chord);
                    assert!(
                        twin.is_none(),
                        "{place:?}: {} is bound twice",
                        chord.written()
                    );
                    seen.push((chord, binding.intent));
                }
            }
        }
    }

    #[test]
    fn letters_are_text_where_text_is_typed() {
        for place in Place::ALL.into_iter().filter(|place| place.takes_text()) {
            for c in "qz?:!/ ncyexduHNCvsSkjgG0123".chars() {
                assert_eq!(intent_of(place, plain(c)), None, "{place:?} {c}");
            }
            assert_eq!(intent_of(place, control('c')), Some(Intent::Interrupt));
        }
    }

    #[test]
    fn only_keys_that_every_terminal_sends_are_needed() {
        for binding in BINDINGS {
            let simple = binding.chords.iter().any(|chord| {
                matches!(
                    chord.code,
                    KeyCode::Char(_)
                        | KeyCode::Up
                        | KeyCode::Down
                        | KeyCode::Left
                        | KeyCode::Right
                        | KeyCode::Tab
                        | KeyCode::Enter
                        | KeyCode::Esc
                )
            });
            let paging = matches!(
                binding.intent,
                Intent::PageUp | Intent::PageDown | Intent::Previous
            );
            assert!(simple || paging, "{}", binding.help);
        }
    }
}
