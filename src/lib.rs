//! x
pub mod config;
pub mod domain;
pub mod keyring;
pub mod machine;
pub mod store;
pub mod vault;
