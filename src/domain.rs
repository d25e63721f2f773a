//! The domain: rules and data, without IO, async code or a clock.
//!
//! Each type validates its values in one constructor, so a value that exists is valid. Time and
//! randomness are passed in as arguments. To add a rule, add it to the constructor of the type that
//! it concerns; code outside the domain does not validate again.
pub mod access;
pub mod agent;
pub mod allowlist;
pub mod approval;
pub mod attention;
pub mod audit;
pub mod authorization;
pub mod conditions;
pub mod decision;
pub mod explain;
pub mod facet;
pub mod forwarded;
pub mod hygiene;
pub mod key;
pub mod label;
pub mod listing;
pub mod location;
pub mod member;
pub mod moment;
pub mod notice;
pub mod owner;
pub mod policy;
pub mod quota;
pub mod rate_limit;
pub mod review;
pub mod route;
pub mod sealed;
pub mod text;
pub mod token;
pub mod usage;
