//! No IO, no async, no clock below this line.
//!
//! The domain is made of types with one door each: a value that exists is a value that is valid.
//! Time and chance come in as arguments. To add a rule, find the type that it is a rule of and
//! put it into that type's constructor; nothing outside checks again.
pub mod access;
pub mod agent;
pub mod allowlist;
pub mod attention;
pub mod audit;
pub mod authorization;
pub mod conditions;
pub mod decision;
pub mod explain;
pub mod forwarded;
pub mod hygiene;
pub mod key;
pub mod listing;
pub mod location;
pub mod member;
pub mod moment;
pub mod policy;
pub mod review;
pub mod route;
pub mod sealed;
pub mod text;
pub mod token;
pub mod usage;
