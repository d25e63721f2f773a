//! Queries to tmux about its terminal, and the sending of a text to that terminal.
//!
//! The secret is passed on standard input and never as an argument, and no tmux buffer keeps it.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::sequence::{for_tmux, osc52};
use super::write;

const TMUX: Duration = Duration::from_secs(1);

/// Sends a text to the terminal's clipboard. A tmux without configuration silently drops a request
/// for the clipboard, wrapped or not. If tmux is configured to forward wrapped sequences, that is
/// the best route. Otherwise tmux itself is told to send the text, from a buffer that is deleted at
/// once. (With `set-clipboard on` tmux would accept a plain request too, but would keep the text in
/// a buffer.) If GNU screen is involved (`nested`), nothing is wrapped, because screen would print
/// it.
pub(super) async fn send(
    text: &str,
    nested: bool,
    terminal: &mut impl Write,
) -> Result<(), String> {
    let (passes_through, terminals) =
        tokio::join!(passes_through(), ask(&["show-messages", "-T"], None));
    if !nested && passes_through {
        return write(terminal, &for_tmux(&osc52(text)));
    }
    if terminals.is_ok_and(|capabilities| lacks_clipboard(&capabilities)) {
        return Err("tmux knows of none in this terminal".to_owned());
    }
    let buffer = format!("claviger-{}", std::process::id());
    let load = ["load-buffer", "-w", "-b", &buffer, "-"];
    let delete = ["delete-buffer", "-b", &buffer];
    // One command line for both, so that the buffer is deleted even if this program ends.
    let both = [&load[..], &[";"], &delete[..]].concat();
    let sent = ask(&both, Some(text)).await;
    if sent.is_err() {
        let _ = ask(&delete, None).await;
    }
    sent.map(drop)
}

/// Whether tmux forwards sequences that are wrapped for it.
pub(super) async fn passes_through() -> bool {
    ask(&["show", "-Apv", "allow-passthrough"], None)
        .await
        .is_ok_and(|value| matches!(value.trim(), "on" | "all"))
}

/// Whether all terminals in tmux's list of capabilities lack the sequence that sets a clipboard
/// (`Ms`).
fn lacks_clipboard(capabilities: &str) -> bool {
    let mut known = capabilities.lines().filter(|line| line.contains(" Ms: "));
    known.clone().next().is_some() && known.all(|line| line.contains("[missing]"))
}

/// Runs tmux and returns its output. The input is never an argument, which every user could read.
pub(super) async fn ask(arguments: &[&str], input: Option<&str>) -> Result<String, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_clipboard_is_known_to_tmux() {
        assert!(lacks_clipboard("Terminal 0: linux\n 192: Ms: [missing]\n"));
        assert!(!lacks_clipboard(
            " 192: Ms: [missing]\n 192: Ms: (string) x\n"
        ));
        assert!(!lacks_clipboard(""));
    }
}
