//! Claviger hands out API keys, shows what each may do, revokes them, and enforces them.
//!
//! The modules, from the user interfaces to the core:
//!
//! ```text
//! config    the settings: flags, environment, configuration file
//! cli       the command line: a subcommand makes one call on the keyring and prints its result
//! tui       the terminal user interface: update(model, message) -> effect, view(model)
//! gateway   the endpoint that a gateway asks about every request
//! clipboard the destination of a copied token, and its removal from there
//! keyring   the use cases, one function each; the only access to the store and the vault
//! store     one store over SQLite and PostgreSQL; the only module that contains SQL
//! vault     the master key and the sealing of tokens; no other module sees key material
//! journal   the destination of the audit log's checkpoints, which database writers cannot change
//! machine   the clock, randomness and the acting user: the interface to this machine
//! domain    keys, grants, allow-lists, decisions: no IO, no async, no clock
//! ```
//!
//! Which module may use which others is defined in `tests/layers.rs`.
pub mod cli;
pub mod clipboard;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod journal;
pub mod keyring;
pub mod machine;
pub mod store;
pub mod tui;
pub mod vault;
