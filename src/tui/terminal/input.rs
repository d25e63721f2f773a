//! What comes in from the terminal: keys, pastes, and its end.
//!
//! One thread, which must neither spin once the terminal is gone nor read what is typed while the
//! terminal is not ours. What the bytes mean is `keys`' business.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::Duration;

use crossterm::event::Event;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal as Unix;
use nix::unistd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{OURS, exit_status, keys, restore};

/// The thread that reads the keys; it sleeps while the terminal is not ours.
static READER: OnceLock<Thread> = OnceLock::new();

/// How long the program may go on after its terminal has vanished: enough to end a write.
const LAST_WORDS: Duration = Duration::from_millis(1500);

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

/// The terminal is ours (again): its keys are to be read.
pub(super) fn wake() {
    if let Some(reader) = READER.get() {
        reader.unpark();
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
