//! Reasons why a text sent to the terminal may not arrive.
//!
//! tmux 3.3a writes the clipboard sequence without a target (`52;;`) unless its configuration says
//! otherwise, and mosh 1.4 forwards only sequences with a target (`52;c;`). GNU screen around tmux,
//! and tmux around another tmux, do not forward such sequences.

use std::fmt;

use super::tmux;

/// The reason why a text may not arrive, and what to do about it. Displayed as a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryDoubt {
    /// tmux runs under mosh, and writes the sequence that mosh drops.
    Mosh,
    /// tmux runs inside GNU screen.
    Screen,
    /// tmux runs inside another tmux.
    Tmux,
}

impl fmt::Display for DeliveryDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosh => {
                "mosh drops what this tmux writes. Add to ~/.tmux.conf, and restart tmux: \
                 set -as terminal-overrides ',*:Ms=\\E]52;c;%p2%s\\7'"
            }
            Self::Screen => "GNU screen lies around this tmux and keeps it",
            Self::Tmux => {
                "another tmux lies around this one and keeps it, unless it has `set -g set-clipboard on`"
            }
        })
    }
}

/// Returns why a text that tmux sends may not arrive at the attached terminal, or `None` if no
/// reason is known.
pub(super) async fn of_tmux(nested: bool) -> Option<DeliveryDoubt> {
    let client = ["display-message", "-p", "#{client_pid} #{client_termname}"];
    let (client, terminals, passes_through) = tokio::join!(
        tmux::ask(&client, None),
        tmux::ask(&["show-messages", "-T"], None),
        tmux::passes_through(),
    );
    let (client, terminals) = (client.ok()?, terminals.unwrap_or_default());
    let (process, term) = client.trim().split_once(' ')?;
    let has_ancestor = |name: &str| {
        let process = process.parse().unwrap_or(0);
        ancestors(process).iter().any(|it| it.starts_with(name))
    };
    if has_ancestor("screen") || has_ancestor("SCREEN") {
        return Some(DeliveryDoubt::Screen);
    }
    if term.starts_with("tmux") || term.starts_with("screen") {
        return Some(DeliveryDoubt::Tmux);
    }
    // A sequence that is wrapped for tmux has its target.
    let is_wrapped = !nested && passes_through;
    let is_open = !is_wrapped && leaves_target_open(&terminals);
    (is_open && has_ancestor("mosh-server")).then_some(DeliveryDoubt::Mosh)
}

/// Whether tmux's list of its terminals' capabilities contains a clipboard sequence (`Ms`) that
/// leaves the target open. tmux 3.3a then writes an empty target.
fn leaves_target_open(capabilities: &str) -> bool {
    let mut known = capabilities.lines().filter(|line| line.contains(" Ms: "));
    known.any(|line| line.contains("%p1"))
}

/// Returns the names of a process and of its ancestors, the nearest first, as far as Linux reports
/// them.
fn ancestors(process: u32) -> Vec<String> {
    const MAX_ANCESTORS: usize = 64;
    let mut names = Vec::new();
    let mut process = process;
    while process > 1 && names.len() < MAX_ANCESTORS {
        // proc(5): the second field is the name in parentheses, which may contain any character;
        // the fourth is the parent.
        let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
            break;
        };
        let (Some(open), Some(close)) = (status.find('('), status.rfind(')')) else {
            break;
        };
        names.push(status[open + 1..close].to_owned());
        let parent = status[close + 1..].split_whitespace().nth(1);
        process = parent.and_then(|parent| parent.parse().ok()).unwrap_or(0);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fills_in_the_target_is_read_from_tmux() {
        for (capabilities, expected) in [
            (" 192: Ms: (string) \\033]52;%p1%s;%p2%s\\a\n", true),
            (" 192: Ms: (string) \\033]52;c;%p2%s\\a\n", false),
            (" 192: Ms: [missing]\n 193: X: %p1\n", false),
        ] {
            assert_eq!(leaves_target_open(capabilities), expected, "{capabilities}");
        }
    }

    #[test]
    fn the_ancestors_of_a_process_have_names() {
        let names = ancestors(std::process::id());
        assert!(names.len() > 1, "{names:?}");
    }
}
