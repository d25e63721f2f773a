//! The desktop's clipboard (X11, Wayland, macOS), behind a thread that may hang.
//!
//! It confirms a copy by reading it back, clears only what is still ours, and keeps no secret of
//! its own to compare with, only a digest.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use arboard::SetExtLinux as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A display that is not there can hang for minutes; one that is there takes milliseconds.
const DISPLAY_TIMEOUT: Duration = Duration::from_millis(800);

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The desktop's clipboard, on a thread of its own: it serves the text for as long as the program
/// lives, and it may hang.
pub(super) enum Desktop {
    Untried,
    Ready(Sender<Task>),
    /// It once did not answer in time. Asking again would cost the same time with every copy.
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

    /// A thread rather than the runtime's pool: the runtime would wait for a hanging one at the
    /// end.
    fn start() -> Result<Self, String> {
        let (tasks, inbox) = channel();
        thread::Builder::new()
            .name("claviger-clipboard".to_owned())
            .spawn(move || serve(&inbox))
            .map_err(|_| "the system has no thread for the clipboard".to_owned())?;
        Ok(Self::Ready(tasks))
    }
}

/// One handle for the program's life: the text is gone with it. A failed start is tried again with
/// the next copy.
fn serve(inbox: &Receiver<Task>) {
    let mut handle = None;
    let mut ours = None;
    for task in inbox {
        match task {
            // Given up while we were hanging: what is not wanted any more must not be put there.
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
    // Dropping the handle would hand the text over to a clipboard manager, to keep.
    clear(handle.as_mut(), ours);
}

/// Puts the secret there, marked as none for a history, and reads it back: only then it is copied.
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
    // The display may have been closed and opened anew: the next copy starts afresh.
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
