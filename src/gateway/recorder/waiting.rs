//! What waits to be written down: counts, last uses and refusals, in bounded memory.
use std::collections::{HashMap, VecDeque, hash_map::Entry};

use crate::domain::{
    decision::{Former, Target},
    forwarded::ClientAddress,
    key::LastUse,
    moment::{HOUR, Moment},
    token::KeyId,
    usage::{
        FormerUse, KEPT_OF_SOURCE, KEPT_REFUSALS, KeyUse, Kind, Refusal, Source, Tally, Verdict,
        hour,
    },
};

/// How many keys can wait at most; the uses of further ones are not written down.
const MOST: usize = 200_000;
/// How many counts of one key are told apart by their source; further sources are one. And how many
/// there are at most.
const APART: usize = 64;
const MOST_TALLIES: usize = 256;
/// How many sources of refusals that match no key are heard between two writes.
const UNMATCHED_SOURCES: usize = 50;

/// What waits.
#[derive(Default)]
pub struct Waiting {
    keys: HashMap<KeyId, Pending>,
    /// The last uses that were taken out to be written: what is shown of one is its minute and its
    /// address, and a key that is used all the time need not be written all the time.
    told: HashMap<KeyId, LastUse>,
    unmatched: HashMap<Source, VecDeque<Refusal>>,
}

/// What waits of one key.
#[derive(Default)]
struct Pending {
    last: Option<LastUse>,
    refused: Option<(i64, Moment)>,
    tallies: Vec<Tally>,
    former: Vec<FormerUse>,
    refusals: VecDeque<Refusal>,
}

/// What is written at once.
#[derive(Default, Clone)]
pub struct Batch {
    /// The uses of keys.
    pub uses: Vec<KeyUse>,
    /// Refusals of these keys, and of none.
    pub refusals: Vec<Refusal>,
}

impl Batch {
    /// How many keys it is about.
    pub fn len(&self) -> usize {
        self.uses.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.refusals.is_empty()
    }
}

impl Waiting {
    /// How many keys wait.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.unmatched.is_empty()
    }

    /// An allowed use.
    pub fn allowed(
        &mut self,
        (id, former): (&KeyId, Option<&Former>),
        target: &Target,
        from: ClientAddress,
        at: Moment,
    ) {
        let known = match from {
            ClientAddress::Known(address) => Some(address),
            _ => None,
        };
        let usage = LastUse { at, from: known };
        let note = |pending: &mut Pending| {
            pending.used(usage);
            pending.count(target, from, Verdict::Allowed, at);
            if let Some(former) = former {
                pending.used_former(&FormerUse {
                    digest: former.digest,
                    count: 1,
                    last: usage,
                });
            }
        };
        // Nearly always it waits already: one look, and no copy.
        match self.keys.get_mut(id) {
            Some(pending) => note(pending),
            None => drop(self.of(id).map(note)),
        }
    }

    /// A refusal of a request with this key's token.
    pub fn refused(&mut self, id: &KeyId, refusal: impl FnOnce() -> Refusal) {
        let Some(pending) = self.of(id) else { return };
        let refusal = refusal();
        let verdict = Verdict::Refused(refusal.reason);
        pending.count(&refusal.target, refusal.address, verdict, refusal.at);
        pending.was_refused(1, refusal.at);
        keep(&mut pending.refusals, refusal, KEPT_REFUSALS);
    }

    /// A refusal of a request whose credential is no key's. Of one source the first ones between
    /// two writes are enough, so that whoever floods pays for it and nobody else.
    pub fn unmatched(&mut self, from: ClientAddress, refusal: impl FnOnce() -> Refusal) {
        let kept = self.of_source(from);
        if let Some(kept) = kept.filter(|kept| kept.len() < KEPT_OF_SOURCE) {
            kept.push_back(refusal());
        }
    }

    fn of(&mut self, id: &KeyId) -> Option<&mut Pending> {
        if !self.keys.contains_key(id) {
            if self.keys.len() >= MOST {
                return None;
            }
            self.keys.insert(id.clone(), Pending::default());
        }
        self.keys.get_mut(id)
    }

    /// Takes out what waits of so many keys, and all that matches none.
    pub fn take(&mut self, keys: usize) -> Batch {
        let mut batch = Batch::default();
        let ids: Vec<KeyId> = self.keys.keys().take(keys).cloned().collect();
        for id in ids {
            if let Some(pending) = self.keys.remove(&id) {
                batch.refusals.extend(pending.refusals);
                let last = pending.last.filter(|last| self.is_news(&id, last));
                batch.uses.push(KeyUse {
                    id,
                    last,
                    refused: pending.refused,
                    tallies: pending.tallies,
                    former: pending.former,
                });
            }
        }
        let unmatched = self.unmatched.drain();
        batch
            .refusals
            .extend(unmatched.flat_map(|(_, refusals)| refusals));
        batch
    }

    /// Whether a last use tells more than the one that was told before; it is told from now on.
    fn is_news(&mut self, id: &KeyId, last: &LastUse) -> bool {
        let minute = |usage: &LastUse| usage.at.millis() / 60_000;
        let known = self.told.get(id);
        if known.is_some_and(|told| minute(told) == minute(last) && told.from == last.from) {
            return false;
        }
        if self.told.len() >= MOST {
            self.told.clear();
        }
        self.told.insert(id.clone(), *last);
        true
    }

    /// Puts back what could not be written, beside what came in meanwhile.
    pub fn put_back(&mut self, batch: Batch) {
        let mut untold = Vec::new();
        for one in batch.uses {
            let Some(pending) = self.of(&one.id) else {
                continue;
            };
            if let Some(last) = one.last {
                pending.used(last);
                untold.push(one.id.clone());
            }
            if let Some((count, at)) = one.refused {
                pending.was_refused(count, at);
            }
            for tally in one.tallies {
                pending.add(tally);
            }
            for former in &one.former {
                pending.used_former(former);
            }
        }
        for id in untold {
            self.told.remove(&id);
        }
        for refusal in batch.refusals.into_iter().rev() {
            // They are older than what waits.
            if let Some((kept, most)) = self.kept_with(&refusal)
                && kept.len() < most
            {
                kept.push_front(refusal);
            }
        }
    }

    /// The refusals that this one is kept with, and how many there may be.
    fn kept_with(&mut self, refusal: &Refusal) -> Option<(&mut VecDeque<Refusal>, usize)> {
        match &refusal.key {
            Some(id) => Some((&mut self.of(id)?.refusals, KEPT_REFUSALS)),
            None => Some((self.of_source(refusal.address)?, KEPT_OF_SOURCE)),
        }
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

/// Keeps the newest ones.
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

    fn was_refused(&mut self, count: i64, at: Moment) {
        let (before, last) = self.refused.unwrap_or((0, at));
        self.refused = Some((before + count, last.max(at)));
    }

    fn used_former(&mut self, former: &FormerUse) {
        match self
            .former
            .iter_mut()
            .find(|known| known.digest == former.digest)
        {
            Some(known) => {
                known.count += former.count;
                if known.last.at <= former.last.at {
                    known.last = former.last;
                }
            }
            None => self.former.push(former.clone()),
        }
    }

    /// Counts one request, without a copy of anything for what is counted already.
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
                    (None, Target::NoRoute) => true,
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
            kind: Kind::of(target, from, verdict),
            count: 1,
        });
    }

    fn add(&mut self, mut tally: Tally) {
        if self.tallies.len() >= APART {
            let apart = |known: &Tally| known.kind.source == tally.kind.source;
            if !self.tallies.iter().any(apart) {
                tally.kind.source = Source::Rest;
            }
        }
        let same = |known: &&mut Tally| {
            (known.began_at, known.span, &known.kind) == (tally.began_at, tally.span, &tally.kind)
        };
        if let Some(known) = self.tallies.iter_mut().find(same) {
            known.count += tally.count;
        } else if self.tallies.len() < MOST_TALLIES {
            self.tallies.push(tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::domain::{
        access::Action,
        decision::{DecisionIds, Reason},
        forwarded::Hop,
        usage::Wanted,
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
            key,
            named: None,
            token: None,
            address: from(n),
            hop: Hop::Nowhere,
            agent: None,
            wanted: Wanted::named("contacts".parse().expect("a slug"), Action::Read),
            target: contacts(),
        }
    }

    fn ids() -> DecisionIds {
        DecisionIds::draw(&mut |buffer| buffer.fill(1))
    }

    #[test]
    fn ten_thousand_addresses_are_counted_whole_and_kept_in_few_lines() {
        let mut waiting = Waiting::default();
        for n in 0..10_000 {
            let at = Moment::from_millis(i64::from(n));
            waiting.allowed((&id(), None), &contacts(), from(n), at);
        }
        let batch = waiting.take(10);
        let tallies = &batch.uses[0].tallies;
        assert!(tallies.len() <= APART + 1, "{}", tallies.len());
        assert_eq!(tallies.iter().map(|tally| tally.count).sum::<i64>(), 10_000);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_last_use_is_told_once_a_minute_and_whenever_its_address_changes() {
        let mut waiting = Waiting::default();
        let mut told = |n: u32, millis: i64| {
            let at = Moment::from_millis(millis);
            waiting.allowed((&id(), None), &contacts(), from(n), at);
            waiting.take(1).uses[0].last.map(|last| last.at.millis())
        };
        assert_eq!(told(1, 60_000), Some(60_000));
        assert_eq!(told(1, 119_999), None);
        assert_eq!(told(2, 119_999), Some(119_999));
        assert_eq!(told(2, 120_000), Some(120_000));
        // What could not be written is told again.
        let at = Moment::from_millis(180_000);
        waiting.allowed((&id(), None), &contacts(), from(2), at);
        let failed = waiting.take(1);
        waiting.put_back(failed);
        assert_eq!(waiting.take(1).uses[0].last.map(|last| last.at), Some(at));
    }

    #[test]
    fn a_million_refusals_of_one_source_are_an_exact_count_and_the_last_fifty() {
        let (mut waiting, ids) = (Waiting::default(), ids());
        for n in 0..1_000_000_u32 {
            waiting.refused(&id(), || refusal(&ids, n % 5, Some(id())));
            waiting.unmatched(from(7), || refusal(&ids, 7, None));
        }
        for n in 0..1000 {
            waiting.unmatched(from(n), || refusal(&ids, n, None));
        }
        let batch = waiting.take(10);
        assert_eq!(
            batch.uses[0].refused.map(|(count, _)| count),
            Some(1_000_000)
        );
        let of_key = batch.refusals.iter().filter(|one| one.key.is_some());
        assert_eq!(of_key.count(), KEPT_REFUSALS);
        let rest = batch.refusals.len() - KEPT_REFUSALS;
        assert!(rest <= KEPT_OF_SOURCE + UNMATCHED_SOURCES, "{rest}");
    }

    #[test]
    fn what_could_not_be_written_is_counted_with_what_came_in_meanwhile() {
        let (mut waiting, ids) = (Waiting::default(), ids());
        let former = Former {
            digest: crate::domain::token::Token::mint(&id(), &mut |b| b.fill(3)).digest(),
            until: Moment::from_millis(0),
        };
        let come_in = |waiting: &mut Waiting, n: u32| {
            let at = Moment::from_millis(i64::from(n));
            waiting.allowed((&id(), Some(&former)), &contacts(), from(1), at);
            waiting.refused(&id(), || refusal(&ids, n, Some(id())));
            waiting.unmatched(from(2), || refusal(&ids, n, None));
        };
        for n in 0..40 {
            come_in(&mut waiting, n);
        }
        let failed = waiting.take(10);
        for n in 40..60 {
            come_in(&mut waiting, n);
        }
        waiting.put_back(failed);
        let batch = waiting.take(10);
        let one = &batch.uses[0];
        assert_eq!(
            one.tallies.iter().map(|tally| tally.count).sum::<i64>(),
            120
        );
        assert_eq!(one.refused, Some((60, Moment::from_millis(59))));
        assert_eq!(one.last.map(|last| last.at), Some(Moment::from_millis(59)));
        assert_eq!(one.former[0].count, 60);
        let kept = batch.refusals.iter().filter(|one| one.key.is_some());
        let moments: Vec<i64> = kept.map(|one| one.at.millis()).collect();
        assert_eq!(moments, (10..60).collect::<Vec<_>>());
    }
}
