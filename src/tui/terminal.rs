//! The terminal: takes it over, writes each frame in one write, reads its input, and restores it
//! exactly as it was.
//!
//! There is one [`restore`], guarded by one flag, and everything that ends the program calls it:
//! the guard's `Drop`, the panic hook, the signals, a lost connection, Ctrl-Z. Code in this module
//! must not send the terminal a query (the reply would arrive among the keys), enable a mouse mode,
//! or write while the program does not hold the terminal. It does not depend on the model or the
//! view.
//!
//! To extend: a mode that `ENTER` enables is disabled in `LEAVE`; a signal that the program handles
//! is an arm in [`Signals::next`]; a key is a line in `terminal/keys.rs`.

mod bursts;
mod input;
mod keys;
mod screen;
mod signals;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::{style, terminal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal as Unix, kill};
use nix::unistd::{self, Pid};
use ratatui::Frame;
use ratatui::layout::Size;

pub use bursts::Input;
pub use input::Inputs;
use screen::Screen;
pub use signals::{Signal, Signals, exit_status};

/// Whether the program holds the terminal at the moment: the flag that guards [`restore`].
static OURS: AtomicBool = AtomicBool::new(false);

/// Enters the alternate screen, enables bracketed paste, and hides the cursor until a view sets it.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";

/// Disables all modes, in one write. The program never enables the mouse, but a program that
/// crashed earlier may have left it on. The screen is cleared before the alternate screen is left:
/// many terminals can bring the content of an alternate screen back, and it may contain a revealed
/// token.
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[?2026l\
    \x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l";

/// The program's screen. Dropping it restores the terminal.
pub struct Terminal {
    inner: ratatui::Terminal<Screen>,
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste. Create [`Signals`] and
    /// install the panic hook first; otherwise a signal in between would leave the terminal in raw
    /// mode.
    ///
    /// # Errors
    /// Returns an error if standard input or output is not a terminal, or if the terminal cannot be
    /// set up.
    pub fn enter() -> io::Result<Self> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(io::Error::other(
                "the screen needs a terminal on standard input and output",
            ));
        }
        // With NO_COLOR set, crossterm would replace colours by a reset, which also removes bold
        // and reverse, and with them the selection. The theme leaves colours out instead.
        style::force_color_output(true);
        let inner = ratatui::Terminal::new(Screen::default())?;
        take_over()?;
        Ok(Self { inner })
    }

    /// Draws a frame at the terminal's current size. All changes are sent in one write; if nothing
    /// changed and the cursor stays where it is, nothing is written. The cursor is shown where
    /// [`Frame::set_cursor_position`] puts it, and is hidden otherwise.
    ///
    /// # Errors
    /// Returns an error if writing to the terminal fails.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.inner.draw(view)?;
        self.inner.backend_mut().send()
    }

    /// Forgets the content of the screen, so that the next [`draw`](Self::draw) repaints all of it
    /// (Ctrl-L).
    ///
    /// # Errors
    /// Never fails in practice: nothing is written before the next frame.
    pub fn redraw(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    /// The current number of columns and rows.
    ///
    /// # Errors
    /// Never fails in practice: for a terminal that does not know its size, 80 by 24 is returned.
    pub fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    /// Handles Ctrl-Z: restores the terminal, stops the process, and takes the terminal over again
    /// when the shell continues it (`fg`). The next [`draw`](Self::draw) repaints everything.
    ///
    /// The whole process group is stopped, as the terminal itself would do: under `sudo` or a
    /// script, a shell waits for the parent process, and would keep waiting if only this process
    /// were stopped.
    ///
    /// # Errors
    /// Returns an error if the stop signal cannot be sent or the terminal cannot be taken over
    /// again.
    pub async fn suspend(&mut self, signals: &mut Signals) -> io::Result<()> {
        restore();
        kill(Pid::from_raw(0), Unix::SIGTSTP)?;
        signals.continued().await;
        take_over()?;
        self.redraw()
    }

    /// Handles a stop and continuation that the program did not cause (`kill -STOP`): the shell
    /// used the terminal meanwhile, so raw mode is set again. The next draw repaints everything.
    ///
    /// The kernel also sends this signal with every hang-up, when the terminal can no longer be
    /// set; [`Input::HungUp`] reports that case.
    ///
    /// # Errors
    /// Never fails in practice, like [`redraw`](Self::redraw).
    pub fn resumed(&mut self) -> io::Result<()> {
        // crossterm considers raw mode to be on already; only switching it off and on reaches the
        // terminal.
        let _ = terminal::disable_raw_mode().and_then(|()| terminal::enable_raw_mode());
        self.redraw()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the terminal over. Raw mode is set first: in the background (`bg`) that stops the process
/// until the shell puts it in the foreground, so that nothing is written over another program's
/// screen.
fn take_over() -> io::Result<()> {
    OURS.store(true, Ordering::SeqCst);
    let taken = terminal::enable_raw_mode().and_then(|()| write_whole(ENTER));
    if taken.is_err() {
        restore();
    } else {
        input::wake();
    }
    taken
}

/// Restores the terminal. It may be called from anywhere, any number of times: only the first call
/// after the terminal was taken over has an effect, so the alternate screen is left once. Each step
/// is tried even if the one before failed.
pub fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        let _ = write_whole(LEAVE);
        // crossterm saved the modes as the kernel reported them, unknown bits included; nix's
        // termios type would drop those bits.
        let _ = terminal::disable_raw_mode();
    }
}

/// Installs a panic hook that restores the terminal, prints one sentence with the location of the
/// panic, and exits with status 101. The panic message is not printed, because it may quote a
/// token. Call this from the main thread: on other threads (a database driver's worker) a panic is
/// returned to its owner as an error, and must not end the screen of a program that continues.
pub fn install_panic_hook() {
    let home = thread::current().id();
    std::panic::set_hook(Box::new(move |fault| {
        if thread::current().id() == home {
            restore();
            let _ = writeln!(io::stderr(), "{}", farewell(fault));
            // Unwinding would not do: the runtime would catch a task's panic, and the program would
            // go on without a screen.
            std::process::exit(101);
        }
    }));
}

fn farewell(fault: &PanicHookInfo) -> String {
    let place = fault
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "claviger stopped because of a fault in itself, at {place}; what was saved is kept, \
         please report that place."
    )
}

/// Writes a sequence that is not part of a frame, such as a clipboard request.
///
/// # Errors
/// Returns an error if writing fails, or if the program does not hold the terminal at the moment: a
/// secret that was not sent must not be reported as sent.
pub fn write_raw(bytes: &[u8]) -> io::Result<()> {
    if OURS.load(Ordering::SeqCst) {
        write_whole(bytes)
    } else {
        Err(io::Error::other("the screen is given back"))
    }
}

/// [`write_raw`] as a writer. It borrows nothing, so a slow copy does not delay drawing.
pub struct Direct;

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_raw(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all bytes, in one system call unless the kernel takes fewer. This bypasses the lock and
/// the buffer of standard output, because [`restore`] may run while another thread is blocked in a
/// write.
fn write_whole(mut bytes: &[u8]) -> io::Result<()> {
    let out = io::stdout();
    while !bytes.is_empty() {
        match unistd::write(&out, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // A parent process may have made the shared terminal non-blocking.
            Err(Errno::EAGAIN) => {
                let mut ready = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
                poll(&mut ready, PollTimeout::NONE)?;
            }
            // The terminal is gone. The reader reports that once, as `Input::HungUp`; a draw that
            // happens to be faster must not end the program in another way.
            Err(Errno::EIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
