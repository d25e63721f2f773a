//! Parses bytes into keys: the escape sequences of terminals, as crossterm's [`KeyEvent`].
//!
//! This module is pure: it uses no terminal and no clock. A sequence that is not understood is
//! ignored as a whole and never taken for letters: a stray reply from the terminal must not press
//! `x`. A new key is a line in `letter` or `number`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

const ESC: u8 = 0x1b;
/// Ctrl-C.
const INTERRUPT: u8 = 0x03;
const PASTE_END: &[u8] = b"\x1b[201~";
/// The maximum size of a paste, in bytes: more than any field holds. The rest of a larger paste is
/// dropped as it arrives.
const PASTE_LIMIT: usize = 1 << 16;
/// The maximum length of a sequence, in bytes: far longer than any that a key sends.
const SEQUENCE_LIMIT: usize = 256;

/// A parsed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyInput {
    /// A key was pressed. Every kind of line end is Enter.
    Key(KeyEvent),
    /// A bracketed paste, cut at [`PASTE_LIMIT`] bytes.
    Paste(String),
    /// The end of a paste whose beginning is missing or was given up.
    PasteEnd,
}

/// The parser, with the bytes that do not form a complete key yet.
#[derive(Default)]
pub(super) struct Keys {
    pending: Vec<u8>,
    paste: Option<Paste>,
}

/// A paste that has begun.
enum Paste {
    /// The text that has arrived so far.
    Text(Vec<u8>),
    /// The paste is ignored.
    Unwanted,
}

/// What the bytes begin with, and the number of bytes that it takes.
#[derive(Clone, Copy)]
enum ParsedKey {
    Key(usize, KeyEvent),
    Nothing(usize),
    Paste(usize),
    PasteEnd(usize),
    /// The result depends on the bytes that follow.
    Partial,
}

impl Keys {
    /// Whether an incomplete sequence waits for its rest.
    #[must_use]
    pub(super) fn holds(&self) -> bool {
        self.paste.is_none() && !self.pending.is_empty()
    }

    /// Whether a paste has begun and not ended.
    #[must_use]
    pub(super) fn is_pasting(&self) -> bool {
        self.paste.is_some()
    }

    /// Whether a paste has begun and not ended, and is not ignored.
    #[must_use]
    pub(super) fn is_wanted_paste(&self) -> bool {
        matches!(self.paste, Some(Paste::Text(_)))
    }

    /// Ignores the paste that has begun, if any.
    pub(super) fn forget_paste(&mut self) {
        self.paste = self.paste.take().map(|_| Paste::Unwanted);
    }

    /// Takes in bytes and returns the inputs that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<KeyInput> {
        self.pending.extend_from_slice(bytes);
        self.take(step)
    }

    /// Returns what the held bytes mean if nothing follows: ESC is the key Esc, an incomplete
    /// sequence is no key, and a paste ends here.
    pub(super) fn settle(&mut self) -> Vec<KeyInput> {
        let given_up = self.paste.take().map(|paste| {
            let rest = std::mem::take(&mut self.pending);
            match paste {
                Paste::Text(text) => pasted(&[text, rest].concat()),
                Paste::Unwanted => None,
            }
        });
        let mut heard: Vec<KeyInput> = given_up.flatten().into_iter().collect();
        heard.extend(self.take(|bytes| match step(bytes) {
            ParsedKey::Partial => settled(bytes),
            step => step,
        }));
        heard
    }

    fn take(&mut self, step: impl Fn(&[u8]) -> ParsedKey) -> Vec<KeyInput> {
        let mut heard = Vec::new();
        let mut used = 0;
        while used < self.pending.len() || self.paste.is_some() {
            if self.paste.is_some() {
                self.pending.drain(..used);
                used = 0;
                if !self.take_paste(&mut heard) {
                    return heard;
                }
                continue;
            }
            used += match step(&self.pending[used..]) {
                ParsedKey::Partial => break,
                ParsedKey::Nothing(used) => used,
                ParsedKey::Key(used, key) => {
                    heard.push(KeyInput::Key(key));
                    used
                }
                ParsedKey::PasteEnd(used) => {
                    heard.push(KeyInput::PasteEnd);
                    used
                }
                ParsedKey::Paste(used) => {
                    self.paste = Some(Paste::Text(Vec::new()));
                    used
                }
            };
        }
        self.pending.drain(..used);
        heard
    }

    /// Takes in the text of the paste, and returns whether it has ended. Until then all bytes are
    /// moved over except the last ones, which may be the start of the end sequence. Ctrl-C ends the
    /// paste as well: a terminal sends none within a paste, so the user wants to leave. What
    /// follows the Ctrl-C is ignored.
    fn take_paste(&mut self, heard: &mut Vec<KeyInput>) -> bool {
        let mut windows = self.pending.windows(PASTE_END.len());
        let end = windows.position(|bytes| bytes == PASTE_END);
        let interrupt = self.pending.iter().position(|byte| *byte == INTERRUPT);
        let interrupt = interrupt.filter(|at| end.is_none_or(|end| *at < end));
        let text = interrupt
            .or(end)
            .unwrap_or(self.pending.len().saturating_sub(PASTE_END.len() - 1));
        let mut text = self.pending.drain(..text);
        if let Some(Paste::Text(paste)) = &mut self.paste {
            let room = PASTE_LIMIT - paste.len();
            paste.extend(text.by_ref().take(room));
        }
        drop(text);
        let is_full = matches!(&self.paste, Some(Paste::Text(text)) if text.len() >= PASTE_LIMIT);
        if interrupt.is_some() || is_full {
            self.hand_over(heard, Some(Paste::Unwanted));
        }
        if interrupt.is_some() {
            self.pending.drain(..1);
            let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
            heard.push(KeyInput::Key(control));
        } else if end.is_some() {
            self.pending.drain(..PASTE_END.len());
            self.hand_over(heard, None);
        }
        interrupt.or(end).is_some()
    }

    /// Hands over the text of the paste, unless it is ignored; `rest` is the state of the rest of
    /// the paste.
    fn hand_over(&mut self, heard: &mut Vec<KeyInput>, rest: Option<Paste>) {
        if let Some(Paste::Text(text)) = std::mem::replace(&mut self.paste, rest) {
            heard.extend(pasted(&text));
        }
    }
}

fn pasted(text: &[u8]) -> Option<KeyInput> {
    let mut lossy = String::from_utf8_lossy(text).into_owned();
    // The cut may have left a part of a character.
    if text.len() >= PASTE_LIMIT {
        lossy.truncate(lossy.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
    }
    (!lossy.is_empty()).then_some(KeyInput::Paste(lossy))
}

fn step(bytes: &[u8]) -> ParsedKey {
    match bytes {
        [] | [ESC] | [ESC, ESC | b'O'] => ParsedKey::Partial,
        [ESC, b'[', ..] => control_sequence(bytes),
        [ESC, b'O', last, ..] => found(3, letter(*last, KeyModifiers::NONE)),
        [ESC, b']' | b'P' | b'X' | b'^' | b'_', ..] => answer(bytes),
        // Alt with an arrow, in older terminals; otherwise Esc was pressed twice.
        [ESC, ESC, b'[' | b'O', ..] => with_alt(step(&bytes[1..])),
        [ESC, ESC, ..] => ParsedKey::Key(1, KeyCode::Esc.into()),
        [ESC, ..] => with_alt(typed(&bytes[1..])),
        _ => typed(bytes),
    }
}

/// Returns what an incomplete sequence means if its rest does not come.
fn settled(bytes: &[u8]) -> ParsedKey {
    match bytes {
        [ESC] | [ESC, ESC] => ParsedKey::Key(1, KeyCode::Esc.into()),
        [ESC, _] => match with_alt(typed(&bytes[1..])) {
            // A part of a character, whose rest does not come.
            ParsedKey::Partial => ParsedKey::Nothing(bytes.len()),
            step => step,
        },
        _ => ParsedKey::Nothing(bytes.len()),
    }
}

fn found(used: usize, key: Option<KeyEvent>) -> ParsedKey {
    key.map_or(ParsedKey::Nothing(used), |key| ParsedKey::Key(used, key))
}

fn with_alt(step: ParsedKey) -> ParsedKey {
    match step {
        ParsedKey::Key(used, mut key) => {
            key.modifiers |= KeyModifiers::ALT;
            ParsedKey::Key(used + 1, key)
        }
        ParsedKey::Nothing(used) => ParsedKey::Nothing(used + 1),
        ParsedKey::Paste(used) => ParsedKey::Paste(used + 1),
        ParsedKey::PasteEnd(used) => ParsedKey::PasteEnd(used + 1),
        ParsedKey::Partial => ParsedKey::Partial,
    }
}

/// Parses `ESC [ parameters final`.
fn control_sequence(bytes: &[u8]) -> ParsedKey {
    let body = &bytes[2..];
    // The Linux console's F1 to F5 do not follow the grammar: `ESC [ [ A`.
    if let [b'[', rest @ ..] = body {
        return rest.first().map_or(ParsedKey::Partial, |last| {
            let key = (b'A'..=b'E').contains(last).then(|| last - b'A' + 1);
            found(4, key.map(|key| KeyCode::F(key).into()))
        });
    }
    let Some(end) = body.iter().position(|byte| !(0x20..0x40).contains(byte)) else {
        return partial(bytes);
    };
    let (parameters, used) = (&body[..end], end + 3);
    match body[end] {
        // Cut off by another byte, which is parsed again.
        ..0x40 | 0x7f.. => ParsedKey::Nothing(used - 1),
        b'~' if parameters == b"200" => ParsedKey::Paste(used),
        b'~' if parameters == b"201" => ParsedKey::PasteEnd(used),
        // The oldest form of a mouse report: three more bytes, of any value.
        b'M' if end == 0 && bytes.len() < used + 3 => ParsedKey::Partial,
        b'M' if end == 0 => ParsedKey::Nothing(used + 3),
        last => found(used, parameterised(parameters, last)),
    }
}

/// Parses `ESC [ number ; modifiers final`, in which the number and the modifiers are optional.
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

/// The key that a final letter names, after `ESC [` as well as after `ESC O`.
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

/// The key that a number names: `ESC [ 3 ~` is Delete.
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

/// Skips a reply of the terminal (`ESC ] … BEL`, `ESC P … ESC \`), perhaps to a program that ran
/// before.
fn answer(bytes: &[u8]) -> ParsedKey {
    let body = &bytes[2..];
    let bell = body.iter().position(|byte| *byte == 0x07).map(|at| at + 3);
    let string = body.windows(2).position(|pair| pair == b"\x1b\\");
    match (bell, string.map(|at| at + 4)) {
        (Some(bell), Some(string)) => ParsedKey::Nothing(bell.min(string)),
        (Some(used), None) | (None, Some(used)) => ParsedKey::Nothing(used),
        (None, None) => partial(bytes),
    }
}

fn partial(bytes: &[u8]) -> ParsedKey {
    if bytes.len() < SEQUENCE_LIMIT {
        ParsedKey::Partial
    } else {
        ParsedKey::Nothing(bytes.len())
    }
}

/// Parses a key that is not an escape sequence.
fn typed(bytes: &[u8]) -> ParsedKey {
    let control = |letter: u8| KeyEvent::new(KeyCode::Char(letter.into()), KeyModifiers::CONTROL);
    let key = match bytes[0] {
        b'\r' | b'\n' => KeyCode::Enter.into(),
        b'\t' => KeyCode::Tab.into(),
        0x7f => KeyCode::Backspace.into(),
        0x00 => control(b' '),
        byte @ 0x01..=0x1a => control(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => control(byte - 0x1c + b'4'),
        _ => return character(bytes),
    };
    ParsedKey::Key(1, key)
}

fn character(bytes: &[u8]) -> ParsedKey {
    let length = match bytes[0] {
        ..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return ParsedKey::Nothing(1),
    };
    let Some(bytes) = bytes.get(..length) else {
        return ParsedKey::Partial;
    };
    let text = std::str::from_utf8(bytes).ok();
    let Some(letter) = text.and_then(|text| text.chars().next()) else {
        return ParsedKey::Nothing(1);
    };
    let modifiers = if letter.is_uppercase() {
        KeyModifiers::SHIFT
    } else {
        KeyModifiers::NONE
    };
    ParsedKey::Key(length, KeyEvent::new(KeyCode::Char(letter), modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyInput {
        KeyInput::Key(KeyEvent::new(code, modifiers))
    }

    /// All inputs from these bytes if nothing follows.
    fn keys(bytes: &[u8]) -> Vec<KeyInput> {
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
            (b"\n", Enter, M::NONE),
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
        let strays: [&[u8]; 10] = [
            b"\x1b\xe9",
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
            KeyInput::Paste("10.0.0.0/8,\r\n\x1b[A2001:db8::/32".to_owned()),
            key(KeyCode::Char('q'), KeyModifiers::NONE),
        ];
        assert_eq!(keys(bytes), expected);
        let mut slow = Keys::default();
        let events: Vec<_> = bytes.iter().flat_map(|byte| slow.feed(&[*byte])).collect();
        assert_eq!(events, expected);
    }

    #[test]
    fn a_paste_without_its_end_is_given_up_and_ctrl_c_is_heard_within() {
        let interrupt = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let text = |text: &str| KeyInput::Paste(text.to_owned());
        let mut stuck = Keys::default();
        assert_eq!(stuck.feed(b"\x1b[200~10.0"), []);
        assert!(stuck.is_pasting());
        assert_eq!(stuck.settle(), [text("10.0")]);
        assert_eq!(
            stuck.feed(b"q"),
            [key(KeyCode::Char('q'), KeyModifiers::NONE)]
        );
        let left = stuck.feed(b"\x1b[200~ab\x03cd");
        assert_eq!(left, [text("ab"), interrupt.clone()]);
        assert!(stuck.is_pasting() && !stuck.is_wanted_paste());
        // The rest of the paste is ignored, until its end or until nothing more arrives.
        assert_eq!(stuck.feed(b"x\x1b[201~"), []);
        assert_eq!(keys(b"\x1b[200~\x03d"), [interrupt]);
    }

    #[test]
    fn a_large_paste_is_cut_while_it_comes_in() {
        let mut slow = Keys::default();
        let mut heard = slow.feed(b"\x1b[200~");
        for _ in 0..2000 {
            heard.extend(slow.feed("xyz\u{754c}".repeat(100).as_bytes()));
            assert!(slow.pending.len() < 100, "nothing piles up");
        }
        heard.extend(slow.feed(b"\x1b[201~"));
        let [KeyInput::Paste(text)] = heard.as_slice() else {
            panic!("one paste: {}", heard.len());
        };
        assert!((PASTE_LIMIT - 3..=PASTE_LIMIT).contains(&text.len()));
        assert!(!text.contains(char::REPLACEMENT_CHARACTER));
    }
}
