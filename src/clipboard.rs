//! The clipboard: the transport of a copied secret, and its removal.
//!
//! On the user's own machine the desktop's clipboard is tried first, and only it confirms a copy
//! ("copied"). Over SSH, a desktop's clipboard would be that of the wrong machine, so the request
//! goes to the terminal, in the form that tmux, GNU screen or the terminal itself requires. Nothing
//! confirms it, so it is reported as "sent".
//!
//! A secret appears in no argument, variable, error or log, and tmux keeps no copy. Another machine
//! or display that does not answer must not delay the keys: every wait in this module has a limit.
//!
//! To extend: a new transport to a terminal is a variant of `TerminalTransport`, its line in
//! `Environment::transport`, and its sequence beside `osc52`.

mod desktop;
mod doubt;
mod sequence;
mod tmux;

use std::fmt;
use std::io::Write;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{sleep, timeout};

use desktop::{Desktop, digest};
pub use doubt::DeliveryDoubt;
use sequence::{for_screen, osc52};

/// The time limit for a copy, below two seconds. If it is exceeded, the secret is shown instead.
const DECIDED: Duration = Duration::from_millis(1900);
/// The text that overwrites a secret. Some programs, such as tmux, ignore an empty text.
const NEUTRAL: &str = " ";
/// How long a different text must be on the clipboard so that mosh forwards the same text a second
/// time: longer than the time between two of its packets (at most 250 ms).
const BETWEEN: Duration = Duration::from_millis(300);

/// The result of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The desktop's clipboard holds the text.
    Copied,
    /// The text was sent to the terminal; no program can know more.
    Sent,
    /// The text was sent to the terminal, but a program on the way may not forward it.
    Doubtful(DeliveryDoubt),
}

/// The error if no clipboard is available. It is displayed as a sentence and never contains the
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No clipboard: {reason}.")]
pub struct Unavailable {
    /// The reason, as a clause of a sentence.
    pub reason: String,
}

/// The facts about the environment that decide where a copy can go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    ssh: bool,
    multiplexer: Option<Multiplexer>,
    /// Whether both tmux and GNU screen are in use. Which one runs inside the other is unknown.
    nested: bool,
    display: bool,
    /// The value of `$TERM`, or an empty text.
    term: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Multiplexer {
    Tmux,
    Screen,
}

/// How a text gets to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TerminalTransport {
    Tmux,
    Screen,
    Plain,
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the environment from these variables; an empty variable counts as unset.
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
            nested: has("TMUX") && has("STY"),
            display: cfg!(target_os = "macos") || has("WAYLAND_DISPLAY") || has("DISPLAY"),
            term: value("TERM").unwrap_or_default(),
        }
    }

    /// Returns the same environment without a desktop's clipboard, for when that has already
    /// failed.
    #[must_use]
    pub fn without_desktop(self) -> Self {
        Self {
            display: false,
            ..self
        }
    }

    /// Reads the environment of a session. For a member who connected over SSH this machine is not
    /// queried and no program is run, not even tmux: copies go only to the terminal.
    #[must_use]
    pub fn of_session(is_member: bool) -> Self {
        let environment = Self::from_env();
        if !is_member {
            return environment;
        }
        Self {
            ssh: true,
            multiplexer: None,
            display: false,
            ..environment
        }
    }

    /// Whether a desktop's clipboard is tried first. Over SSH it often works, but on the wrong
    /// machine, and the user then pastes an old text.
    #[must_use]
    pub fn desktop(&self) -> bool {
        self.display && !self.ssh
    }

    /// Checks whether a copy could be sent to the terminal.
    ///
    /// # Errors
    /// Returns the reason, as a clause, if it could not.
    pub fn to_terminal(&self, osc52: bool) -> Result<(), String> {
        self.transport(osc52).map(drop)
    }

    fn transport(&self, osc52: bool) -> Result<TerminalTransport, String> {
        if !osc52 {
            return Err("sending to the terminal (OSC 52) is switched off".to_owned());
        }
        match (self.multiplexer, self.term.as_str()) {
            (Some(Multiplexer::Tmux), _) => Ok(TerminalTransport::Tmux),
            (Some(Multiplexer::Screen), _) => Ok(TerminalTransport::Screen),
            (None, term @ ("" | "dumb" | "linux")) => {
                Err(format!("a terminal with TERM={term} has none"))
            }
            (None, _) => Ok(TerminalTransport::Plain),
        }
    }
}

/// The clipboard of the running program. There is only one.
pub struct Clipboard {
    environment: Environment,
    osc52: bool,
    desktop: Desktop,
    /// The digest of the text that was put on the desktop's clipboard, to recognize it later.
    ours: Option<[u8; 32]>,
    /// Whether the terminal's clipboard may hold a text that was sent to it.
    sent: bool,
    /// The digest of the text that was last sent to the terminal.
    last: Option<[u8; 32]>,
}

impl fmt::Debug for Clipboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clipboard")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Clipboard {
    /// Creates the clipboard. With `osc52` off, nothing is sent through the terminal. Nothing is
    /// tried before the first copy.
    #[must_use]
    pub fn new(environment: Environment, osc52: bool) -> Self {
        Self {
            environment,
            osc52,
            desktop: Desktop::Untried,
            ours: None,
            sent: false,
            last: None,
        }
    }

    /// Copies the secret, within two seconds. `terminal` is the writer of the program's screen.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if no clipboard can be reached; the secret must then be shown.
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
        let transport = self.environment.transport(self.osc52);
        let nested = self.environment.nested;
        // Both run concurrently, so that a slow answer does not turn a successful copy into a
        // failure.
        let (sent, doubt) = tokio::join!(
            self.send(secret.expose_secret(), terminal),
            doubt_about(transport, nested)
        );
        if let Err(reason) = sent {
            return Err(match refused {
                Some(refused) => format!("{refused}, and {reason}"),
                None => reason,
            });
        }
        Ok(doubt.map_or(Delivery::Sent, Delivery::Doubtful))
    }

    /// Returns why a text sent to the terminal may not arrive, if a program on the way can tell.
    pub async fn doubt(&self) -> Option<DeliveryDoubt> {
        doubt_about(
            self.environment.transport(self.osc52),
            self.environment.nested,
        )
        .await
    }

    /// Clears the desktop's clipboard if it still holds the copied text, and returns whether it was
    /// cleared. Called at the end of the countdown and on quitting.
    pub async fn clear_if_ours(&mut self) -> bool {
        match self.ours.take() {
            Some(ours) => self.desktop.clear(ours).await.unwrap_or(false),
            None => false,
        }
    }

    /// Removes the copied text: clears the desktop's clipboard if it still holds the text, and
    /// overwrites the terminal's clipboard unless every copy went to the desktop's.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if the terminal's clipboard cannot be reached.
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

    /// Describes in one line the route that a copy would take, and why.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = if self.environment.ssh {
            "over SSH, "
        } else {
            ""
        };
        let terminal = match self.environment.transport(self.osc52) {
            Ok(TerminalTransport::Tmux) => "sent to the terminal by tmux (3.2 or newer)".to_owned(),
            Ok(TerminalTransport::Screen) => {
                "sent to the terminal through GNU screen (OSC 52)".to_owned()
            }
            Ok(TerminalTransport::Plain) => "sent to the terminal (OSC 52)".to_owned(),
            Err(reason) => format!("shown on the screen ({reason})"),
        };
        if self.environment.desktop() {
            format!("copied to the desktop's clipboard; if that fails, {terminal}")
        } else {
            format!("{place}{terminal}")
        }
    }

    /// Whether the terminal that is attached to tmux is connected over SSH. A program in tmux keeps
    /// the variables of the terminal in which it was started, so tmux is asked.
    async fn attached_over_ssh(&self) -> bool {
        self.environment.multiplexer == Some(Multiplexer::Tmux)
            && tmux::ask(&["show-environment", "SSH_CONNECTION"], None)
                .await
                .is_ok_and(|line| line.starts_with("SSH_CONNECTION="))
    }

    /// Sends a text to the terminal. If it equals the text sent last, another text is sent first,
    /// because mosh forwards only changes.
    async fn send(&mut self, text: &str, terminal: &mut impl Write) -> Result<(), String> {
        if self.last.replace(digest(text)) == Some(digest(text)) && text != NEUTRAL {
            self.hand_over(NEUTRAL, terminal).await?;
            sleep(BETWEEN).await;
        }
        self.hand_over(text, terminal).await?;
        self.sent = true;
        Ok(())
    }

    async fn hand_over(&self, text: &str, terminal: &mut impl Write) -> Result<(), String> {
        match self.environment.transport(self.osc52)? {
            TerminalTransport::Tmux => tmux::send(text, self.environment.nested, terminal).await,
            TerminalTransport::Screen => write(terminal, &for_screen(&osc52(text))),
            TerminalTransport::Plain => write(terminal, &osc52(text)),
        }
    }
}

async fn doubt_about(
    transport: Result<TerminalTransport, String>,
    nested: bool,
) -> Option<DeliveryDoubt> {
    match transport {
        Ok(TerminalTransport::Tmux) => doubt::of_tmux(nested).await,
        _ => None,
    }
}

fn write(terminal: &mut impl Write, sequence: &[u8]) -> Result<(), String> {
    terminal
        .write_all(sequence)
        .and_then(|()| terminal.flush())
        .map_err(|error| format!("the terminal could not be written to ({error})"))
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
    fn the_transport_follows_from_the_environment() {
        use TerminalTransport::{Plain, Screen, Tmux};
        for (variables, desktop, transport) in [
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
            assert_eq!(environment.transport(true).ok(), transport, "{variables}");
            assert!(environment.transport(false).is_err(), "{variables}");
        }
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
    async fn the_same_text_is_sent_again_after_another() {
        let mut clipboard = Clipboard::new(environment("TERM=xterm SSH_TTY=/dev/pts/1"), true);
        let mut terminal = Vec::new();
        for text in ["hello", "hello", "other"] {
            let copied = clipboard.copy(&text.into(), &mut terminal).await;
            assert_eq!(copied, Ok(Delivery::Sent));
        }
        let sent = String::from_utf8_lossy(&terminal).replace("\x1b]52;c;", "");
        assert_eq!(sent, "aGVsbG8=\x07IA==\x07aGVsbG8=\x07b3RoZXI=\x07");
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
