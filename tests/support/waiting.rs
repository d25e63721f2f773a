//! Waiting for something that must come, without sleeping for a time that is too long or short.
use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline for what would otherwise hang"
)]
fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until it is so.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = now() + Duration::from_secs(30);
    while !is_so() {
        assert!(now() < deadline, "it did not come to that: {what}");
        std::thread::yield_now();
    }
}

/// How long something took.
pub fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = now();
    let done = work();
    (done, began.elapsed())
}
