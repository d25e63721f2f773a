//! Bytes to keys: the escape sequences of terminals, as crossterm's [`Event`].
//!
//! Pure: no terminal, no clock. What is not understood is swallowed whole, never taken for
//! letters: a stray answer of the terminal must not press `x`. A new key is a line in
//! `letter` or `number`.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";
/// More than any field holds; the rest of a larger paste is dropped.
const PASTE_LIMIT: usize = 1 << 20;
/// No sequence that a key sends is nearly as long.
const SEQUENCE_LIMIT: usize = 256;
/// How long the rest of a sequence may take over a slow line before ESC is the key Esc.
const PATIENCE: Duration = Duration::from_millis(50);

/// What has come in and is no whole key yet.
#[derive(Default)]
pub struct Keys {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
}

/// What the bytes begin with, and how many of them it takes.
#[derive(Clone, Copy)]
enum Step {
    Key(usize, KeyEvent),
    Nothing(usize),
    Paste(usize),
    /// It depends on what comes next.
    Partial,
}

impl Keys {
    /// How long to wait for more before [`settle`](Self::settle).
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        (!self.pending.is_empty() && self.paste.is_none()).then_some(PATIENCE)
    }

    /// The keys that these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.pending.extend_from_slice(bytes);
        self.take(step)
    }

    /// Nothing more has come: ESC is the key, and half a sequence is none.
    pub fn settle(&mut self) -> Vec<Event> {
        self.take(|bytes| match step(bytes) {
            Step::Partial => settled(bytes),
            step => step,
        })
    }

    fn take(&mut self, step: impl Fn(&[u8]) -> Step) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            if self.paste.is_some() {
                match self.pasted() {
                    Some(text) => events.push(Event::Paste(text)),
                    None => return events,
                }
            }
            if self.pending.is_empty() {
                return events;
            }
            let used = match step(&self.pending) {
                Step::Partial => return events,
                Step::Nothing(used) => used,
                Step::Key(used, key) => {
                    events.push(Event::Key(key));
                    used
                }
                Step::Paste(used) => {
                    self.paste = Some(Vec::new());
                    used
                }
            };
            self.pending.drain(..used);
        }
    }

    /// The whole paste, once its end is there. Until then all but the last bytes move over,
    /// which may be the beginning of the end.
    fn pasted(&mut self) -> Option<String> {
        let end = self
            .pending
            .windows(PASTE_END.len())
            .position(|bytes| bytes == PASTE_END);
        let text = end.unwrap_or(self.pending.len().saturating_sub(PASTE_END.len() - 1));
        let paste = self.paste.as_mut()?;
        let room = PASTE_LIMIT - paste.len();
        paste.extend(self.pending.drain(..text).take(room));
        end?;
        self.pending.drain(..PASTE_END.len());
        let paste = self.paste.take()?;
        Some(String::from_utf8_lossy(&paste).into_owned())
    }
}

fn step(bytes: &[u8]) -> Step {
    match bytes {
        [] | [ESC] | [ESC, ESC | b'O'] => Step::Partial,
        [ESC, b'[', ..] => control_sequence(bytes),
        [ESC, b'O', last, ..] => found(3, letter(*last, KeyModifiers::NONE)),
        [ESC, b']' | b'P' | b'X' | b'^' | b'_', ..] => answer(bytes),
        // Alt and an arrow, in terminals of the older kind; otherwise Esc was pressed twice.
        [ESC, ESC, b'[' | b'O', ..] => with_alt(step(&bytes[1..])),
        [ESC, ESC, ..] => Step::Key(1, KeyCode::Esc.into()),
        [ESC, ..] => with_alt(typed(&bytes[1..])),
        _ => typed(bytes),
    }
}

/// What half a sequence means when the other half does not come.
fn settled(bytes: &[u8]) -> Step {
    match bytes {
        [ESC] | [ESC, ESC] => Step::Key(1, KeyCode::Esc.into()),
        [ESC, _] => with_alt(typed(&bytes[1..])),
        _ => Step::Nothing(bytes.len()),
    }
}

fn found(used: usize, key: Option<KeyEvent>) -> Step {
    key.map_or(Step::Nothing(used), |key| Step::Key(used, key))
}

fn with_alt(step: Step) -> Step {
    match step {
        Step::Key(used, mut key) => {
            key.modifiers |= KeyModifiers::ALT;
            Step::Key(used + 1, key)
        }
        Step::Nothing(used) => Step::Nothing(used + 1),
        Step::Paste(used) => Step::Paste(used + 1),
        Step::Partial => Step::Partial,
    }
}

/// `ESC [ parameters final`.
fn control_sequence(bytes: &[u8]) -> Step {
    let body = &bytes[2..];
    // The Linux console's F1 to F5 break the grammar: `ESC [ [ A`.
    if let [b'[', rest @ ..] = body {
        return rest.first().map_or(Step::Partial, |last| {
            let key = (b'A'..=b'E').contains(last).then(|| last - b'A' + 1);
            found(4, key.map(|key| KeyCode::F(key).into()))
        });
    }
    let Some(end) = body.iter().position(|byte| !(0x20..0x40).contains(byte)) else {
        return partial(bytes);
    };
    let (parameters, used) = (&body[..end], end + 3);
    match body[end] {
        // Cut off by something else, which is looked at anew.
        ..0x40 | 0x7f.. => Step::Nothing(used - 1),
        b'~' if parameters == b"200" => Step::Paste(used),
        // The oldest way to report a mouse: three bytes more, of any kind.
        b'M' if end == 0 && bytes.len() < used + 3 => Step::Partial,
        b'M' if end == 0 => Step::Nothing(used + 3),
        last => found(used, parameterised(parameters, last)),
    }
}

/// `ESC [ number ; modifiers final`, either part optional.
fn parameterised(parameters: &[u8], last: u8) -> Option<KeyEvent> {
    let mut numbers = std::str::from_utf8(parameters).ok()?.split(';');
    let first = numbers.next().unwrap_or_default();
    let modifiers = match numbers.next() {
        None => KeyModifiers::NONE,
        Some(mask) => modifiers(mask.parse().ok()?),
    };
    match last {
        b'~' => number(first.parse().ok()?, modifiers),
        _ if matches!(first, "" | "1") => letter(last, modifiers),
        _ => None,
    }
}

fn modifiers(mask: u8) -> KeyModifiers {
    let pressed = mask.saturating_sub(1);
    [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
    ]
    .into_iter()
    .filter(|(bit, _)| pressed & bit != 0)
    .map(|(_, modifier)| modifier)
    .collect()
}

/// The keys that a final letter names, after `ESC [` and `ESC O` alike.
fn letter(last: u8, modifiers: KeyModifiers) -> Option<KeyEvent> {
    let code = match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        b'Z' => return Some(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

/// The keys that a number names: `ESC [ 3 ~` is Delete.
fn number(number: u8, modifiers: KeyModifiers) -> Option<KeyEvent> {
    let code = match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23 | 24 => KeyCode::F(number - 12),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

/// Something that a terminal answers (`ESC ] … BEL`, `ESC P … ESC \`), perhaps to a program
/// that ran before us.
fn answer(bytes: &[u8]) -> Step {
    let body = &bytes[2..];
    let bell = body.iter().position(|byte| *byte == 0x07).map(|at| at + 3);
    let string = body.windows(2).position(|pair| pair == b"\x1b\\");
    match (bell, string.map(|at| at + 4)) {
        (Some(bell), Some(string)) => Step::Nothing(bell.min(string)),
        (Some(used), None) | (None, Some(used)) => Step::Nothing(used),
        (None, None) => partial(bytes),
    }
}

fn partial(bytes: &[u8]) -> Step {
    if bytes.len() < SEQUENCE_LIMIT {
        Step::Partial
    } else {
        Step::Nothing(bytes.len())
    }
}

/// A key that is no escape sequence.
fn typed(bytes: &[u8]) -> Step {
    let control = |letter: u8| KeyEvent::new(KeyCode::Char(letter.into()), KeyModifiers::CONTROL);
    let key = match bytes[0] {
        b'\r' => KeyCode::Enter.into(),
        b'\t' => KeyCode::Tab.into(),
        0x7f => KeyCode::Backspace.into(),
        0x00 => control(b' '),
        byte @ 0x01..=0x1a => control(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => control(byte - 0x1c + b'4'),
        _ => return character(bytes),
    };
    Step::Key(1, key)
}

fn character(bytes: &[u8]) -> Step {
    let length = match bytes[0] {
        ..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Step::Nothing(1),
    };
    let Some(bytes) = bytes.get(..length) else {
        return Step::Partial;
    };
    let text = std::str::from_utf8(bytes).ok();
    let Some(letter) = text.and_then(|text| text.chars().next()) else {
        return Step::Nothing(1);
    };
    let modifiers = if letter.is_uppercase() {
        KeyModifiers::SHIFT
    } else {
        KeyModifiers::NONE
    };
    Step::Key(length, KeyEvent::new(KeyCode::Char(letter), modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    /// All that the bytes say once nothing more comes.
    fn keys(bytes: &[u8]) -> Vec<Event> {
        let mut keys = Keys::default();
        let mut events = keys.feed(bytes);
        events.extend(keys.settle());
        events
    }

    #[test]
    fn sequences_are_keys() {
        use KeyCode::{BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, F, Home, Up};
        use KeyModifiers as M;
        let table: &[(&[u8], KeyCode, M)] = &[
            (b"\x1b", Esc, M::NONE),
            (b"\x1b[A", Up, M::NONE),
            (b"\x1bOB", Down, M::NONE),
            (b"\x1b[1;5A", Up, M::CONTROL),
            (b"\x1b\x1b[A", Up, M::ALT),
            (b"\x1b[3~", Delete, M::NONE),
            (b"\x1b[4;2~", End, M::SHIFT),
            (b"\x1b[7~", Home, M::NONE),
            (b"\x1b[Z", BackTab, M::SHIFT),
            (b"\x1b[[C", F(3), M::NONE),
            (b"\x1bOP", F(1), M::NONE),
            (b"\x1b[24~", F(12), M::NONE),
            (b"\r", Enter, M::NONE),
            (b"\x7f", Backspace, M::NONE),
            (b"\x1b\x7f", Backspace, M::ALT),
            (b"\x03", Char('c'), M::CONTROL),
            (b"\x00", Char(' '), M::CONTROL),
            (b"N", Char('N'), M::SHIFT),
            (b"\x1bx", Char('x'), M::ALT),
            (b"\x1bO", Char('O'), M::ALT.union(M::SHIFT)),
            ("界".as_bytes(), Char('界'), M::NONE),
        ];
        for (bytes, code, modifiers) in table {
            assert_eq!(keys(bytes), [key(*code, *modifiers)], "{bytes:?}");
        }
    }

    #[test]
    fn a_sequence_in_pieces_is_still_one_key() {
        let mut keys = Keys::default();
        for byte in b"\x1b[3" {
            assert_eq!(keys.feed(&[*byte]), []);
        }
        assert_eq!(keys.feed(b"~"), [key(KeyCode::Delete, KeyModifiers::NONE)]);
        assert_eq!(keys.settle(), []);
    }

    #[test]
    fn what_is_no_key_presses_none() {
        let strays: [&[u8]; 9] = [
            b"\x1b[?62;22c",
            b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
            b"\x1bP>|XTerm(397)\x1b\\",
            b"\x1b[12;40R",
            b"\x1b[M !!",
            b"\x1b[<0;3;3M",
            b"\x1b[3",
            b"\x1b]52;c;eHh4",
            b"\xe7\x95",
        ];
        for stray in strays {
            assert_eq!(keys(stray), [], "{stray:?}");
        }
    }

    #[test]
    fn a_burst_loses_nothing() {
        let escape = key(KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(keys(b"\x1b\x1b"), [escape.clone(), escape]);
        assert_eq!(keys(&b"\x1b[B".repeat(3000)).len(), 3000);
    }

    #[test]
    fn a_paste_is_one_event_however_it_comes() {
        let bytes = b"\x1b[200~10.0.0.0/8,\r\n\x1b[A2001:db8::/32\x1b[201~q";
        let expected = [
            Event::Paste("10.0.0.0/8,\r\n\x1b[A2001:db8::/32".to_owned()),
            key(KeyCode::Char('q'), KeyModifiers::NONE),
        ];
        assert_eq!(keys(bytes), expected);
        let mut slow = Keys::default();
        let events: Vec<_> = bytes.iter().flat_map(|byte| slow.feed(&[*byte])).collect();
        assert_eq!(events, expected);
    }
}
