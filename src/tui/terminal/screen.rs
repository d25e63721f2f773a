//! A ratatui backend that gathers the changes of a draw and sends them in one write per frame.
//!
//! It never asks the terminal for the position of the cursor, and sends nothing if nothing changed.
//! What is written between two frames bypasses it: see `write_raw`.
//!
//! A changed line that contains or contained anything but plain cells is written as a whole:
//! terminals differ in how many cells a flag or a joined emoji takes, and in what is left of it
//! after a part of it is overwritten (tmux 3.3a and xterm keep half a flag, beside another key's
//! name).

use std::io;
use std::sync::atomic::Ordering;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::{queue, terminal};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell, CellWidth as _};
use ratatui::layout::{Position, Rect, Size};

use super::{OURS, write_whole};

/// Begins and ends a synchronized update (mode 2026): a terminal that knows the mode shows
/// everything in between at once, without tearing.
const FRAME_START: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// The reset that [`CrosstermBackend::draw`] writes after every frame, and a shorter sequence with
/// the same effect.
const LONG_RESET: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

/// A backend that gathers a frame instead of writing it. It also remembers the cursor, which
/// ratatui sets again with every draw, at a cost of 25 bytes.
pub(super) struct Screen {
    /// The bytes of the frame, which begin with [`FRAME_START`]. Nothing more than that means that
    /// there is nothing to send.
    frame: Vec<u8>,
    cursor_shown: bool,
    /// The position of the terminal's cursor; `None` if printing may have moved it.
    cursor_at: Option<Position>,
    /// A copy of the terminal's content.
    shown: Buffer,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            frame: FRAME_START.to_vec(),
            cursor_shown: false,
            cursor_at: None,
            shown: Buffer::default(),
        }
    }
}

impl Screen {
    pub(super) fn send(&mut self) -> io::Result<()> {
        if self.frame.len() == FRAME_START.len() {
            return Ok(());
        }
        self.frame.extend_from_slice(FRAME_END);
        let sent = if OURS.load(Ordering::SeqCst) {
            write_whole(&self.frame)
        } else {
            Ok(())
        };
        self.frame.truncate(FRAME_START.len());
        sent
    }
}

impl Screen {
    /// Makes the copy of the terminal's content large enough for these cells. `Buffer::merge` is
    /// not used because it counts cells in 16 bits, and a terminal may have more.
    fn make_room(&mut self, changes: &[(u16, u16, &Cell)]) {
        let right = changes.iter().map(|(x, ..)| x + 1).max().unwrap_or(0);
        let below = changes.iter().map(|(_, y, _)| y + 1).max().unwrap_or(0);
        let area = self.shown.area;
        if right <= area.width && below <= area.height {
            return;
        }
        let grown = Rect::new(0, 0, right.max(area.width), below.max(area.height));
        let before = std::mem::replace(&mut self.shown, Buffer::empty(grown));
        for place in area.positions() {
            self.shown[place] = before[place].clone();
        }
    }

    /// Copies the changes, and returns the lines that must be written as a whole, from top to
    /// bottom.
    fn take_in(&mut self, changes: &[(u16, u16, &Cell)]) -> Vec<u16> {
        self.make_room(changes);
        let mut lines: Vec<u16> = changes.iter().map(|(_, y, _)| *y).collect();
        lines.dedup();
        let were: Vec<bool> = lines.iter().map(|y| self.is_plain(*y)).collect();
        for (x, y, cell) in changes {
            self.shown[(*x, *y)] = (*cell).clone();
            // The cells under the rest of a wide cell are no longer visible.
            for hidden in 1..cell.cell_width().max(1) {
                if let Some(under) = self.shown.cell_mut((x + hidden, *y)) {
                    under.reset();
                }
            }
        }
        let lines = lines.into_iter().zip(were);
        let whole = lines.filter(|(y, was)| !(*was && self.is_plain(*y)));
        whole.map(|(y, _)| y).collect()
    }

    /// Whether each cell of a line holds one character of width one.
    fn is_plain(&self, y: u16) -> bool {
        (0..self.shown.area.width).all(|x| {
            let symbol = self.shown[(x, y)].symbol();
            symbol.is_ascii()
                || (symbol.chars().count() == 1 && self.shown[(x, y)].cell_width() == 1)
        })
    }
}

/// The cells of a line, without those covered by wide cells.
fn visible_cells(buffer: &Buffer, y: u16) -> impl Iterator<Item = (u16, u16, &Cell)> {
    let mut hidden = 0;
    (0..buffer.area.width).filter_map(move |x| {
        if hidden > 0 {
            hidden -= 1;
            return None;
        }
        let cell = &buffer[(x, y)];
        hidden = cell.cell_width().saturating_sub(1);
        Some((x, y, cell))
    })
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let changes: Vec<(u16, u16, &Cell)> = content.collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.cursor_at = None;
        let whole = self.take_in(&changes);
        for y in &whole {
            // If the terminal draws a cluster narrower than ratatui does, a cell would keep its old
            // content.
            queue!(
                self.frame,
                MoveTo(0, *y),
                terminal::Clear(terminal::ClearType::CurrentLine)
            )?;
        }
        let few = changes.into_iter().filter(|(_, y, _)| !whole.contains(y));
        let rows = whole.iter().flat_map(|y| visible_cells(&self.shown, *y));
        let mut cells: Vec<(u16, u16, &Cell)> = few.chain(rows).collect();
        cells.sort_by_key(|(x, y, _)| (*y, *x));
        CrosstermBackend::new(&mut self.frame).draw(cells.into_iter())?;
        if let Some(start) = self.frame.strip_suffix(LONG_RESET).map(<[u8]>::len) {
            self.frame.truncate(start);
            self.frame.extend_from_slice(RESET);
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.cursor_shown, false) {
            queue!(self.frame, Hide)?;
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.cursor_shown, true) {
            queue!(self.frame, Show)?;
        }
        Ok(())
    }

    /// Returns the remembered position: crossterm's backend would ask the terminal and wait for the
    /// reply.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor_at.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        if self.cursor_at.replace(position) != Some(position) {
            queue!(self.frame, MoveTo(position.x, position.y))?;
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        // The program only clears the whole screen, whose size may be different from now on.
        self.shown = Buffer::default();
        CrosstermBackend::new(&mut self.frame).clear_region(region)
    }

    /// `terminal::size` is not used because it starts a program when the terminal is gone. Some
    /// serial lines and containers report 0 by 0; then 80 by 24 is assumed.
    fn size(&self) -> io::Result<Size> {
        let known = terminal::window_size().map(|size| Size::new(size.columns, size.rows));
        Ok(known
            .ok()
            .filter(|size| size.area() > 0)
            .unwrap_or(Size::new(80, 24)))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::widgets::Paragraph;

    use super::*;

    /// The frame that a draw would send.
    fn frame(terminal: &mut ratatui::Terminal<Screen>, text: &str, cursor: (u16, u16)) -> String {
        terminal.backend_mut().frame.truncate(FRAME_START.len());
        let drawn = terminal.draw(|frame| {
            frame.render_widget(Paragraph::new(text), frame.area());
            frame.set_cursor_position(cursor);
        });
        assert!(drawn.is_ok());
        let frame = &terminal.backend().frame[FRAME_START.len()..];
        String::from_utf8_lossy(frame).into_owned()
    }

    #[test]
    fn a_frame_holds_only_what_changed() {
        let area = ratatui::layout::Rect::new(0, 0, 20, 3);
        let options = ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(area),
        };
        let screen = ratatui::Terminal::with_options(Screen::default(), options);
        let mut screen = screen.expect("no terminal is asked for");
        assert_eq!(
            frame(&mut screen, "> a\n  b", (0, 0)),
            "\x1b[1;1H>\x1b[1;3Ha\x1b[2;3Hb\x1b[0m\x1b[?25h\x1b[1;1H"
        );
        assert_eq!(frame(&mut screen, "> a\n  b", (0, 0)), "");
        assert_eq!(
            frame(&mut screen, "  a\n> b", (0, 1)),
            "\x1b[1;1H \x1b[2;1H>\x1b[0m\x1b[2;1H"
        );
        assert_eq!(frame(&mut screen, "  a\n> b", (5, 1)), "\x1b[2;6H");
    }

    #[test]
    fn a_line_with_flags_is_written_whole_when_it_changes() {
        let area = ratatui::layout::Rect::new(0, 0, 9, 2);
        let options = ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(area),
        };
        let screen = ratatui::Terminal::with_options(Screen::default(), options);
        let mut screen = screen.expect("no terminal is asked for");
        let whole = frame(&mut screen, "\u{1f1e9}\u{1f1ea} Berlin\nplain", (0, 0));
        assert!(
            whole.contains("\u{1f1e9}\u{1f1ea}\u{1b}[1;3H Berlin"),
            "{whole:?}"
        );
        // The blank after A was part of the flag: ratatui considers it unchanged.
        let after = frame(&mut screen, "A Berlin\nplain", (0, 0));
        assert!(
            after.starts_with("\u{1b}[1;1H\u{1b}[2K\u{1b}[1;1HA Berlin "),
            "{after:?}"
        );
        assert!(!after.contains("plain"), "{after:?}");
        assert_eq!(frame(&mut screen, "A Berlin\nplain", (0, 0)), "");
        assert_eq!(
            frame(&mut screen, "B Berlin\nplain", (0, 0)),
            "\u{1b}[1;1HB\u{1b}[0m\u{1b}[1;1H"
        );
        // If a line has such a cluster, the whole line is written; other lines are not written.
        let back = frame(&mut screen, "B Berlin\n\u{2764}\u{fe0f} acme", (0, 0));
        assert!(
            !back.contains("Berlin") && back.contains(" acme"),
            "{back:?}"
        );
    }
}
