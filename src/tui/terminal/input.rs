//! The input from the terminal: keys, pastes and the hang-up.
//!
//! One thread waits for the terminal. It must not spin once the terminal is gone, and must not read
//! what is typed while the program does not hold the terminal. It reads at most [`WAITING`] bytes
//! ahead of the program; further input stays in the kernel, which makes the sender wait. `keys` and
//! `bursts` interpret the bytes.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal as Unix;
use nix::unistd;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::bursts::{Bursts, Input, SEQUENCE_TIMEOUT};
use super::{OURS, exit_status, restore};

/// The thread that reads the keys. It sleeps while the program does not hold the terminal.
static READER: OnceLock<Thread> = OnceLock::new();

/// How long the program may continue after its terminal is gone: enough time to finish a write.
const HANGUP_GRACE: Duration = Duration::from_millis(1500);
/// The maximum number of bytes that wait for the program.
const WAITING: usize = 4096;
/// How long the reader waits for free space before it checks again.
const NO_ROOM: Duration = Duration::from_millis(5);
/// The minimum time after which a paste without its end is handed on as it is.
const PASTE: Duration = Duration::from_secs(1);
/// How long a paste may pause on a slow line before it is handed on without its end.
const STALL: Duration = Duration::from_millis(250);
/// The maximum number of waiting bytes to throw away: more than a terminal's queues hold.
const DISCARDED: usize = 1 << 17;

/// The inputs from the terminal, in order.
pub struct Inputs {
    queue: Arc<ByteQueue>,
    bursts: Bursts,
    ready: VecDeque<Input>,
    /// When the last bytes arrived.
    last: Instant,
    /// When the paste that is arriving began.
    paste: Option<Instant>,
    /// Whether the next input begins a burst, because the terminal was quiet before it.
    begins: bool,
    /// Whether the input that was taken last belongs to the same burst as the one before it.
    continues: bool,
    gone: bool,
}

/// The bytes that the reader thread passes to the program.
#[derive(Default)]
struct ByteQueue {
    waiting: Mutex<QueuedBytes>,
    arrived: Notify,
}

#[derive(Default)]
struct QueuedBytes {
    bytes: Vec<u8>,
    gone: bool,
}

impl ByteQueue {
    fn lock(&self) -> MutexGuard<'_, QueuedBytes> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self) -> QueuedBytes {
        loop {
            let waiting = std::mem::take(&mut *self.lock());
            if waiting.gone || !waiting.bytes.is_empty() {
                return waiting;
            }
            self.arrived.notified().await;
        }
    }
}

impl Inputs {
    /// Starts the thread that reads the terminal. Called once per process.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be created.
    pub fn listen() -> io::Result<Self> {
        let queue = Arc::new(ByteQueue::default());
        let reader = thread::Builder::new().name("claviger-input".to_owned());
        let shared = Arc::clone(&queue);
        let handle = reader.spawn(move || read(&shared))?;
        let _ = READER.set(handle.thread().clone());
        Ok(Self {
            queue,
            bursts: Bursts::default(),
            ready: VecDeque::new(),
            last: Instant::now(),
            paste: None,
            begins: true,
            continues: false,
            gone: false,
        })
    }

    /// Waits for an input. Once the terminal is gone, every call returns [`Input::HungUp`].
    /// Dropping the future loses no input.
    pub async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.pop_ready() {
                return input;
            }
            if self.gone {
                return Input::HungUp;
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                waiting = self.queue.take() => self.take_in(&waiting),
                () = sleep_until(deadline.unwrap_or(self.last)), if deadline.is_some() => {
                    let settled = self.bursts.settle();
                    self.hand_on(settled);
                }
            }
        }
    }

    /// Returns the next input that has already been read and parsed, if any.
    pub fn pop_ready(&mut self) -> Option<Input> {
        let input = self.ready.pop_front()?;
        self.continues = !std::mem::take(&mut self.begins);
        Some(input)
    }

    /// Whether no input waits to be processed. Input that is held to see whether more follows does
    /// not count as waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.queue.lock().bytes.is_empty()
    }

    /// Whether the input that was taken last belongs to the same burst as the one before it.
    #[must_use]
    pub const fn continues(&self) -> bool {
        self.continues
    }

    /// Throws away the waiting input: what was read and not processed, and what the kernel holds.
    /// If only a part of a paste has arrived, the rest of the paste is ignored too.
    pub fn discard_waiting(&mut self) {
        self.ready.clear();
        let mut waiting = self.queue.lock();
        let mut thrown = 0;
        loop {
            drop(self.bursts.feed(&waiting.bytes));
            thrown += waiting.bytes.len();
            waiting.bytes.clear();
            // The lock keeps the reader from taking the bytes that `poll` reported, so this read
            // does not block.
            if thrown >= DISCARDED || waiting.gone || !readable_now() {
                break;
            }
            let mut bytes = [0; WAITING];
            match unistd::read(io::stdin(), &mut bytes) {
                Ok(count) if count > 0 => waiting.bytes.extend_from_slice(&bytes[..count]),
                // The reader gets the same result, and reports it.
                Ok(_) | Err(_) => break,
            }
        }
        drop(waiting);
        self.bursts.forget();
        self.paste = None;
        self.last = Instant::now();
    }

    /// The time at which held input is handed on without waiting for more.
    fn deadline(&self) -> Option<Instant> {
        match self.paste {
            Some(began) => Some((self.last + STALL).max(began + PASTE)),
            None if self.bursts.is_pasting() => Some(self.last + STALL),
            None => self.bursts.holds().then_some(self.last + SEQUENCE_TIMEOUT),
        }
    }

    fn take_in(&mut self, waiting: &QueuedBytes) {
        self.gone |= waiting.gone;
        let now = Instant::now();
        self.begins |= now.duration_since(self.last) > SEQUENCE_TIMEOUT;
        self.last = now;
        let inputs = self.bursts.feed(&waiting.bytes);
        self.hand_on(inputs);
    }

    fn hand_on(&mut self, inputs: Vec<Input>) {
        self.paste = self
            .bursts
            .is_wanted_paste()
            .then(|| self.paste.unwrap_or(self.last));
        self.ready.extend(inputs);
    }
}

/// Wakes the reader, because the program holds the terminal (again).
pub(super) fn wake() {
    if let Some(reader) = READER.get() {
        reader.unpark();
    }
}

/// Reads the terminal until it hangs up. crossterm's own reader is not used: it uses a full CPU
/// core once the terminal is gone, it stalls after 1,024 bytes that arrive at once until another
/// key is pressed, and it takes the end of an arrow key that arrives in two packets for typed
/// letters. Here one thread sleeps in one `poll` that reports both the keys and the hang-up.
fn read(queue: &ByteQueue) {
    loop {
        // While the program does not hold the terminal, the input belongs to the shell.
        while !OURS.load(Ordering::SeqCst) {
            thread::park();
        }
        let room = WAITING.saturating_sub(queue.lock().bytes.len());
        if room == 0 {
            // Nothing is read, but a hang-up is still noticed.
            match wait(PollFlags::empty(), within(NO_ROOM)) {
                Ok(_) => continue,
                Err(_) => return hung_up(queue),
            }
        }
        match wait(PollFlags::POLLIN, PollTimeout::NONE) {
            Ok(_) if !OURS.load(Ordering::SeqCst) => continue,
            Ok(_) => {}
            Err(_) => return hung_up(queue),
        }
        let mut waiting = queue.lock();
        // `discard_waiting` may have taken the bytes meanwhile.
        if !readable_now() {
            continue;
        }
        let mut bytes = [0; WAITING];
        match unistd::read(io::stdin(), &mut bytes[..room]) {
            Ok(count) if count > 0 => waiting.bytes.extend_from_slice(&bytes[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            Ok(_) | Err(_) => {
                drop(waiting);
                return hung_up(queue);
            }
        }
        drop(waiting);
        queue.arrived.notify_one();
    }
}

/// Waits for an event on standard input, and returns whether it came in time. An error means that
/// the terminal is gone.
fn wait(wanted: PollFlags, patience: PollTimeout) -> nix::Result<bool> {
    let stdin = io::stdin();
    loop {
        let mut ready = [PollFd::new(stdin.as_fd(), wanted)];
        match poll(&mut ready, patience) {
            Ok(0) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
            // A hang-up is reported together with "readable": the next read would return nothing,
            // again and again. Any result other than exactly the requested event counts as a
            // hang-up.
            Ok(_) if ready[0].revents() == Some(wanted) => return Ok(true),
            Ok(_) => return Err(Errno::EIO),
        }
    }
}

fn readable_now() -> bool {
    wait(PollFlags::POLLIN, PollTimeout::ZERO) == Ok(true)
}

fn hung_up(queue: &ByteQueue) {
    restore();
    queue.lock().gone = true;
    queue.arrived.notify_one();
    let _ = poll(&mut [], within(HANGUP_GRACE));
    std::process::exit(exit_status(Unix::SIGHUP as i32));
}

fn within(limit: Duration) -> PollTimeout {
    PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
}
