//! What has this replica admitted that the store does not know of?
//!
//! **Invariant:** every admission of a shared window that was not made by the store is here from
//! before its request is forwarded until the store has it, or until it has left the span of its
//! window. A window of which something is owed is not believed.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use crate::store::key::Bucket;
use crate::store::key::SharedKey;
use crate::time::Tick;

/// So many admissions of a window are told in one call, which keeps the server for some 0.5 ms.
const AT_ONCE: usize = 1_000;

/// How much of a window has to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many of the latest charges.
    pub admissions: u32,
    /// For so long.
    pub span: Duration,
}

/// A window's admissions that are to be told to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Which window.
    pub key: SharedKey,
    /// How much of it is remembered.
    pub keep: Keep,
    /// When each admission was made, from the oldest to the newest.
    pub times: Vec<Tick>,
}

/// What is owed of each window.
#[derive(Debug, Default)]
pub(super) struct Owed(HashMap<SharedKey, Entry>);

#[derive(Debug)]
struct Entry {
    keep: Keep,
    times: Vec<Tick>,
    /// On its way to the store.
    moving: Vec<Tick>,
    /// When all that this replica remembers of the window was put here.
    seeded: Option<Tick>,
}

impl Entry {
    const fn new(keep: Keep) -> Self {
        Self { keep, times: Vec::new(), moving: Vec::new(), seeded: None }
    }

    const fn is_clear(&self) -> bool {
        self.times.is_empty() && self.moving.is_empty()
    }

    /// Forgets what has left the span, and what is more than is remembered.
    fn trim(&mut self, now: Tick) {
        let Keep { admissions, span } = self.keep;
        let left = self.times.partition_point(|at| at.plus(span) <= now);
        let most = usize::try_from(admissions).unwrap_or(usize::MAX);
        let gone = left.max(self.times.len().saturating_sub(most));
        self.times.drain(..gone);
    }
}

impl Owed {
    /// One more admission.
    pub(super) fn add(&mut self, key: SharedKey, keep: Keep, at: Tick) {
        let entry = self.0.entry(key).or_insert(Entry::new(keep));
        entry.keep = keep;
        let place = entry.times.partition_point(|each| *each <= at);
        entry.times.insert(place, at);
        entry.trim(at);
    }

    /// All admissions of a window that this replica remembers. Those that are owed already are among
    /// them, unless they were made since it looked: then, as where offers count and the window has moved
    /// one to its newest, one may be told twice, but none never.
    pub(super) fn seed(&mut self, key: SharedKey, keep: Keep, mut times: Vec<Tick>, now: Tick) {
        let entry = self.0.entry(key).or_insert(Entry::new(keep));
        entry.keep = keep;
        times.sort_unstable();
        entry.times = united(mem::take(&mut entry.times), times);
        entry.seeded = Some(now);
        entry.trim(now);
    }

    /// Whether a window has been seeded since then.
    pub(super) fn is_seeded(&self, key: SharedKey, since: Tick) -> bool {
        self.0.get(&key).and_then(|entry| entry.seeded).is_some_and(|seeded| seeded >= since)
    }

    /// Whether nothing is owed of a window.
    pub(super) fn is_clear(&self, key: SharedKey) -> bool {
        self.0.get(&key).is_none_or(Entry::is_clear)
    }

    /// Whether anything is owed in these buckets.
    pub(super) fn owes(&self, of: impl Fn(Bucket) -> bool) -> bool {
        self.0.iter().any(|(key, entry)| !entry.is_clear() && of(key.bucket()))
    }

    /// An admission is given back that may be here.
    pub(super) fn remove(&mut self, key: SharedKey, at: Tick) {
        if let Some(entry) = self.0.get_mut(&key)
            && let Some(place) = entry.times.iter().position(|each| *each == at)
        {
            entry.times.remove(place);
        }
    }

    /// Takes what is to be told of at most `most` windows of these buckets, the oldest first. They stay
    /// owed until they are [`paid`](Self::paid) or [`unpaid`](Self::unpaid).
    pub(super) fn take(
        &mut self,
        most: usize,
        of: impl Fn(Bucket) -> bool,
        now: Tick,
    ) -> Vec<Debt> {
        let is_due = |key: &SharedKey, entry: &Entry| {
            entry.moving.is_empty() && !entry.times.is_empty() && of(key.bucket())
        };
        let mut debts = Vec::new();
        for (key, entry) in self.0.iter_mut().filter(|(key, entry)| is_due(key, entry)) {
            if debts.len() >= most {
                break;
            }
            entry.trim(now);
            let many = entry.times.len().min(AT_ONCE);
            entry.moving = entry.times.drain(..many).collect();
            if !entry.moving.is_empty() {
                debts.push(Debt { key: *key, keep: entry.keep, times: entry.moving.clone() });
            }
        }
        debts
    }

    /// The store knows of what was taken of a window.
    pub(super) fn paid(&mut self, key: SharedKey) {
        if let Some(entry) = self.0.get_mut(&key) {
            entry.moving = Vec::new();
        }
    }

    /// The store may not know of it.
    pub(super) fn unpaid(&mut self, key: SharedKey) {
        if let Some(entry) = self.0.get_mut(&key) {
            entry.times.append(&mut entry.moving);
            entry.times.sort_unstable();
        }
    }

    /// A window is emptied: what was admitted is owed no more.
    pub(super) fn forget(&mut self, key: SharedKey) {
        if let Some(entry) = self.0.get_mut(&key) {
            (entry.times, entry.moving) = (Vec::new(), Vec::new());
        }
    }

    /// Forgets what has left its span.
    pub(super) fn sweep(&mut self, now: Tick) {
        self.0.retain(|_, entry| {
            entry.trim(now);
            let is_of_use = |seeded: Tick| now < seeded.plus(entry.keep.span);
            !entry.is_clear() || entry.seeded.is_some_and(is_of_use)
        });
        self.0.shrink_to_fit();
    }

    /// How many windows are here.
    pub(super) fn windows(&self) -> usize {
        self.0.len()
    }

    /// How many admissions are owed.
    pub(super) fn admissions(&self) -> usize {
        self.0.values().fold(0, |sum, entry| {
            sum.saturating_add(entry.times.len()).saturating_add(entry.moving.len())
        })
    }
}

/// All of two sorted lists; what is in both, once.
fn united(mut one: Vec<Tick>, mut other: Vec<Tick>) -> Vec<Tick> {
    let mut all = Vec::with_capacity(one.len().max(other.len()));
    // From the newest to the oldest.
    while let Some(at) = one.last().max(other.last()).copied() {
        for list in [&mut one, &mut other] {
            list.pop_if(|last| *last == at);
        }
        all.push(at);
    }
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::Debt;
    use super::Keep;
    use super::Owed;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::store::key::SharedKey;
    use crate::time::Tick;
    use std::time::Duration;

    const KEEP: Keep = Keep { admissions: 3, span: Duration::from_secs(5) };
    const KEY: SharedKey = SharedKey {
        sid: Sid::new(SidKind::Service, [1; 16]),
        endpoint: Endpoint::FetchSession,
    };

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds.saturating_mul(1_000_000))
    }

    fn debt(times: &[u64]) -> Vec<Debt> {
        let times: Vec<_> = times.iter().map(|&second| at(second)).collect();
        vec![Debt { key: KEY, keep: KEEP, times }]
    }

    #[test]
    fn of_a_window_that_is_emptied_nothing_is_owed_even_on_its_way() {
        let mut owed = Owed::default();
        owed.add(KEY, KEEP, at(1));
        assert_eq!(owed.take(9, |_| true, at(1)), debt(&[1]));
        owed.add(KEY, KEEP, at(2));
        owed.forget(KEY);
        owed.unpaid(KEY);
        assert!(owed.is_clear(KEY));
        assert_eq!(owed.admissions(), 0);
    }

    #[test]
    fn what_is_told_is_owed_until_the_store_has_it() {
        let mut owed = Owed::default();
        owed.add(KEY, KEEP, at(1));
        assert_eq!(owed.take(9, |_| true, at(1)), debt(&[1]));
        assert!(!owed.is_clear(KEY), "it is on its way");
        assert!(owed.owes(|bucket| bucket == KEY.bucket()) && !owed.owes(|_| false));
        owed.add(KEY, KEEP, at(2));
        assert!(owed.take(9, |_| true, at(2)).is_empty(), "one after the other");
        owed.paid(KEY);
        assert!(!owed.is_clear(KEY));
        assert_eq!(owed.take(9, |_| true, at(2)), debt(&[2]));
        owed.unpaid(KEY);
        owed.add(KEY, KEEP, at(3));
        assert_eq!(owed.take(9, |_| true, at(3)), debt(&[2, 3]));
        owed.paid(KEY);
        assert!(owed.is_clear(KEY));
    }

    #[test]
    fn what_has_left_its_span_is_owed_no_more() {
        let mut owed = Owed::default();
        owed.add(KEY, KEEP, at(1));
        owed.add(KEY, KEEP, at(4));
        assert_eq!(owed.take(9, |_| true, at(6)), debt(&[4]));
        owed.unpaid(KEY);
        owed.sweep(at(9));
        assert_eq!((owed.windows(), owed.admissions()), (0, 0));
    }

    #[test]
    fn no_more_is_owed_than_a_window_remembers() {
        let mut owed = Owed::default();
        (1..=5)
            .for_each(|second| owed.add(KEY, Keep { span: Duration::MAX, ..KEEP }, at(second)));
        assert_eq!(owed.admissions(), 3);
    }

    #[test]
    fn a_seeded_window_is_owed_as_a_whole_and_once() {
        let mut owed = Owed::default();
        owed.add(KEY, KEEP, at(3));
        assert!(!owed.is_seeded(KEY, at(0)));
        owed.seed(KEY, KEEP, vec![at(3), at(2)], at(3));
        assert!(owed.is_seeded(KEY, at(3)) && !owed.is_seeded(KEY, at(4)));
        assert_eq!(owed.take(9, |_| true, at(3)), debt(&[2, 3]));
        owed.paid(KEY);
        owed.sweep(at(7));
        assert!(owed.is_seeded(KEY, at(3)), "it is remembered for a span");
        owed.sweep(at(8));
        assert_eq!(owed.windows(), 0);
    }

    #[test]
    fn what_was_admitted_while_a_window_was_looked_at_is_owed_beside_its_seed() {
        let mut owed = Owed::default();
        for second in [2, 4, 4] {
            owed.add(KEY, Keep { admissions: 9, ..KEEP }, at(second));
        }
        owed.seed(KEY, Keep { admissions: 9, ..KEEP }, vec![at(3), at(2), at(2)], at(4));
        let told = owed.take(9, |_| true, at(4)).remove(0).times;
        assert_eq!(told, [2, 2, 3, 4, 4].map(at));
    }

    #[test]
    fn a_large_debt_is_told_in_parts_from_the_oldest_on() {
        let mut owed = Owed::default();
        let keep = Keep { admissions: u32::MAX, ..KEEP };
        let times: Vec<_> = (0..2_500).map(Tick::from_micros).collect();
        owed.seed(KEY, keep, times.clone(), at(0));
        let mut told = Vec::new();
        for part in [1_000, 1_000, 500] {
            let debt = owed.take(9, |_| true, at(0)).remove(0);
            assert_eq!(debt.times.len(), part);
            told.extend(debt.times);
            assert!(!owed.is_clear(KEY));
            owed.paid(KEY);
        }
        assert!(owed.is_clear(KEY));
        assert_eq!(told, times);
    }

    #[test]
    fn what_is_given_back_is_not_told() {
        let mut owed = Owed::default();
        owed.add(KEY, KEEP, at(1));
        owed.add(KEY, KEEP, at(2));
        owed.remove(KEY, at(1));
        owed.remove(KEY, at(7));
        assert_eq!(owed.take(9, |_| true, at(2)), debt(&[2]));
    }
}
