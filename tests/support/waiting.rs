//! Waiting for something that must happen, without a sleep that is too long or too short.
use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline for what would otherwise hang"
)]
fn now() -> Instant {
    Instant::now()
}

/// Checks a condition until it holds; panics after 30 seconds.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = now() + Duration::from_secs(30);
    while !is_so() {
        assert!(now() < deadline, "it did not come to that: {what}");
        std::thread::yield_now();
    }
}

/// Runs some work; returns its result and the time it took.
pub fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = now();
    let done = work();
    (done, began.elapsed())
}
