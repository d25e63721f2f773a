//! The terminal: taking it over, one write a frame, what comes in from it, and giving it back
//! exactly as it was.
//!
//! There is one [`restore`], behind one flag, and everything that ends the program goes through
//! it: the guard's `Drop`, the panic hook, the signals, a lost connection, Ctrl-Z. Nothing in here
//! may ask the terminal a question (an answer would come in among the keys), switch a mouse mode
//! on, or write while the terminal is not ours. It knows no model and no view.
//!
//! To extend: a mode that `ENTER` switches on is switched off in `LEAVE`; a signal that the
//! program should notice is one more arm in [`Signals::next`]; a key is a line in [`keys`].

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::Event;
use crossterm::{queue, style, terminal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal as Unix, kill};
use nix::unistd::{self, Pid};
use ratatui::Frame;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Whether the terminal is ours at this moment: the one flag behind [`restore`].
static OURS: AtomicBool = AtomicBool::new(false);

/// The thread that reads the keys; it sleeps while the terminal is not ours.
static READER: OnceLock<Thread> = OnceLock::new();

/// Alternate screen, bracketed paste, no cursor until a view asks for one.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";

/// Everything off, in one write. The mouse was never on, but a program that crashed before us may
/// have left it so. The screen is wiped first: what stood on an alternate screen can be called back
/// in many terminals, and a revealed token may have stood there.
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[?2026l\
    \x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l";

/// A terminal that knows mode 2026 shows what stands between these two at once, without tearing.
const FRAME_START: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// What [`CrosstermBackend::draw`] says after every frame, and the part of it that says the same.
const LONG_RESET: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

/// How long the program may go on after its terminal has vanished: enough to end a write.
const LAST_WORDS: Duration = Duration::from_millis(1500);

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

    /// Forgets what stands on the screen: the next [`draw`](Self::draw) paints all of it (Ctrl-L).
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
    /// the terminal meanwhile, so raw mode is set anew. The next draw paints everything.
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
    } else if let Some(reader) = READER.get() {
        reader.unpark();
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

/// ratatui's backend, gathering a frame instead of writing it, and remembering the cursor, which
/// ratatui sets anew with every draw: 25 bytes for nothing.
struct Screen {
    /// Starts with [`FRAME_START`]; no longer than that means that there is nothing to send.
    frame: Vec<u8>,
    cursor_shown: bool,
    /// Where the terminal's cursor is, unless printing has moved it.
    cursor_at: Option<Position>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            frame: FRAME_START.to_vec(),
            cursor_shown: false,
            cursor_at: None,
        }
    }
}

impl Screen {
    fn send(&mut self) -> io::Result<()> {
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

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.cursor_at = None;
        CrosstermBackend::new(&mut self.frame).draw(content)?;
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

/// What the system tells the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End, with [`exit_status`] of this signal's number.
    Quit(i32),
    /// Continued after a stop: [`Terminal::resumed`].
    Resumed,
    /// The terminal has another size: draw.
    Resized,
}

/// The status with which a shell reports an end by this signal.
#[must_use]
pub const fn exit_status(signal: i32) -> i32 {
    128 + signal
}

/// The signals that the program listens to, from the moment this is made.
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
    quit: Stream,
    continued: Stream,
    resized: Stream,
}

impl Signals {
    /// Starts listening; needs a running tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            continued: signal(SignalKind::from_raw(Unix::SIGCONT as i32))?,
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// The next signal. Dropping the wait loses none.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Quit(Unix::SIGTERM as i32),
            _ = self.interrupt.recv() => Signal::Quit(Unix::SIGINT as i32),
            _ = self.hangup.recv() => Signal::Quit(Unix::SIGHUP as i32),
            _ = self.quit.recv() => Signal::Quit(Unix::SIGQUIT as i32),
            _ = self.continued.recv() => Signal::Resumed,
            _ = self.resized.recv() => Signal::Resized,
        }
    }

    /// Waits out a stop that we asked for. The signal may be handed to any thread, so the stop can
    /// come a little after the asking; and it never comes where nobody could continue us (a
    /// forced command over SSH), hence the limit.
    async fn continued(&mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(200), self.continued.recv()).await;
    }
}

/// What comes in from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key or a bracketed paste.
    Event(Event),
    /// The terminal is gone and has been restored as far as possible. Whoever has not ended the
    /// program 1.5 seconds from now finds it ended, with status 129.
    HungUp,
}

impl Input {
    /// Starts the thread that reads the terminal, once in a program's life. If the channel ends, so
    /// should the program.
    ///
    /// The channel has no bound, so that the thread is not stuck in it when the terminal vanishes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn listen() -> io::Result<UnboundedReceiver<Self>> {
        let (inbox, input) = unbounded_channel();
        let reader = thread::Builder::new().name("claviger-input".to_owned());
        let handle = reader.spawn(move || read(&inbox))?;
        let _ = READER.set(handle.thread().clone());
        Ok(input)
    }
}

/// Why not crossterm's own reader: it spins at full load once the terminal is gone, it stalls
/// after 1,024 bytes that come at once until another key is pressed, and it takes the end of an
/// arrow key that comes in two packets for typed letters. Here one thread sleeps in one `poll`
/// that reports the keys and the end of the terminal alike.
fn read(inbox: &UnboundedSender<Input>) {
    let mut keys = keys::Keys::default();
    let mut bytes = [0; 4096];
    loop {
        // What is typed while the terminal is not ours is the shell's.
        while !OURS.load(Ordering::SeqCst) {
            thread::park();
        }
        let events = match wait(keys.patience()) {
            Ok(Ready::Quiet) => keys.settle(),
            Ok(Ready::Bytes) if !OURS.load(Ordering::SeqCst) => continue,
            Ok(Ready::Bytes) => match unistd::read(io::stdin(), &mut bytes) {
                Ok(count) if count > 0 => keys.feed(&bytes[..count]),
                Err(Errno::EINTR | Errno::EAGAIN) => continue,
                Ok(_) | Err(_) => return hung_up(inbox),
            },
            Err(_) => return hung_up(inbox),
        };
        for event in events {
            if inbox.send(Input::Event(event)).is_err() {
                return;
            }
        }
    }
}

enum Ready {
    Bytes,
    Quiet,
}

/// Waits for bytes, for as long as the keys have patience, or (the error) for the terminal's end.
fn wait(patience: Option<Duration>) -> nix::Result<Ready> {
    let stdin = io::stdin();
    let patience = patience.map_or(PollTimeout::NONE, within);
    loop {
        let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, patience) {
            Ok(0) => return Ok(Ready::Quiet),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
            // A hang-up is told together with "readable": the next read would give nothing, again
            // and again. Anything that is not plainly bytes is the end.
            Ok(_) if ready[0].revents() == Some(PollFlags::POLLIN) => return Ok(Ready::Bytes),
            Ok(_) => return Err(Errno::EIO),
        }
    }
}

fn hung_up(inbox: &UnboundedSender<Input>) {
    restore();
    let _ = inbox.send(Input::HungUp);
    let _ = poll(&mut [], within(LAST_WORDS));
    std::process::exit(exit_status(Unix::SIGHUP as i32));
}

fn within(limit: Duration) -> PollTimeout {
    PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
}

pub mod keys {
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
        let control =
            |letter: u8| KeyEvent::new(KeyCode::Char(letter.into()), KeyModifiers::CONTROL);
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
}

#[cfg(test)]
mod tests {
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
    use ratatui::widgets::Paragraph;

    use super::keys::Keys;
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
}
