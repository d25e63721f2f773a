//! The terminal: taking it over, one write a frame, what comes in from it, and giving it back
//! exactly as it was.
//!
//! There is one [`restore`], behind one flag, and everything that ends the program goes through
//! it: the guard's `Drop`, the panic hook, the signals, a lost connection, Ctrl-Z. Nothing in here
//! may ask the terminal a question (an answer would come in among the keys), switch a mouse mode
//! on, or write while the terminal is not ours. It knows no model and no view.
//!
//! To extend: a mode that `ENTER` switches on is switched off in `LEAVE`; a signal that the program
//! should notice is one more arm in [`Signals::next`]; a key is a line in `terminal/keys.rs`.

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

/// Whether the terminal is ours at this moment: the one flag behind [`restore`].
static OURS: AtomicBool = AtomicBool::new(false);

/// Alternate screen, bracketed paste, no cursor until a view asks for one.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";

/// Everything off, in one write. The mouse was never on, but a program that crashed before us may
/// have left it so. The screen is wiped first: what stood on an alternate screen can be called back
/// in many terminals, and a revealed token may have stood there.
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[?2026l\
    \x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l";

/// The screen of the program, for as long as this value lives.
pub struct Terminal {
    inner: ratatui::Terminal<Screen>,
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste. Make [`Signals`] and
    /// the panic hook first, or there is a moment in which a signal leaves the terminal raw.
    ///
    /// # Errors
    /// When standard input or output is no terminal, or the terminal refuses.
    pub fn enter() -> io::Result<Self> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(io::Error::other(
                "the screen needs a terminal on standard input and output",
            ));
        }
        // With NO_COLOR crossterm would turn colours into a reset that takes bold and reverse with
        // it, and so the selection. Our theme leaves the colours out instead.
        style::force_color_output(true);
        let inner = ratatui::Terminal::new(Screen::default())?;
        take_over()?;
        Ok(Self { inner })
    }

    /// Draws a frame at the terminal's present size. What changed leaves as one write; if nothing
    /// did, and the cursor stays where it is, nothing is written at all. The cursor is shown where
    /// [`Frame::set_cursor_position`] puts it, and hidden otherwise.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.inner.draw(view)?;
        self.inner.backend_mut().send()
    }

    /// Forgets the content of the screen: the next [`draw`](Self::draw) paints all of it (Ctrl-L).
    ///
    /// # Errors
    /// None in practice: nothing is written before the next frame.
    pub fn redraw(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    /// Columns and rows, as of now.
    ///
    /// # Errors
    /// None in practice: a terminal that does not know its size has 80 by 24.
    pub fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    /// Ctrl-Z: gives the terminal back, stops, and takes it again once the shell says `fg`. The
    /// next [`draw`](Self::draw) paints everything.
    ///
    /// The whole process group is stopped, as the terminal itself would do: under `sudo` or a
    /// script a shell waits for the parent, and stopping only ourselves would leave it waiting.
    ///
    /// # Errors
    /// When the terminal cannot be taken again.
    pub async fn suspend(&mut self, signals: &mut Signals) -> io::Result<()> {
        restore();
        kill(Pid::from_raw(0), Unix::SIGTSTP)?;
        signals.continued().await;
        take_over()?;
        self.redraw()
    }

    /// After somebody else stopped and continued the program (`kill -STOP`): the shell has used
    /// the terminal meanwhile, so raw mode is set again. The next draw paints everything.
    ///
    /// The kernel also sends this signal with every hang-up, when nothing can be set any more;
    /// [`Input::HungUp`] tells about that.
    ///
    /// # Errors
    /// None in practice, as with [`redraw`](Self::redraw).
    pub fn resumed(&mut self) -> io::Result<()> {
        // Raw mode is already on as far as crossterm knows; only off and on reaches the terminal.
        let _ = terminal::disable_raw_mode().and_then(|()| terminal::enable_raw_mode());
        self.redraw()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Raw mode comes first: in the background (`bg`) it stops us until the shell puts us in front, so
/// nothing is written over somebody else's screen.
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

/// Gives the terminal back as it was. It may be called from anywhere, any number of times: only
/// the first call after the terminal was taken does something, so the alternate screen is left
/// once. Each step is tried whatever became of the one before.
pub fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        let _ = write_whole(LEAVE);
        // crossterm kept the modes as the kernel gave them, unknown bits included; nix's termios
        // type would drop those.
        let _ = terminal::disable_raw_mode();
    }
}

/// Ends the program properly on a fault in itself: the terminal is restored first, then one
/// sentence says where it happened. What the fault said is kept to itself, for it may quote a
/// token. Call this from the main thread: on others (a database driver's worker) a panic reaches
/// its owner as an error, and must not tear down the screen of a program that goes on.
pub fn install_panic_hook() {
    let home = thread::current().id();
    std::panic::set_hook(Box::new(move |fault| {
        if thread::current().id() == home {
            restore();
            let _ = writeln!(io::stderr(), "{}", farewell(fault));
            // Not left to unwinding: a task's panic would be caught by the runtime, and the
            // program would live on without a screen.
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

/// Writes a sequence that is no part of a frame, such as a clipboard request.
///
/// # Errors
/// When the terminal cannot be written to, or is not ours at the moment: nobody should be told
/// that a secret was sent which was not.
pub fn write_raw(bytes: &[u8]) -> io::Result<()> {
    if OURS.load(Ordering::SeqCst) {
        write_whole(bytes)
    } else {
        Err(io::Error::other("the screen is given back"))
    }
}

/// [`write_raw`] as a writer. It borrows nothing, so a copy that takes its time does not hold up
/// the drawing.
pub struct Direct;

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_raw(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One system call for all of it, unless the kernel takes less. Standard output's own lock and
/// buffer are passed by: [`restore`] may run while another thread is stuck in a write.
fn write_whole(mut bytes: &[u8]) -> io::Result<()> {
    let out = io::stdout();
    while !bytes.is_empty() {
        match unistd::write(&out, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // A parent may have made the shared terminal non-blocking.
            Err(Errno::EAGAIN) => {
                let mut ready = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
                poll(&mut ready, PollTimeout::NONE)?;
            }
            // Nobody is there to see it. That is told once, by the reader, as `Input::HungUp`; a
            // draw that happens to be quicker must not end the program in another way.
            Err(Errno::EIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
