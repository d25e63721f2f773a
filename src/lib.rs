//! Claviger hands out API keys, shows what each may do, takes them back, and enforces them.
//!
//! The map of the program, from the door inwards:
//!
//! ```text
//! config    what was asked for: flags, environment, file
//! cli       the command line: a subcommand is one call on the keyring and one print
//! startup   opens the keyring that the configuration names
//! tui       the terminal user interface: update(model, message) -> effect, view(model)
//! gateway   the endpoint that a gateway asks about every request
//! clipboard where a copied token goes, and how it goes away again
//! keyring   the use cases, one function each; the only door to the store and the vault
//! store     one store over SQLite and PostgreSQL; the only place that knows SQL
//! vault     the master key and the sealing of tokens; nothing else sees key material
//! journal   where checkpoints of the audit log are kept, out of the writer's reach
//! machine   the clock, chance, the one who sits there: the edge to this machine
//! domain    keys, grants, allow-lists, decisions: no IO, no async, no clock
//! ```
//!
//! Imports point downwards; `tests/layers.rs` lists which module may import which.
#![warn(unreachable_pub)]

pub mod cli;
pub mod clipboard;
pub mod config;
pub mod domain;
pub mod gateway;
mod journal;
pub mod keyring;
pub mod machine;
pub mod startup;
mod store;
pub mod tui;
mod vault;
