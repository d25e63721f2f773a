//! The Unix signals, as one stream.
//!
//! This module only reports them; the event loop decides how to react. A new signal is a field and
//! an arm in [`Signals::next`].

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal as Unix;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal, as the event loop sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The program must end, with [`exit_status`] of this signal number.
    Quit(i32),
    /// The program was continued after a stop: call [`super::Terminal::resumed`].
    Resumed,
    /// The size of the terminal changed: draw.
    Resized,
}

/// The exit status that a shell reports for a process that was ended by this signal.
#[must_use]
pub const fn exit_status(signal: i32) -> i32 {
    128 + signal
}

/// The signals that the program listens to, from the time this value is created.
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
    quit: Stream,
    continued: Stream,
    resized: Stream,
}

impl Signals {
    /// Starts listening. Requires a running tokio runtime.
    ///
    /// # Errors
    /// Returns an error if a signal handler cannot be installed.
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

    /// Waits for the next signal. Dropping the future loses no signal.
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

    /// Waits for the continuation after a stop that the program requested. The signal may be
    /// delivered to any thread, so the stop can come a little after the request. The stop never
    /// comes if no process could continue the program (a forced command over SSH), so the wait is
    /// limited to 200 ms.
    pub(super) async fn continued(&mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(200), self.continued.recv()).await;
    }
}
