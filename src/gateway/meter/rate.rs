//! The memory of one key's rate limit, by the generic cell rate algorithm. It holds no clock: the
//! time of each request is an argument.
use std::time::{Duration, Instant};

use gcra::{GcraError, GcraState};

use crate::domain::rate_limit::RateLimit;

/// What an endpoint remembers about one key's rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateState {
    limit: RateLimit,
    state: GcraState,
}

impl RateState {
    /// Creates a state with nothing charged: the whole burst may pass.
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            state: GcraState::default(),
        }
    }

    /// Returns the limit.
    pub(super) const fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Charges one request, if it may pass now.
    ///
    /// # Errors
    /// Returns the time until the next request may pass; then nothing is charged.
    pub(super) fn charge(&mut self, now: Instant) -> Result<(), Duration> {
        let interval = self.limit.interval();
        // The crate's period is the tolerance, so it is the time in which a burst is regained.
        let parameters = gcra::RateLimit {
            resource_limit: self.limit.burst(),
            period: interval * self.limit.burst(),
            emission_interval: interval,
        };
        match self.state.check_and_modify_at(&parameters, now, 1) {
            Ok(()) => Ok(()),
            Err(GcraError::DeniedUntil { next_allowed_at }) => {
                Err(next_allowed_at.saturating_duration_since(now))
            }
            // One request never costs more than a burst, which is at least one.
            Err(GcraError::DeniedIndefinitely { .. }) => Err(parameters.period),
        }
    }

    /// Returns `true` if the whole burst may pass again, so that the state can be dropped.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.state.tat.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any point in time will do")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(text: &str) -> RateLimit {
        text.parse().expect(text)
    }

    #[test]
    fn the_burst_passes_at_once_and_then_one_each_interval() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut state = RateState::new(limit("60/minute:3"));
        for _ in 0..3 {
            assert_eq!(state.charge(start), Ok(()));
        }
        assert_eq!(state.charge(start), Err(Duration::from_secs(1)));
        assert_eq!(state.charge(at(999)), Err(Duration::from_millis(1)));
        assert_eq!(state.charge(at(1_000)), Ok(()));
        assert_eq!(state.charge(at(1_000)), Err(Duration::from_secs(1)));
        assert!(!state.is_rested(at(3_999)));
        assert!(state.is_rested(at(4_000)));
        for _ in 0..3 {
            assert_eq!(state.charge(at(10_000)), Ok(()));
        }
        assert!(state.charge(at(10_000)).is_err());
    }

    proptest! {
        /// In any stretch of time no more pass than the burst and one for each interval in it.
        #[test]
        fn never_more_than_the_limit(
            count in 1u32..200, burst in 1u32..50,
            pauses in proptest::collection::vec(0u64..400, 1..200),
        ) {
            let limit = limit(&format!("{count}/second:{burst}"));
            let start = Instant::now();
            let mut state = RateState::new(limit);
            let mut now = start;
            let mut passed = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                if state.charge(now).is_ok() {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, until) in passed.iter().enumerate().skip(first) {
                    let most = (*until - *from).as_nanos() / limit.interval().as_nanos();
                    prop_assert!((last - first) as u128 <= most + u128::from(burst) - 1 + 1);
                }
            }
        }
    }
}
