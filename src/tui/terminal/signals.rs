//! The signals of the system, as one stream.
//!
//! They are only told here; what follows from them is the loop's to decide. A new one is a field
//! and an arm in [`Signals::next`].

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal as Unix;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What the system tells the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End, with [`exit_status`] of this signal's number.
    Quit(i32),
    /// Continued after a stop: [`super::Terminal::resumed`].
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
    pub(super) async fn continued(&mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(200), self.continued.recv()).await;
    }
}
