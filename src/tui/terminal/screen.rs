//! One frame, one write: ratatui's backend, which gathers what a draw changes.
//!
//! It never asks the terminal where the cursor is, and sends nothing if nothing changed. What is
//! written between two frames goes past it: see `write_raw`.
//!
//! A line that changes, and holds or held anything but plain cells, is written whole: terminals
//! differ in how many cells a flag or a joined emoji takes, and in what stays of it when one of
//! them is written over (tmux 3.3a and xterm keep half a flag, beside another key's name).

use std::io;
use std::sync::atomic::Ordering;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::{queue, terminal};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell, CellWidth as _};
use ratatui::layout::{Position, Rect, Size};

use super::{OURS, write_whole};

/// A terminal that supports mode 2026 shows the output between these two at once, without tearing.
const FRAME_START: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// What [`CrosstermBackend::draw`] says after every frame, and the part of it that says the same.
const LONG_RESET: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

/// ratatui's backend, gathering a frame instead of writing it, and remembering the cursor, which
/// ratatui sets again with every draw: 25 bytes for nothing.
pub(super) struct Screen {
    /// Starts with [`FRAME_START`]; if it is no longer than that, there is nothing to send.
    frame: Vec<u8>,
    cursor_shown: bool,
    /// Where the terminal's cursor is, unless printing has moved it.
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
    /// Makes the copy of the terminal's content large enough for these cells. (`Buffer::merge`
    /// counts cells in 16 bits, and a terminal may have more.)
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

    /// Takes over what changes; answers the lines that must be written whole, from above.
    fn take_in(&mut self, changes: &[(u16, u16, &Cell)]) -> Vec<u16> {
        self.make_room(changes);
        let mut lines: Vec<u16> = changes.iter().map(|(_, y, _)| *y).collect();
        lines.dedup();
        let were: Vec<bool> = lines.iter().map(|y| self.is_plain(*y)).collect();
        for (x, y, cell) in changes {
            self.shown[(*x, *y)] = (*cell).clone();
            // What lies under the rest of a wide cell is gone.
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

    /// Whether each cell of a line is one character in one cell.
    fn is_plain(&self, y: u16) -> bool {
        (0..self.shown.area.width).all(|x| {
            let symbol = self.shown[(x, y)].symbol();
            symbol.is_ascii()
                || (symbol.chars().count() == 1 && self.shown[(x, y)].cell_width() == 1)
        })
    }
}

/// The cells of a line without those that lie under wide ones.
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
            // Where the terminal finds a cluster narrower than it is here, a cell would stay as it
            // was.
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

    /// From memory: the backend of crossterm would ask the terminal and wait for the answer.
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
        // Only all of it is ever cleared, and it may have another size from now on.
        self.shown = Buffer::default();
        CrosstermBackend::new(&mut self.frame).clear_region(region)
    }

    /// Not `terminal::size`, which starts a program when the terminal is gone. Some serial lines
    /// and containers report 0 by 0.
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
        // The blank after A was a part of the flag: ratatui finds it unchanged.
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
        // Within a line with one, a move elsewhere costs the line, and another line nothing.
        let back = frame(&mut screen, "B Berlin\n\u{2764}\u{fe0f} acme", (0, 0));
        assert!(
            !back.contains("Berlin") && back.contains(" acme"),
            "{back:?}"
        );
    }
}
