//! The desktop's clipboard (X11, Wayland, macOS), on a separate thread because it may hang.
//!
//! It confirms a copy by reading it back, and clears the clipboard only if it still holds the
//! copied text. To compare, it keeps a digest and not the secret.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use arboard::SetExtLinux as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long an answer may take. A missing display can hang for minutes; a working display answers
/// within milliseconds.
const DISPLAY_TIMEOUT: Duration = Duration::from_millis(800);

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The desktop's clipboard. It runs on a separate thread, because it serves the text for as long as
/// the program lives, and because it may hang.
pub(super) enum Desktop {
    Untried,
    Ready(Sender<Task>),
    /// The clipboard did not answer in time once. Another try would cost the same time with every
    /// copy.
    Silent,
}

pub(super) enum Task {
    Put(SecretString, oneshot::Sender<Result<(), String>>),
    Clear([u8; 32], oneshot::Sender<bool>),
}

impl Desktop {
    pub(super) async fn put(&mut self, secret: &SecretString) -> Result<(), String> {
        let secret = secret.clone();
        self.ask(|answer| Task::Put(secret, answer)).await?
    }

    pub(super) async fn clear(&mut self, ours: [u8; 32]) -> Result<bool, String> {
        self.ask(|answer| Task::Clear(ours, answer)).await
    }

    async fn ask<T>(&mut self, task: impl FnOnce(oneshot::Sender<T>) -> Task) -> Result<T, String> {
        const GONE: &str = "the desktop's clipboard is gone";
        if matches!(self, Self::Untried) {
            *self = Self::start()?;
        }
        let Self::Ready(tasks) = self else {
            return Err("the desktop's clipboard did not answer before".to_owned());
        };
        let (answer, answered) = oneshot::channel();
        if tasks.send(task(answer)).is_err() {
            *self = Self::Untried;
            return Err(GONE.to_owned());
        }
        if let Ok(answer) = timeout(DISPLAY_TIMEOUT, answered).await {
            return answer.map_err(|_| GONE.to_owned());
        }
        *self = Self::Silent;
        Err("the desktop's clipboard did not answer".to_owned())
    }

    /// Starts the thread. The runtime's pool is not used, because the runtime would wait for a
    /// hanging task at the end.
    fn start() -> Result<Self, String> {
        let (tasks, inbox) = channel();
        thread::Builder::new()
            .name("claviger-clipboard".to_owned())
            .spawn(move || serve(&inbox))
            .map_err(|_| "the system has no thread for the clipboard".to_owned())?;
        Ok(Self::Ready(tasks))
    }
}

/// Serves the tasks with one handle for the program's life; the text disappears with the handle. If
/// the handle cannot be created, the next copy tries again.
fn serve(inbox: &Receiver<Task>) {
    let mut handle = None;
    let mut ours = None;
    for task in inbox {
        match task {
            // The caller gave up while this thread was hanging, so the text must not be put there
            // any more.
            Task::Put(_, answer) if answer.is_closed() => {}
            Task::Put(secret, answer) => {
                let put = put(&mut handle, &secret);
                ours = put.is_ok().then(|| digest(secret.expose_secret()));
                if answer.send(put).is_err() {
                    clear(handle.as_mut(), ours.take());
                }
            }
            Task::Clear(digest, answer) => {
                ours = None;
                let _ = answer.send(clear(handle.as_mut(), Some(digest)));
            }
        }
    }
    // Dropping the handle would pass the text to a clipboard manager, which would keep it.
    clear(handle.as_mut(), ours);
}

/// Puts the secret on the clipboard, excluded from histories, and reads it back: only then does it
/// count as copied.
fn put(handle: &mut Option<arboard::Clipboard>, secret: &SecretString) -> Result<(), String> {
    const REFUSED: &str = "the desktop's clipboard cannot be reached";
    let clipboard = match handle {
        Some(clipboard) => clipboard,
        None => handle.insert(arboard::Clipboard::new().map_err(|_| REFUSED)?),
    };
    let text = secret.expose_secret();
    let set = clipboard.set().exclude_from_history().text(text);
    if set.is_ok() && holds(clipboard, digest(text)) {
        return Ok(());
    }
    // The display may have been closed and opened again: the next copy starts with a new handle.
    *handle = None;
    Err(REFUSED.to_owned())
}

fn clear(handle: Option<&mut arboard::Clipboard>, ours: Option<[u8; 32]>) -> bool {
    match (handle, ours) {
        (Some(clipboard), Some(ours)) => holds(clipboard, ours) && clipboard.clear().is_ok(),
        _ => false,
    }
}

fn holds(clipboard: &mut arboard::Clipboard, expected: [u8; 32]) -> bool {
    clipboard
        .get_text()
        .map(Zeroizing::new)
        .is_ok_and(|text| digest(&text) == expected)
}
