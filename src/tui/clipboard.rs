//! The clipboard: where a copied secret goes, and how it goes away again.
//!
//! On one's own machine the desktop's clipboard comes first, and only it confirms ("copied"). Over
//! SSH a desktop's clipboard would be the wrong machine's, so the request goes to the terminal, the
//! way that tmux, GNU screen or the terminal itself needs it; nobody answers, so it is "sent".
//!
//! A secret stands in no argument, no variable, no error and no log, and no copy stays in tmux. No
//! other machine's or display's silence may hold up the keys: whatever waits here has a limit.
//!
//! To extend: a new way to a terminal is a variant of `Way`, its line in `Environment::way`,
//! and its sequence beside `osc52`.

use std::fmt;
use std::io::Write;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use arboard::SetExtLinux as _;
use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A copy is decided in less than two seconds, or the secret is shown instead.
const DECIDED: Duration = Duration::from_millis(1900);
/// A display that is not there can hang for minutes; one that is there takes milliseconds.
const DESKTOP: Duration = Duration::from_millis(800);
const TMUX: Duration = Duration::from_secs(1);

/// What overwrites a secret where an empty text would be ignored, as tmux does.
const NEUTRAL: &str = " ";

/// GNU screen drops strings over 256 bytes; what wraps a piece takes four of these.
const SCREEN_PIECE: usize = 236;

/// How far a copy got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The desktop's clipboard holds it.
    Copied,
    /// It was handed to the terminal, and no program can know more.
    Sent,
}

/// There is no clipboard to be had. Shown as a sentence; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No clipboard: {reason}.")]
pub struct Unavailable {
    /// Why: a clause, to stand in another sentence.
    pub reason: String,
}

/// What the surroundings say about where a copy can go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    ssh: bool,
    multiplexer: Option<Multiplexer>,
    display: bool,
    /// `$TERM`.
    term: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Multiplexer {
    Tmux,
    Screen,
}

/// The way to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Tmux,
    Screen,
    Plain,
}

impl Environment {
    /// The surroundings of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The surroundings that these variables describe; an empty one counts as none.
    #[must_use]
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name| variable(name).filter(|value| !value.is_empty());
        let has = |name| value(name).is_some();
        let multiplexer = match (has("TMUX"), has("STY")) {
            (true, _) => Some(Multiplexer::Tmux),
            (false, true) => Some(Multiplexer::Screen),
            (false, false) => None,
        };
        Self {
            ssh: has("SSH_CONNECTION") || has("SSH_TTY"),
            multiplexer,
            display: cfg!(target_os = "macos") || has("WAYLAND_DISPLAY") || has("DISPLAY"),
            term: value("TERM").unwrap_or_default(),
        }
    }

    /// Over SSH a desktop's clipboard often works, but on the wrong machine, and people paste an
    /// old text.
    fn desktop(&self) -> bool {
        self.display && !self.ssh
    }

    fn way(&self, osc52: bool) -> Result<Way, String> {
        if !osc52 {
            return Err("sending to the terminal (OSC 52) is switched off".to_owned());
        }
        match (self.multiplexer, self.term.as_str()) {
            (Some(Multiplexer::Tmux), _) => Ok(Way::Tmux),
            (Some(Multiplexer::Screen), _) => Ok(Way::Screen),
            (None, term @ ("" | "dumb" | "linux")) => {
                Err(format!("a terminal with TERM={term} has none"))
            }
            (None, _) => Ok(Way::Plain),
        }
    }
}

/// The one clipboard of a running program.
pub struct Clipboard {
    environment: Environment,
    osc52: bool,
    desktop: Desktop,
    /// The digest of what we put on the desktop's clipboard, to tell whether it is still ours.
    ours: Option<[u8; 32]>,
    /// Whether something of ours may be on the terminal's clipboard.
    sent: bool,
}

impl fmt::Debug for Clipboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clipboard")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Clipboard {
    /// With `osc52` off nothing goes through the terminal. Nothing is tried before the first copy.
    #[must_use]
    pub fn new(environment: Environment, osc52: bool) -> Self {
        Self {
            environment,
            osc52,
            desktop: Desktop::Untried,
            ours: None,
            sent: false,
        }
    }

    /// Copies the secret, within two seconds. `terminal` is where the program's screen is written.
    ///
    /// # Errors
    /// When there is no way to any clipboard: the secret has to be shown.
    pub async fn copy(
        &mut self,
        secret: &SecretString,
        terminal: &mut impl Write,
    ) -> Result<Delivery, Unavailable> {
        timeout(DECIDED, self.deliver(secret, terminal))
            .await
            .unwrap_or_else(|_| Err("nothing answered in time".to_owned()))
            .map_err(|reason| Unavailable { reason })
    }

    async fn deliver(
        &mut self,
        secret: &SecretString,
        terminal: &mut impl Write,
    ) -> Result<Delivery, String> {
        let mut refused = None;
        if self.environment.desktop() && !self.attached_over_ssh().await {
            match self.desktop.put(secret).await {
                Ok(()) => {
                    self.ours = Some(digest(secret.expose_secret()));
                    return Ok(Delivery::Copied);
                }
                Err(reason) => refused = Some(reason),
            }
        }
        let sent = self.send(secret.expose_secret(), terminal).await;
        sent.map(|()| Delivery::Sent)
            .map_err(|reason| match refused {
                Some(refused) => format!("{refused}, and {reason}"),
                None => reason,
            })
    }

    /// Clears the desktop's clipboard if it still holds what we put there, and tells whether it
    /// did. For the end of the countdown, and for quitting.
    pub async fn clear_if_ours(&mut self) -> bool {
        match self.ours.take() {
            Some(ours) => self.desktop.clear(ours).await.unwrap_or(false),
            None => false,
        }
    }

    /// Overwrites what we copied: the desktop's clipboard if it is still ours, and the terminal's
    /// unless everything went to the desktop's.
    ///
    /// # Errors
    /// When the terminal's clipboard cannot be reached.
    pub async fn overwrite(&mut self, terminal: &mut impl Write) -> Result<Delivery, Unavailable> {
        let used_desktop = self.ours.is_some();
        self.clear_if_ours().await;
        if used_desktop && !self.sent {
            return Ok(Delivery::Copied);
        }
        let sent = self.send(NEUTRAL, terminal).await;
        sent.map_err(|reason| Unavailable { reason })?;
        self.sent = false;
        Ok(Delivery::Sent)
    }

    /// One line for people: the way that a copy would take, and why.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = if self.environment.ssh {
            "over SSH, "
        } else {
            ""
        };
        let terminal = match self.environment.way(self.osc52) {
            Ok(Way::Tmux) => "sent to the terminal by tmux (3.2 or newer)".to_owned(),
            Ok(Way::Screen) => "sent to the terminal through GNU screen (OSC 52)".to_owned(),
            Ok(Way::Plain) => "sent to the terminal (OSC 52)".to_owned(),
            Err(reason) => format!("shown on the screen ({reason})"),
        };
        if self.environment.desktop() {
            format!("copied to the desktop's clipboard; if that fails, {terminal}")
        } else {
            format!("{place}{terminal}")
        }
    }

    /// A program in tmux keeps the variables of the terminal that it was started in; tmux knows
    /// where the one is that looks at it now.
    async fn attached_over_ssh(&self) -> bool {
        self.environment.multiplexer == Some(Multiplexer::Tmux)
            && tmux(&["show-environment", "SSH_CONNECTION"], None)
                .await
                .is_ok_and(|line| line.starts_with("SSH_CONNECTION="))
    }

    async fn send(&mut self, text: &str, terminal: &mut impl Write) -> Result<(), String> {
        match self.environment.way(self.osc52)? {
            Way::Tmux => through_tmux(text, terminal).await?,
            Way::Screen => write(terminal, &for_screen(&osc52(text)))?,
            Way::Plain => write(terminal, &osc52(text))?,
        }
        self.sent = true;
        Ok(())
    }
}

fn write(terminal: &mut impl Write, sequence: &[u8]) -> Result<(), String> {
    terminal
        .write_all(sequence)
        .and_then(|()| terminal.flush())
        .map_err(|error| format!("the terminal could not be written to ({error})"))
}

/// The request for the clipboard called `c`: an unnamed one is the mouse's selection in some
/// terminals. It ends in BEL, for the other end of a string would end what it is wrapped in.
/// (crossterm's command does the same, but leaves a copy in memory that it does not wipe.)
fn osc52(text: &str) -> Zeroizing<Vec<u8>> {
    let start = b"\x1b]52;c;";
    let encoded = BASE64.encode_len(text.len());
    // As large as it gets: a vector that grows leaves pieces behind.
    let mut sequence = Zeroizing::new(vec![0; start.len() + encoded + 1]);
    sequence[..start.len()].copy_from_slice(start);
    BASE64.encode_mut(
        text.as_bytes(),
        &mut sequence[start.len()..start.len() + encoded],
    );
    sequence[start.len() + encoded] = 0x07;
    sequence
}

/// tmux hands on what stands in its own wrapping, where every ESC is doubled.
fn for_tmux(sequence: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut wrapped = Zeroizing::new(Vec::with_capacity(2 * sequence.len() + 16));
    wrapped.extend_from_slice(b"\x1bPtmux;");
    for &byte in sequence {
        if byte == 0x1b {
            wrapped.push(byte);
        }
        wrapped.push(byte);
    }
    wrapped.extend_from_slice(b"\x1b\\");
    wrapped
}

/// GNU screen hands on what stands in plain device control strings, and puts the pieces together.
fn for_screen(sequence: &[u8]) -> Zeroizing<Vec<u8>> {
    let pieces = sequence.len().div_ceil(SCREEN_PIECE);
    let mut wrapped = Zeroizing::new(Vec::with_capacity(sequence.len() + 4 * pieces));
    for piece in sequence.chunks(SCREEN_PIECE) {
        wrapped.extend_from_slice(b"\x1bP");
        wrapped.extend_from_slice(piece);
        wrapped.extend_from_slice(b"\x1b\\");
    }
    wrapped
}

/// A tmux without configuration drops a request for the clipboard, wrapped or not, and says
/// nothing. Where it is told to hand on what is wrapped, that is the best way. Otherwise tmux
/// itself is asked to send the text, from a buffer that is gone a moment later. (Where
/// `set-clipboard` is `on` it would take a plain request too, but keep the text in a buffer.)
async fn through_tmux(text: &str, terminal: &mut impl Write) -> Result<(), String> {
    let (passthrough, terminals) = tokio::join!(
        tmux(&["show", "-Apv", "allow-passthrough"], None),
        tmux(&["show-messages", "-T"], None),
    );
    if passthrough.is_ok_and(|value| matches!(value.trim(), "on" | "all")) {
        return write(terminal, &for_tmux(&osc52(text)));
    }
    if terminals.is_ok_and(|capabilities| lacks_clipboard(&capabilities)) {
        return Err("tmux knows of none in this terminal".to_owned());
    }
    let buffer = format!("claviger-{}", std::process::id());
    let load = ["load-buffer", "-w", "-b", &buffer, "-"];
    let delete = ["delete-buffer", "-b", &buffer];
    // One command line for both, so that the buffer goes even if we do.
    let both = [&load[..], &[";"], &delete[..]].concat();
    let sent = tmux(&both, Some(text)).await;
    if sent.is_err() {
        let _ = tmux(&delete, None).await;
    }
    sent.map(drop)
}

/// From tmux's list of what its terminals can do: `Ms` is the sequence that sets a clipboard.
fn lacks_clipboard(capabilities: &str) -> bool {
    let mut known = capabilities.lines().filter(|line| line.contains(" Ms: "));
    known.clone().next().is_some() && known.all(|line| line.contains("[missing]"))
}

/// What tmux answers; the input never stands in its arguments, where every user could read it.
async fn tmux(arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    let answered = async {
        let mut child = Command::new("tmux")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(input.unwrap_or_default().as_bytes())
                .await?;
        }
        child.wait_with_output().await
    };
    match timeout(TMUX, answered).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(_)) => Err("this tmux cannot send to a clipboard (3.2 or newer can)".to_owned()),
        Ok(Err(error)) => Err(format!("tmux could not be asked ({})", error.kind())),
        Err(_) => Err("tmux did not answer".to_owned()),
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The desktop's clipboard, on a thread of its own: it serves the text for as long as the program
/// lives, and it may hang.
enum Desktop {
    Untried,
    Ready(Sender<Task>),
    /// It once did not answer in time. Asking again would cost the same time with every copy.
    Silent,
}

enum Task {
    Put(SecretString, oneshot::Sender<Result<(), String>>),
    Clear([u8; 32], oneshot::Sender<bool>),
}

impl Desktop {
    async fn put(&mut self, secret: &SecretString) -> Result<(), String> {
        let secret = secret.clone();
        self.ask(|answer| Task::Put(secret, answer)).await?
    }

    async fn clear(&mut self, ours: [u8; 32]) -> Result<bool, String> {
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
        if let Ok(answer) = timeout(DESKTOP, answered).await {
            return answer.map_err(|_| GONE.to_owned());
        }
        *self = Self::Silent;
        Err("the desktop's clipboard did not answer".to_owned())
    }

    /// A thread rather than the runtime's pool: the runtime would wait for a hanging one at the end.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &str) -> Environment {
        Environment::from_vars(|name| {
            let mut pairs = variables
                .split_whitespace()
                .filter_map(|v| v.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        })
    }

    #[test]
    fn the_way_follows_from_the_surroundings() {
        use Way::{Plain, Screen, Tmux};
        for (variables, desktop, way) in [
            ("TERM=xterm DISPLAY=:0", true, Some(Plain)),
            ("TERM=foot WAYLAND_DISPLAY=wayland-0", true, Some(Plain)),
            ("TERM=xterm DISPLAY=", false, Some(Plain)),
            (
                "TERM=xterm DISPLAY=:0 SSH_TTY=/dev/pts/1",
                false,
                Some(Plain),
            ),
            ("TERM=xterm DISPLAY=:0 SSH_CONNECTION=a", false, Some(Plain)),
            ("TERM=screen DISPLAY=:0 TMUX=/s,1,0", true, Some(Tmux)),
            (
                "TERM=screen SSH_TTY=/t TMUX=/s,1,0 STY=1.a",
                false,
                Some(Tmux),
            ),
            ("TERM=screen STY=1.a", false, Some(Screen)),
            ("TERM=linux", false, None),
            ("TERM=linux TMUX=/s,1,0", false, Some(Tmux)),
            ("TERM=dumb SSH_TTY=/dev/pts/1", false, None),
            ("", false, None),
        ] {
            let environment = environment(variables);
            assert_eq!(environment.desktop(), desktop, "{variables}");
            assert_eq!(environment.way(true).ok(), way, "{variables}");
            assert!(environment.way(false).is_err(), "{variables}");
        }
    }

    #[test]
    fn the_sequences_are_wrapped_as_each_program_needs() {
        let plain = osc52("hello");
        assert_eq!(*plain, b"\x1b]52;c;aGVsbG8=\x07");
        assert_eq!(
            *for_tmux(&plain),
            b"\x1bPtmux;\x1b\x1b]52;c;aGVsbG8=\x07\x1b\\"
        );
        assert_eq!(*for_screen(&plain), b"\x1bP\x1b]52;c;aGVsbG8=\x07\x1b\\");
    }

    #[test]
    fn screen_gets_pieces_of_at_most_240_bytes() {
        let plain = osc52(&"x".repeat(1000));
        let wrapped = for_screen(&plain);
        let mut joined = Vec::new();
        let text = String::from_utf8_lossy(&wrapped);
        for piece in text.split_inclusive("\x1b\\") {
            assert!(piece.len() <= 240);
            joined.extend_from_slice(&piece.as_bytes()[2..piece.len() - 2]);
        }
        assert_eq!(joined, *plain);
    }

    #[test]
    fn a_terminal_without_a_clipboard_is_known_to_tmux() {
        assert!(lacks_clipboard("Terminal 0: linux\n 192: Ms: [missing]\n"));
        assert!(!lacks_clipboard(
            " 192: Ms: [missing]\n 192: Ms: (string) x\n"
        ));
        assert!(!lacks_clipboard(""));
    }

    #[tokio::test]
    async fn over_ssh_one_request_goes_to_the_terminal() {
        let surroundings = environment("TERM=xterm DISPLAY=:0 SSH_TTY=/dev/pts/1");
        let mut clipboard = Clipboard::new(surroundings, true);
        let mut terminal = Vec::new();
        let copied = clipboard.copy(&"hello".into(), &mut terminal).await;
        assert_eq!(copied, Ok(Delivery::Sent));
        assert_eq!(terminal, b"\x1b]52;c;aGVsbG8=\x07");
        assert_eq!(
            clipboard.describe(),
            "over SSH, sent to the terminal (OSC 52)"
        );
        let overwritten = clipboard.overwrite(&mut terminal).await;
        assert_eq!(overwritten, Ok(Delivery::Sent));
        assert!(terminal.ends_with(b"\x1b]52;c;IA==\x07"));
    }

    #[tokio::test]
    async fn without_any_way_the_reason_is_a_sentence() {
        let mut clipboard = Clipboard::new(environment("TERM=xterm"), false);
        let refused = clipboard.copy(&"hello".into(), &mut Vec::new()).await;
        let reason = refused.map_err(|refused| refused.to_string());
        let expected = "No clipboard: sending to the terminal (OSC 52) is switched off.";
        assert_eq!(reason, Err(expected.to_owned()));
        assert!(!clipboard.clear_if_ours().await);
    }
}
