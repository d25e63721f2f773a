//! Uses and refusals that wait to be written: counts, last uses and refusals, in bounded memory.
use std::collections::{HashMap, VecDeque, hash_map::Entry};

use crate::domain::{
    authorization::AllowedUse,
    decision::{PreviousToken, Target},
    forwarded::ClientAddress,
    key::LastUse,
    moment::{HOUR, Moment},
    token::KeyId,
    usage::{
        KEPT_OF_SOURCE, KEPT_REFUSALS, KeyUse, PreviousTokenUse, Refusal, Source, Tally, UsageKind,
        Verdict, hour,
    },
};

/// The maximum number of waiting keys; the uses of further ones are not recorded.
pub(super) const MAX_PENDING_KEYS: usize = 200_000;
/// The number of counts of one key from which further sources are counted together, and the number
/// from which all sources and all hours are. Beyond that, only areas, actions and reasons are
/// counted separately, and their number is limited.
const MAX_SEPARATE_COUNTS: usize = 64;
const MOST_APART: usize = 256;
/// The maximum number of sources whose refusals that match no key are kept between two writes.
const UNMATCHED_SOURCES: usize = 50;

/// The uses and refusals that wait to be written.
#[derive(Default)]
pub(super) struct Waiting {
    keys: HashMap<KeyId, Pending>,
    unmatched: HashMap<Source, VecDeque<Refusal>>,
}

/// The uses and refusals of one key that wait to be written.
#[derive(Default)]
struct Pending {
    last: Option<LastUse>,
    refused: Option<(i64, Moment)>,
    tallies: Vec<Tally>,
    previous_tokens: Vec<PreviousTokenUse>,
    refusals: VecDeque<Refusal>,
}

impl Waiting {
    /// Returns the number of waiting keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns `true` if nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.unmatched.is_empty()
    }

    /// Records an allowed use.
    pub(super) fn allowed(&mut self, used: AllowedUse<'_>) {
        let note = |pending: &mut Pending| {
            pending.used(used.last());
            pending.count(used.target, used.address, Verdict::Allowed, used.at);
            if let Some(previous) = used.previous {
                pending.record_previous_token_uses(previous, used.last());
            }
        };
        // The key is nearly always waiting already: one lookup, and no copy of the id.
        match self.keys.get_mut(used.key) {
            Some(pending) => note(pending),
            None => drop(self.of(used.key).map(note)),
        }
    }

    /// Records a refusal of a request with this key's token.
    pub(super) fn refused(&mut self, id: &KeyId, refusal: Refusal) {
        let Some(pending) = self.of(id) else { return };
        let verdict = Verdict::Refused(refusal.reason);
        pending.count(&refusal.target, refusal.address, verdict, refusal.at);
        pending.was_refused(refusal.at);
        keep(&mut pending.refusals, refusal, KEPT_REFUSALS);
    }

    /// Records a refusal of a request whose credential matches no key. Only the first ones of each
    /// source between two writes are kept, so that a flood affects only its own source.
    pub(super) fn unmatched(
        &mut self,
        from: ClientAddress,
        refusal: impl FnOnce() -> Option<Refusal>,
    ) {
        let kept = self.of_source(from);
        if let Some(kept) = kept.filter(|kept| kept.len() < KEPT_OF_SOURCE) {
            kept.extend(refusal());
        }
    }

    fn of(&mut self, id: &KeyId) -> Option<&mut Pending> {
        if !self.keys.contains_key(id) {
            if self.keys.len() >= MAX_PENDING_KEYS {
                return None;
            }
            self.keys.insert(id.clone(), Pending::default());
        }
        self.keys.get_mut(id)
    }

    /// Takes out everything that waits; the new map has room for as many keys.
    pub(super) fn take(&mut self) -> Self {
        let room = HashMap::with_capacity(self.keys.len());
        Self {
            keys: std::mem::replace(&mut self.keys, room),
            unmatched: std::mem::take(&mut self.unmatched),
        }
    }

    /// Returns each key's uses and refusals, and the refusals that match no key.
    pub(super) fn into_parts(
        self,
    ) -> (
        impl Iterator<Item = (KeyUse, VecDeque<Refusal>)>,
        Vec<Refusal>,
    ) {
        let keys = self.keys.into_iter().map(|(id, pending)| {
            let one = KeyUse {
                id,
                last: pending.last,
                refused: pending.refused,
                tallies: pending.tallies,
                previous_tokens: pending.previous_tokens,
            };
            (one, pending.refusals)
        });
        (keys, self.unmatched.into_values().flatten().collect())
    }

    fn of_source(&mut self, from: ClientAddress) -> Option<&mut VecDeque<Refusal>> {
        let sources = self.unmatched.len();
        match self.unmatched.entry(from.into()) {
            Entry::Occupied(kept) => Some(kept.into_mut()),
            Entry::Vacant(_) if sources >= UNMATCHED_SOURCES => None,
            Entry::Vacant(free) => Some(free.insert(VecDeque::new())),
        }
    }
}

/// Appends a refusal, and drops the oldest one if there are `most`.
fn keep(kept: &mut VecDeque<Refusal>, refusal: Refusal, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(refusal);
}

impl Pending {
    fn used(&mut self, usage: LastUse) {
        if self.last.is_none_or(|known| known.at <= usage.at) {
            self.last = Some(usage);
        }
    }

    fn was_refused(&mut self, at: Moment) {
        let (before, last) = self.refused.unwrap_or((0, at));
        self.refused = Some((before + 1, last.max(at)));
    }

    fn record_previous_token_uses(&mut self, previous: &PreviousToken, last: LastUse) {
        let same = |known: &&mut PreviousTokenUse| known.digest == previous.digest;
        match self.previous_tokens.iter_mut().find(same) {
            Some(known) => {
                known.count += 1;
                if known.last.at <= last.at {
                    known.last = last;
                }
            }
            None => self.previous_tokens.push(PreviousTokenUse {
                digest: previous.digest,
                count: 1,
                last,
            }),
        }
    }

    /// Counts one request, without copying anything if the same kind is already counted.
    fn count(&mut self, target: &Target, from: ClientAddress, verdict: Verdict, at: Moment) {
        let (began_at, source) = (hour(at), Source::from(from));
        let same = |tally: &&mut Tally| {
            tally.began_at == began_at
                && tally.kind.source == source
                && tally.kind.verdict == verdict
                && match (&tally.kind.target, target) {
                    (Some((area, action)), Target::Routed(of, what)) => {
                        area == of && action == what
                    }
                    (None, Target::NoRoute(_)) => true,
                    _ => false,
                }
        };
        if let Some(known) = self.tallies.iter_mut().find(same) {
            known.count += 1;
            return;
        }
        self.add(Tally {
            began_at,
            span: HOUR,
            kind: UsageKind::of(target, from, verdict),
            count: 1,
        });
    }

    fn add(&mut self, mut tally: Tally) {
        if self.tallies.len() >= MAX_SEPARATE_COUNTS {
            let apart = |known: &Tally| known.kind.source == tally.kind.source;
            if self.tallies.len() >= MOST_APART || !self.tallies.iter().any(apart) {
                tally.kind.source = Source::Rest;
            }
        }
        let any_hour = self.tallies.len() >= MOST_APART;
        let same = |known: &&mut Tally| {
            known.kind == tally.kind && (any_hour || known.began_at == tally.began_at)
        };
        match self.tallies.iter_mut().find(same) {
            Some(known) => known.count += tally.count,
            None => self.tallies.push(tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::domain::token::{Token, TokenPrefix};

    fn used<'a>(
        key: &'a KeyId,
        previous: Option<&'a PreviousToken>,
        target: &'a Target,
        address: ClientAddress,
        at: Moment,
    ) -> AllowedUse<'a> {
        AllowedUse {
            key,
            previous,
            target,
            address,
            at,
        }
    }
    use crate::domain::{
        access::Action,
        decision::{DecisionIds, Reason},
        forwarded::Hop,
        usage::RequestedAccess,
    };

    fn id() -> KeyId {
        "0123456789AB".parse().expect("an id")
    }

    fn contacts() -> Target {
        Target::Routed("contacts".parse().expect("a slug"), Action::Read)
    }

    fn from(n: u32) -> ClientAddress {
        ClientAddress::Known(Ipv4Addr::from(n).into())
    }

    fn refusal(ids: &DecisionIds, n: u32, key: Option<KeyId>) -> Refusal {
        Refusal {
            id: ids.next(),
            at: Moment::from_millis(i64::from(n)),
            reason: Reason::ActionNotPermitted,
            passes_at: None,
            detail: None,
            key,
            named: None,
            token: None,
            address: from(n),
            hop: Hop::Nowhere,
            unreadable: None,
            agent: None,
            wanted: RequestedAccess::named("contacts".parse().expect("a slug"), Action::Read),
            target: contacts(),
        }
    }

    fn ids() -> DecisionIds {
        DecisionIds::draw(&mut |buffer| buffer.fill(1))
    }

    fn parts(waiting: &mut Waiting) -> (Vec<(KeyUse, VecDeque<Refusal>)>, Vec<Refusal>) {
        let (keys, unmatched) = waiting.take().into_parts();
        (keys.collect(), unmatched)
    }

    #[test]
    fn ten_thousand_addresses_are_counted_whole_and_kept_in_few_lines() {
        let mut waiting = Waiting::default();
        for n in 0..10_000 {
            let at = Moment::from_millis(i64::from(n));
            waiting.allowed(used(&id(), None, &contacts(), from(n), at));
        }
        let (keys, _) = parts(&mut waiting);
        let tallies = &keys[0].0.tallies;
        assert!(
            tallies.len() <= MAX_SEPARATE_COUNTS + 1,
            "{}",
            tallies.len()
        );
        assert_eq!(tallies.iter().map(|tally| tally.count).sum::<i64>(), 10_000);
        assert!(waiting.is_empty());
    }

    #[test]
    fn no_use_of_an_area_is_lost_however_many_there_are() {
        let mut waiting = Waiting::default();
        for n in 0..40_000_u32 {
            let area = format!("area{}", n % 100).parse().expect("a slug");
            let target = Target::Routed(area, Action::ALL[n as usize / 100 % 4]);
            // Nothing could be written for days.
            let at = Moment::from_millis(i64::from(n / 400) * HOUR);
            waiting.allowed(used(&id(), None, &target, from(n % 77), at));
        }
        let (keys, _) = parts(&mut waiting);
        let tallies = &keys[0].0.tallies;
        assert_eq!(tallies.iter().map(|tally| tally.count).sum::<i64>(), 40_000);
        let kinds: std::collections::HashSet<_> =
            tallies.iter().map(|tally| &tally.kind.target).collect();
        assert_eq!(kinds.len(), 400, "what was exercised is known");
        assert!(tallies.len() <= MOST_APART + 400, "{}", tallies.len());
    }

    #[test]
    fn a_million_refusals_of_one_source_are_an_exact_count_and_the_last_fifty() {
        let (mut waiting, ids) = (Waiting::default(), ids());
        for n in 0..1_000_000_u32 {
            waiting.refused(&id(), refusal(&ids, n, Some(id())));
            waiting.unmatched(from(7), || Some(refusal(&ids, 7, None)));
        }
        for n in 0..1000 {
            waiting.unmatched(from(n), || Some(refusal(&ids, n, None)));
        }
        let (keys, unmatched) = parts(&mut waiting);
        let (one, refusals) = &keys[0];
        let last = Moment::from_millis(999_999);
        assert_eq!(one.refused, Some((1_000_000, last)));
        assert!(one.tallies.len() <= MOST_APART);
        let counted: i64 = one.tallies.iter().map(|tally| tally.count).sum();
        assert_eq!(counted, 1_000_000);
        let moments: Vec<i64> = refusals.iter().map(|one| one.at.millis()).collect();
        assert_eq!(moments, (999_950..1_000_000).collect::<Vec<_>>());
        assert!(unmatched.len() <= KEPT_OF_SOURCE + UNMATCHED_SOURCES);
    }

    #[test]
    fn the_uses_of_a_token_that_was_rotated_out_are_counted_by_themselves() {
        let mut waiting = Waiting::default();
        let previous = PreviousToken {
            digest: Token::mint(&TokenPrefix::default(), &id(), &mut |b| b.fill(3)).digest(),
            until: Moment::from_millis(0),
        };
        for n in 0..60 {
            let at = Moment::from_millis(i64::from(n));
            waiting.allowed(used(&id(), Some(&previous), &contacts(), from(1), at));
            waiting.allowed(used(&id(), None, &contacts(), from(1), at));
        }
        let (keys, _) = parts(&mut waiting);
        let one = &keys[0].0;
        assert_eq!(
            (one.previous_tokens.len(), one.previous_tokens[0].count),
            (1, 60)
        );
        assert_eq!(one.previous_tokens[0].last.at, Moment::from_millis(59));
        assert_eq!(one.tallies[0].count, 120);
        assert_eq!(one.last.map(|last| last.at), Some(Moment::from_millis(59)));
    }
}
