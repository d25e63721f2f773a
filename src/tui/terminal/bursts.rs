//! Turns keys into inputs, and separates characters typed one by one from those that arrive
//! together.
//!
//! Not every paste is bracketed: a line end from `tmux paste-buffer`, an old `PuTTY` or a console
//! over a network arrives as the key Enter, and a digit arrives as a key as well. So characters
//! that arrive together are kept together, and a line end is Enter only if no character follows it
//! within [`SEQUENCE_TIMEOUT`]. `update` decides what such a burst means in the focused place. This
//! module is pure: it uses no terminal and no clock.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keys::{KeyInput, Keys};

/// How long the rest of a sequence may take on a slow line before ESC counts as the key Esc, and
/// how long a line end waits for following characters. Consoles that type a paste key by key leave
/// less time than that between two keys, and people leave more.
pub(super) const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(50);
/// The number of bytes from which an unfinished burst is handed on in pieces.
const PIECE: usize = 4096;

/// An input from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A single key.
    Key(KeyEvent),
    /// Characters that arrived together, with `\n` for the line ends between them, and whether
    /// Enter followed them.
    Typed(String, bool),
    /// A bracketed paste.
    Paste(String),
    /// The terminal is gone and has been restored as far as possible. The program exits by itself
    /// after 1.5 seconds, with status 129.
    HungUp,
}

/// The input that has arrived and is not handed on yet.
#[derive(Default)]
pub(super) struct Bursts {
    keys: Keys,
    /// The characters, with `\n` for line ends; consecutive line ends become one.
    run: String,
}

impl Bursts {
    /// Takes in bytes and returns the inputs that they complete. A run of characters that ends in a
    /// line end is held until it is known whether something follows: see [`settle`](Self::settle).
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let heard = self.keys.feed(bytes);
        let mut inputs = self.gather(heard);
        if self.run.len() >= PIECE && self.run.ends_with('\n') {
            let rest = self.run.split_off(self.run.len() - 1);
            self.release(&mut inputs);
            self.run = rest;
        } else if !self.run.ends_with('\n') {
            self.release(&mut inputs);
        }
        inputs
    }

    /// Hands on the held input. Called when nothing has arrived for [`SEQUENCE_TIMEOUT`].
    pub(super) fn settle(&mut self) -> Vec<Input> {
        let heard = self.keys.settle();
        let mut inputs = self.gather(heard);
        self.release(&mut inputs);
        inputs
    }

    /// Whether input is held that [`settle`](Self::settle) would hand on.
    pub(super) fn holds(&self) -> bool {
        !self.run.is_empty() || self.keys.holds()
    }

    /// Whether a bracketed paste has begun and not ended.
    pub(super) fn is_pasting(&self) -> bool {
        self.keys.is_pasting()
    }

    /// Whether a bracketed paste has begun and not ended, and will be handed on.
    pub(super) fn is_wanted_paste(&self) -> bool {
        self.keys.is_wanted_paste()
    }

    /// Discards the held input, and the rest of a paste that has begun.
    pub(super) fn forget(&mut self) {
        self.run.clear();
        self.keys.forget_paste();
    }

    fn gather(&mut self, heard: Vec<KeyInput>) -> Vec<Input> {
        let mut inputs = Vec::new();
        for heard in heard {
            match heard {
                KeyInput::Key(key) => match character(key) {
                    Some('\n') if self.run.ends_with('\n') => {}
                    Some(c) => self.run.push(c),
                    None => {
                        self.release(&mut inputs);
                        inputs.push(Input::Key(key));
                    }
                },
                KeyInput::Paste(text) => {
                    self.release(&mut inputs);
                    inputs.push(Input::Paste(text));
                }
                // This ends a paste that was already handed on without its end. Its last line end
                // is text, not Enter.
                KeyInput::PasteEnd => {
                    self.run.truncate(self.run.trim_end_matches('\n').len());
                }
            }
        }
        inputs
    }

    fn release(&mut self, inputs: &mut Vec<Input>) {
        let run = std::mem::take(&mut self.run);
        let text = run.strip_suffix('\n');
        let (text, entered) = (text.unwrap_or(&run), text.is_some());
        let mut characters = text.chars();
        inputs.extend(match (characters.next(), characters.next(), entered) {
            (None, _, false) => None,
            (None, _, true) => Some(Input::Key(KeyCode::Enter.into())),
            (Some(c), None, false) if c != '\n' => Some(Input::Key(KeyCode::Char(c).into())),
            _ => Some(Input::Typed(text.to_owned(), entered)),
        });
    }
}

/// The character that a key types, with `\n` for Enter, or `None` for any other key.
fn character(key: KeyEvent) -> Option<char> {
    let plain = KeyModifiers::SHIFT.contains(key.modifiers);
    match key.code {
        KeyCode::Char(c) if plain => Some(c),
        KeyCode::Enter if plain => Some('\n'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, entered: bool) -> Input {
        Input::Typed(text.to_owned(), entered)
    }

    fn key(code: KeyCode) -> Input {
        Input::Key(code.into())
    }

    /// All inputs from these pieces, which follow each other without a pause.
    fn inputs(pieces: &[&str]) -> Vec<Input> {
        let mut bursts = Bursts::default();
        let mut inputs: Vec<Input> = pieces
            .iter()
            .flat_map(|piece| bursts.feed(piece.as_bytes()))
            .collect();
        inputs.extend(bursts.settle());
        assert!(!bursts.holds());
        inputs
    }

    #[test]
    fn a_line_end_is_enter_only_if_no_character_follows() {
        use KeyCode::{Char, Down, Enter, Tab};
        for (bytes, expected) in [
            ("n", vec![key(Char('n'))]),
            ("\r", vec![key(Enter)]),
            ("acme\r", vec![typed("acme", true)]),
            ("1\r", vec![typed("1", true)]),
            ("\r\r\r", vec![key(Enter)]),
            (
                "10.20.0.0/16,\r192.168.1.0/24\r",
                vec![typed("10.20.0.0/16,\n192.168.1.0/24", true)],
            ),
            ("a\r\n\r\nb\r\n", vec![typed("a\nb", true)]),
            ("a\nb", vec![typed("a\nb", false)]),
            ("\rx", vec![typed("\nx", false)]),
            (
                "a\tb\r\t\r",
                vec![
                    key(Char('a')),
                    key(Tab),
                    typed("b", true),
                    key(Tab),
                    key(Enter),
                ],
            ),
            ("\x1b[B\x1b[B", vec![key(Down), key(Down)]),
        ] {
            assert_eq!(inputs(&[bytes]), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_comes_in_pieces_is_one_burst() {
        assert_eq!(
            inputs(&["10.20.0.0/16,\r", "192.168.1.0/24\r"]),
            [typed("10.20.0.0/16,\n192.168.1.0/24", true)]
        );
        assert_eq!(
            inputs(&["acme", "\r"]),
            [typed("acme", false), key(KeyCode::Enter)]
        );
    }

    #[test]
    fn a_burst_without_end_is_handed_on_in_pieces() {
        let line = "x".repeat(1000) + "\r";
        let pieces: Vec<&str> = std::iter::repeat_n(line.as_str(), 100).collect();
        let inputs = inputs(&pieces);
        assert!(inputs.len() > 10, "{}", inputs.len());
        let (last, before) = inputs.split_last().expect("some");
        let enters = |it: &Input| matches!(it, Input::Typed(_, true) | Input::Key(_));
        assert!(enters(last), "{last:?}");
        let held = |it: &Input| matches!(it, Input::Typed(text, false) if text.len() < 2 * PIECE);
        assert!(before.iter().all(held));
    }

    #[test]
    fn what_is_forgotten_is_not_handed_on() {
        let mut bursts = Bursts::default();
        assert_eq!(bursts.feed(b"x\r"), []);
        bursts.forget();
        assert_eq!(bursts.settle(), []);
        assert_eq!(bursts.feed(b"\x1b[200~10.0.0."), []);
        bursts.forget();
        assert_eq!(bursts.feed(b"0/8\r\x1b[201~"), []);
        assert_eq!(bursts.feed(b"q"), [key(KeyCode::Char('q'))]);
    }

    #[test]
    fn the_rest_of_a_paste_that_was_given_up_presses_no_enter() {
        let mut bursts = Bursts::default();
        assert_eq!(bursts.feed(b"\x1b[200~10.0.0.0/8,"), []);
        assert!(bursts.is_pasting());
        assert_eq!(bursts.settle(), [Input::Paste("10.0.0.0/8,".to_owned())]);
        assert_eq!(
            bursts.feed(b"\r10.1.0.0/16\r\x1b[201~"),
            [typed("\n10.1.0.0/16", false)]
        );
    }
}
