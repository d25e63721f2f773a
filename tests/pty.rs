//! Tests of the real binary in a real terminal: it starts, works, and restores the terminal.
#[path = "pty/clipboard.rs"]
mod clipboard;
#[path = "support/command.rs"]
#[expect(dead_code, reason = "the command line's suite uses the rest of it")]
mod command;
#[path = "pty/commands.rs"]
mod commands;
#[path = "pty/drawing.rs"]
mod drawing;
#[path = "pty/leaving.rs"]
mod leaving;
#[path = "pty/members.rs"]
mod members;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "pty/requirements.rs"]
mod requirements;
#[path = "support/screen.rs"]
mod screen;
#[path = "support/sshd.rs"]
mod sshd;
#[path = "pty/working.rs"]
mod working;
