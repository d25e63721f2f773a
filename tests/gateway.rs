//! Tests of the endpoint: the real binary behind real connections, on SQLite and on PostgreSQL, and
//! the real gateways in front of it with the configuration files that are shipped.
#[path = "gateway/asking.rs"]
mod asking;
#[path = "gateway/attacks.rs"]
mod attacks;
#[path = "gateway/bad_days.rs"]
mod bad_days;
#[path = "support/between.rs"]
mod between;
#[path = "support/history.rs"]
mod checker;
#[path = "support/command.rs"]
mod command;
#[path = "gateway/counting.rs"]
mod counting;
#[path = "gateway/doctor.rs"]
mod doctor;
#[path = "support/draft.rs"]
mod draft;
#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "gateway/explaining.rs"]
mod explaining;
#[path = "gateway/following.rs"]
mod following;
#[path = "support/gateways.rs"]
mod gateways;
#[path = "gateway/history.rs"]
mod history;
#[path = "support/http.rs"]
mod http;
#[path = "gateway/limits.rs"]
mod limits;
#[path = "gateway/peers.rs"]
mod peers;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "gateway/prefixes.rs"]
mod prefixes;
#[path = "gateway/recipes.rs"]
mod recipes;
#[path = "gateway/remembering.rs"]
mod remembering;
#[path = "support/screen.rs"]
#[expect(dead_code, reason = "the terminal's suite uses the rest of it")]
mod screen;
#[path = "gateway/serving.rs"]
mod serving;
#[path = "gateway/syslog.rs"]
mod syslog;
#[path = "support/waiting.rs"]
mod waiting;
