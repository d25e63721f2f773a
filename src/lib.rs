//! x
pub mod cli;
#[path = "tui/clipboard.rs"]
pub mod clipboard;
pub mod config;
pub mod domain;
pub mod keyring;
pub mod machine;
pub mod store;
pub mod vault;
