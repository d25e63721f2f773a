//! What comes in from the terminal: keys, pastes, and its end.
//!
//! One thread waits for the terminal. It must neither spin once the terminal is gone nor read what
//! is typed while the terminal is not ours, and it reads no further than [`WAITING`] bytes ahead of
//! the program: what is more stays in the kernel, which makes the sender wait. What the bytes mean
//! is the business of `keys` and `bursts`.

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

/// The thread that reads the keys; it sleeps while the terminal is not ours.
static READER: OnceLock<Thread> = OnceLock::new();

/// How long the program may go on after its terminal has vanished: enough to end a write.
const HANGUP_GRACE: Duration = Duration::from_millis(1500);
/// How many bytes wait for the program at most.
const WAITING: usize = 4096;
/// How long the reader waits for room before it looks again.
const NO_ROOM: Duration = Duration::from_millis(5);
/// How long a paste may take without its end before it is taken as it is.
const PASTE: Duration = Duration::from_secs(1);
/// How long a paste may stall on a slow line.
const STALL: Duration = Duration::from_millis(250);
/// How many waiting bytes are thrown away at most: more than a terminal's queues hold.
const DISCARDED: usize = 1 << 17;

/// The inputs of the terminal, in order.
pub struct Inputs {
    queue: Arc<ByteQueue>,
    bursts: Bursts,
    ready: VecDeque<Input>,
    /// When bytes came last.
    last: Instant,
    /// When the paste that is coming in began.
    paste: Option<Instant>,
    /// Whether the next input begins a burst: the terminal was quiet before it.
    begins: bool,
    /// Whether the input that was taken last belongs to the same burst as the one before it.
    continues: bool,
    gone: bool,
}

/// What the reader hands over.
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
    /// Starts the thread that reads the terminal, once in a program's life.
    ///
    /// # Errors
    /// When the system gives no thread.
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

    /// Waits for an input. [`Input::HungUp`] comes again and again once the terminal is gone.
    /// Dropping the wait loses none.
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

    /// The next input that is read and understood already, if there is one.
    pub fn pop_ready(&mut self) -> Option<Input> {
        let input = self.ready.pop_front()?;
        self.continues = !std::mem::take(&mut self.begins);
        Some(input)
    }

    /// Whether nothing waits to be taken in. What is held for a moment, to see whether more
    /// follows, does not wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.queue.lock().bytes.is_empty()
    }

    /// Whether the input that was taken last belongs to the same burst as the one before it.
    #[must_use]
    pub const fn continues(&self) -> bool {
        self.continues
    }

    /// Discards the waiting input: the rest of what was read, and what the kernel holds. A paste of
    /// which only a part is there is thrown away to its end.
    pub fn discard_waiting(&mut self) {
        self.ready.clear();
        let mut waiting = self.queue.lock();
        let mut thrown = 0;
        loop {
            drop(self.bursts.feed(&waiting.bytes));
            thrown += waiting.bytes.len();
            waiting.bytes.clear();
            // The lock keeps the reader from taking what was just seen: this read does not wait.
            if thrown >= DISCARDED || waiting.gone || !readable_now() {
                break;
            }
            let mut bytes = [0; WAITING];
            match unistd::read(io::stdin(), &mut bytes) {
                Ok(count) if count > 0 => waiting.bytes.extend_from_slice(&bytes[..count]),
                // The reader finds out the same, and tells it.
                Ok(_) | Err(_) => break,
            }
        }
        drop(waiting);
        self.bursts.forget();
        self.paste = None;
        self.last = Instant::now();
    }

    /// The moment at which held input is handed on without waiting for more.
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
fn read(queue: &ByteQueue) {
    loop {
        // What is typed while the terminal is not ours is the shell's.
        while !OURS.load(Ordering::SeqCst) {
            thread::park();
        }
        let room = WAITING.saturating_sub(queue.lock().bytes.len());
        if room == 0 {
            // Nothing is read, but the end of the terminal is noticed all the same.
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
        // Somebody may have thrown away what was there.
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

/// Waits for an event on standard input; answers whether it came in time. An error is the
/// terminal's end.
fn wait(wanted: PollFlags, patience: PollTimeout) -> nix::Result<bool> {
    let stdin = io::stdin();
    loop {
        let mut ready = [PollFd::new(stdin.as_fd(), wanted)];
        match poll(&mut ready, patience) {
            Ok(0) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
            // A hang-up is told together with "readable": the next read would give nothing, again
            // and again. Anything that is not plainly what was asked for is the end.
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
