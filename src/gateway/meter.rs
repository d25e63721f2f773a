//! Charges requests against the limits of their keys.
//!
//! Rate limits are counted here, in the memory of this process and apart from the cache of key
//! records, so that only a restart or a change of the limit resets one. Of quotas, this process
//! reserves shares in the store and spends them here; a share is durable before a request passes by
//! it, so what passes never exceeds the quota. Neither limit is charged unless both let the request
//! pass. A limit that cannot be charged is an error, and never an allow.
mod rate;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rate::RateState;

use super::lookup::Undecided;
use crate::{
    domain::{
        decision::{Exhausted, Rules},
        moment::Moment,
        quota::Quota,
        token::KeyId,
    },
    keyring::Decider,
};

/// The time limit for a request with its look-up and the reserving of a share of a quota, so that it
/// waits for two seconds at most.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1950);
/// For how long a quota that was found used up is not asked for again: another endpoint may have
/// given back what it did not spend.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The number of keys from which those that need no memory are dropped.
const MANY_KEYS: usize = 1024;
/// The time limit for giving back the shares of all keys when the endpoint ends.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(1);

/// What this process remembers about the limits of all keys.
pub(super) struct Meter {
    decider: Arc<Decider>,
    keys: Mutex<Meters>,
}

struct Meters {
    by_key: HashMap<KeyId, Arc<KeyMeter>>,
    /// The number of keys at which those that need no memory are dropped next.
    prune_at: usize,
}

#[derive(Default)]
struct KeyMeter {
    state: Mutex<KeyState>,
    /// Held while a share is reserved, also by a request that has timed out meanwhile: so at most one
    /// share of a key is being reserved, and its requests wait for it together.
    reserving: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct KeyState {
    rate: Option<RateState>,
    share: Option<Share>,
}

/// What is reserved of a quota in one period.
#[derive(Clone, Copy)]
struct Share {
    quota: Quota,
    /// The first moment of the period, and that of the next one.
    period: (Moment, Moment),
    left: i64,
    /// When the store last had nothing more to give.
    used_up_at: Option<Instant>,
}

/// The result of charging a request without reserving anything.
enum Charge {
    Passed,
    Refused(Exhausted),
    /// A share of this quota must be reserved first.
    NeedsShare(Quota),
}

impl Meter {
    /// Creates a meter with nothing charged.
    pub(super) fn new(decider: Arc<Decider>) -> Self {
        Self {
            decider,
            keys: Mutex::new(Meters {
                by_key: HashMap::new(),
                prune_at: MANY_KEYS,
            }),
        }
    }

    /// Charges a request that passes all other checks, if the key's limits let it pass. Returns the
    /// limits that are used up; then nothing is charged. Returns `None` if a share of the quota must
    /// be reserved first, by [`Self::reserve_and_charge`].
    pub(super) fn charge(&self, rules: &Rules, now: Moment) -> Option<Exhausted> {
        let conditions = &rules.conditions;
        if conditions.rate_limit.is_none() && conditions.quota.is_none() {
            return Some(Exhausted::default());
        }
        let known = self.keys().by_key.get(&rules.id).map(Arc::clone);
        let meter = known.unwrap_or_else(|| self.new_meter(&rules.id));
        match self.charge_with(&meter, rules, now) {
            Charge::Passed => Some(Exhausted::default()),
            Charge::Refused(exhausted) => Some(exhausted),
            Charge::NeedsShare(_) => None,
        }
    }

    /// Reserves a share of the quota and charges the request, as [`Self::charge`] does. `began` is
    /// the uptime at which the request came in.
    ///
    /// # Errors
    /// Returns [`Undecided`] if no share of the quota can be reserved in time.
    pub(super) async fn reserve_and_charge(
        &self,
        rules: &Rules,
        began: Duration,
    ) -> Result<Exhausted, Undecided> {
        let meter = self.new_meter(&rules.id);
        let charging = self.reserve(&meter, rules);
        let passed = self.decider.machine().uptime().saturating_sub(began);
        match tokio::time::timeout(REQUEST_TIMEOUT.saturating_sub(passed), charging).await {
            Ok(charged) => charged,
            Err(_) => Err(Undecided::Timeout),
        }
    }

    async fn reserve(&self, meter: &Arc<KeyMeter>, rules: &Rules) -> Result<Exhausted, Undecided> {
        loop {
            let reserving = Arc::clone(&meter.reserving).lock_owned().await;
            // While this request waited, another one may have reserved a share, and a new day may have
            // begun. A new share belongs to the period of the present time.
            let now = self.decider.machine().now();
            let quota = match self.charge_with(meter, rules, now) {
                Charge::Passed => return Ok(Exhausted::default()),
                Charge::Refused(exhausted) => return Ok(exhausted),
                Charge::NeedsShare(quota) => quota,
            };
            // In a task of its own: a client that goes away must not waste a share.
            let (decider, meter, id) = (self.decider.clone(), meter.clone(), rules.id.clone());
            let reservation = tokio::spawn(async move {
                let _reserving = reserving;
                let share = decider.reserve_quota(&id, quota, now).await?;
                meter
                    .state()
                    .take_share(quota, now, share, decider.machine().instant());
                Ok::<(), Undecided>(())
            });
            reservation.await.unwrap_or(Err(Undecided::Ending))?;
        }
    }

    fn charge_with(&self, meter: &KeyMeter, rules: &Rules, now: Moment) -> Charge {
        let instant = self.decider.machine().instant();
        meter.state().charge(rules, now, instant)
    }

    /// Returns the memory of a key, which begins empty; the known one if there is one by now.
    fn new_meter(&self, id: &KeyId) -> Arc<KeyMeter> {
        let mut keys = self.keys();
        if let Some(meter) = keys.by_key.get(id) {
            return Arc::clone(meter);
        }
        if keys.by_key.len() >= keys.prune_at {
            let machine = self.decider.machine();
            let (instant, now) = (machine.instant(), machine.now());
            keys.by_key.retain(|_, meter| {
                Arc::strong_count(meter) > 1 || meter.state().is_needed(now, instant)
            });
            keys.prune_at = (keys.by_key.len() * 2).max(MANY_KEYS);
        }
        let meter = Arc::<KeyMeter>::default();
        keys.by_key.insert(id.clone(), Arc::clone(&meter));
        meter
    }

    fn keys(&self) -> MutexGuard<'_, Meters> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what was reserved and not spent, as far as there is time.
    pub(super) async fn give_back(&self) {
        let held = std::mem::take(&mut self.keys().by_key);
        let giving = async {
            for (id, meter) in held {
                let share = meter.state().share.take().filter(|share| share.left > 0);
                let Some(share) = share else { continue };
                let (quota, left) = (share.quota, share.left);
                let given = self
                    .decider
                    .give_back_quota(&id, quota, left, share.period.0);
                if let Err(error) = given.await {
                    tracing::warn!(%error, "what was not spent of the quotas could not be given back");
                    return;
                }
            }
        };
        if tokio::time::timeout(GIVE_BACK_TIMEOUT, giving)
            .await
            .is_err()
        {
            tracing::warn!("what was not spent of some quotas could not be given back in time");
        }
    }
}

impl KeyMeter {
    fn state(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyState {
    fn charge(&mut self, rules: &Rules, now: Moment, instant: Instant) -> Charge {
        // The rate is charged on a copy, which is kept only if the quota lets the request pass.
        let mut rate = rules.conditions.rate_limit.map(|limit| {
            let known = self.rate.filter(|state| state.limit() == limit);
            known.unwrap_or_else(|| RateState::new(limit))
        });
        if let Some(Err(wait)) = rate.as_mut().map(|state| state.charge(instant)) {
            return Charge::Refused(Exhausted {
                rate_limit_until: Some(now.plus(millis_up(wait))),
                quota_until: None,
            });
        }
        if let Some(quota) = rules.conditions.quota {
            let share = self.share.as_mut();
            match share.filter(|share| share.is_of(quota, now)) {
                Some(share) if share.left > 0 => share.left -= 1,
                Some(share) if share.is_used_up(instant) => {
                    return Charge::Refused(Exhausted {
                        rate_limit_until: None,
                        quota_until: Some(share.period.1),
                    });
                }
                _ => return Charge::NeedsShare(quota),
            }
        }
        self.rate = rate;
        Charge::Passed
    }

    /// Takes in what the store gave: 0 if the quota is used up.
    fn take_share(&mut self, quota: Quota, now: Moment, given: i64, instant: Instant) {
        let period = quota.period().around(now);
        // What is left of the same period belongs to the same count in the store, also if the quota was
        // changed meanwhile. If the store gave something, all of that count is within the quota; if
        // not, the quota may have become smaller than what is left.
        let same = |share: &Share| share.period == period && share.quota.period() == quota.period();
        let kept = self.share.filter(|share| given > 0 && same(share));
        let left = kept.map_or(0, |share| share.left);
        self.share = Some(Share {
            quota,
            period,
            left: left + given,
            used_up_at: (given == 0).then_some(instant),
        });
    }

    /// Returns `true` if forgetting this would let more requests pass, or waste a share.
    fn is_needed(&self, now: Moment, instant: Instant) -> bool {
        let rested = self.rate.is_none_or(|state| state.is_rested(instant));
        let spent = self
            .share
            .is_none_or(|share| share.left == 0 || share.period.1 <= now);
        !(rested && spent)
    }
}

impl Share {
    /// Returns `true` if the share is of this quota, in the period that contains the time. The
    /// calendar is not asked: that would cost as much as the rest of a charge.
    fn is_of(&self, quota: Quota, now: Moment) -> bool {
        self.quota == quota && (self.period.0..self.period.1).contains(&now)
    }

    fn is_used_up(&self, instant: Instant) -> bool {
        let asked = self.used_up_at;
        asked.is_some_and(|at| instant.saturating_duration_since(at) < ASK_AGAIN)
    }
}

/// Returns a time in milliseconds, rounded up, at least 1.
fn millis_up(time: Duration) -> i64 {
    let millis = time.as_micros().div_ceil(1000).max(1);
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{conditions::Conditions, label::Labels, moment::DAY};

    #[test]
    fn a_clock_that_is_set_back_and_forth_lets_no_more_pass_than_each_days_quota() {
        let quota: Quota = "3/day".parse().expect("a quota");
        let rules = Rules {
            id: "0123456789AB".parse().expect("an id"),
            name: "key".into(),
            agent: "default".parse().expect("an agent"),
            owner: None,
            labels: Labels::default(),
            conditions: Conditions {
                quota: Some(quota),
                ..Conditions::none()
            },
            disabled_at: None,
            pending_at: None,
            previous_tokens: Vec::new(),
        };
        let mut state = KeyState::default();
        let mut instant = crate::machine::Machine::fixed(Moment::from_millis(0), "test").instant();
        // The reserved requests and the passed requests, by day.
        let (mut reserved, mut passed) = (HashMap::new(), HashMap::new());
        for day in [5, 4, 5, 5, 4, 6, 5, 4, 4, 6, 5, 6, 6, 4, 5, 6] {
            let now = Moment::from_millis(day * DAY + 1);
            instant += ASK_AGAIN;
            let charged = match state.charge(&rules, now, instant) {
                Charge::NeedsShare(_) => {
                    let used = reserved.entry(day).or_insert(0);
                    let given = i64::from(*used < quota.count());
                    *used += given;
                    state.take_share(quota, now, given, instant);
                    state.charge(&rules, now, instant)
                }
                charged => charged,
            };
            match charged {
                Charge::Passed => *passed.entry(day).or_insert(0) += 1,
                Charge::Refused(exhausted) => {
                    let next = Moment::from_millis((day + 1) * DAY);
                    assert_eq!(exhausted.quota_until, Some(next));
                }
                Charge::NeedsShare(_) => panic!("a share was just given"),
            }
        }
        assert_eq!(passed, HashMap::from([(4, 3), (5, 3), (6, 3)]));
    }
}
