//! What did the store say of a window the last time, and what follows from it?
//!
//! **Invariant:** a refusal is remembered for as long as the store said that it would hold, counted
//! from before the question, and for the limit that was asked about alone: so a replica under
//! overload asks once for each free slot, not once for each request. And where the store is lost, no
//! replica that heard of a window takes more of it than all of them together may have.

use std::hash::RandomState;
use std::num::NonZeroU32;
use std::time::Duration;

use dashmap::DashMap;

use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::PerBound;
use crate::policy::rate::RateLimit;
use crate::store::answer::Count;
use crate::store::answer::StoreBound;
use crate::store::key::SharedKey;
use crate::time::Tick;

/// The store has no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was asked about.
    pub limit: RateLimit,
    /// When the next slot is free, if nobody takes it before.
    pub until: Tick,
    /// What stands in the way.
    pub bound: StoreBound,
    /// How full the window was.
    pub count: Count,
}

/// What the store has told of a window.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// What was asked about.
    pub limit: RateLimit,
    /// How many are taken of it.
    pub taken: PerBound,
    /// It remembers them for so long.
    pub span: Duration,
    /// Whether that can be believed: otherwise there may be more.
    pub is_whole: bool,
    /// It had no slot.
    pub refused: Option<Refused>,
}

/// That the store, or its data, is lost, as a replica sees it for one request.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'l> {
    /// What the request is judged by.
    pub limit: &'l RateLimit,
    /// How many replicas share it.
    pub replicas: NonZeroU32,
    /// Whether the store does not answer. Otherwise it still has its say, and only what could be
    /// believed counts.
    pub is_lost: bool,
    /// When.
    pub now: Tick,
}

/// What was heard of one window.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Tick,
    span: Duration,
    limit: RateLimit,
    taken: PerBound,
    /// Whether there were no more.
    is_whole: bool,
    refused: Option<Refused>,
    /// What this replica may have without the store, and since when it does without.
    allowance: Option<(Tick, PerBound)>,
}

/// The windows that were asked about in their last span.
#[derive(Debug, Default)]
pub(super) struct Latest(DashMap<SharedKey, Heard, RandomState>);

impl Latest {
    /// The store has told how full a window is, and has refused or not. Only what can be believed
    /// gives this replica anew what it may have without the store.
    pub(super) fn note(&self, key: SharedKey, told: Told, at: Tick) {
        let Told { limit, taken, span, is_whole, refused } = told;
        let new = Heard { at, span, limit, taken, is_whole, refused, allowance: None };
        let mut heard = self.0.entry(key).or_insert(new);
        // An answer that was asked for before another one says nothing new.
        if heard.at <= at {
            let is_kept = !is_whole && heard.limit == limit;
            let allowance = heard.allowance.filter(|_| is_kept);
            *heard = Heard { allowance, ..new };
        }
    }

    /// The refusal that holds now.
    pub(super) fn refused(
        &self,
        key: SharedKey,
        limit: &RateLimit,
        now: Tick,
    ) -> Option<Refused> {
        let refused = self.0.view(&key, |_, heard| heard.refused)??;
        (now < refused.until && refused.limit == *limit).then_some(refused)
    }

    /// How many a window may hold of this replica's own, where the store has told of it in its last
    /// span and is lost, or its data: as many as it had, and its part of what was free. Of all
    /// replicas that heard the same, the larger of what each has and may have add up to the limit at
    /// most. None where the share says it.
    pub(super) fn allowance(
        &self,
        key: SharedKey,
        loss: Loss<'_>,
        own: impl FnOnce() -> PerBound,
    ) -> Option<PerBound> {
        let mut heard = self.0.get_mut(&key)?;
        let (since, allowance) = heard.allowance(loss, own)?;
        heard.allowance = Some((since, allowance));
        Some(within_burst(allowance, since, loss.now))
    }

    /// The same, and nothing is remembered of it.
    pub(super) fn would_allow(
        &self,
        key: SharedKey,
        loss: Loss<'_>,
        own: impl FnOnce() -> PerBound,
    ) -> Option<PerBound> {
        let heard = self.0.get(&key)?;
        let (since, allowance) = heard.allowance(loss, own)?;
        Some(within_burst(allowance, since, loss.now))
    }

    /// A slot has become free.
    pub(super) fn forget_refusal(&self, key: SharedKey) {
        if let Some(mut heard) = self.0.get_mut(&key) {
            heard.refused = None;
        }
    }

    /// A window is emptied.
    pub(super) fn forget(&self, key: SharedKey) {
        self.0.remove(&key);
    }

    /// Forgets what says nothing any more.
    pub(super) fn sweep(&self, now: Tick) {
        self.0.retain(|_, heard| {
            let last = heard.allowance.map_or(heard.at, |(since, _)| since);
            let is_refused = heard.refused.is_some_and(|refused| now < refused.until);
            is_refused || now < last.plus(heard.span)
        });
        self.0.shrink_to_fit();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Heard {
    /// How many this replica may have without the store, and since when it does without.
    fn allowance(
        &self,
        Loss { limit, replicas, is_lost, now }: Loss<'_>,
        own: impl FnOnce() -> PerBound,
    ) -> Option<(Tick, PerBound)> {
        if self.limit != *limit {
            return None; // it is a window of several limits, and of this one nothing was heard
        }
        if let Some((since, allowance)) = self.allowance {
            if now < since.plus(self.span) {
                return Some((since, allowance));
            }
            if self.at <= since {
                return None;
            }
        }
        if self.at.plus(self.span) <= now || !(self.is_whole || is_lost) {
            return None;
        }
        let free = limit.most().with(self.taken, u32::saturating_sub);
        let allowance = own().with(free, |own, free| own.saturating_add(free / replicas));
        // What others did in their last second is not known of an older answer.
        Some((now, within_burst(allowance, self.at, now)))
    }
}

/// What holds of a burst for its second alone.
fn within_burst(most: PerBound, since: Tick, now: Tick) -> PerBound {
    if now < since.plus(BURST_SPAN) { most } else { PerBound { burst: u32::MAX, ..most } }
}

#[cfg(test)]
mod tests {
    use super::Latest;
    use super::Loss;
    use super::Refused;
    use super::Told;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::rate::PerBound;
    use crate::policy::rate::RateLimit;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::store::answer::Count;
    use crate::store::answer::StoreBound;
    use crate::store::key::SharedKey;
    use crate::time::Tick;
    use std::num::NonZeroU32;
    use std::time::Duration;

    const KEY: SharedKey = SharedKey {
        sid: Sid::new(SidKind::Service, [1; 16]),
        endpoint: Endpoint::FetchSession,
    };
    const SPAN: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds.saturating_mul(1_000_000))
    }

    const fn whole(taken: u32) -> Told {
        let taken = PerBound { window: taken, burst: 0 };
        Told { limit: RateLimit::API, taken, span: SPAN, is_whole: true, refused: None }
    }

    /// What this replica may have in a window of the API's limit, one of three; `lost` at `now`.
    fn allowance(latest: &Latest, own: u32, lost: (bool, u64)) -> Option<u32> {
        let (is_lost, now) = lost;
        let (limit, replicas) = (&RateLimit::API, NonZeroU32::new(3).unwrap());
        let loss = Loss { limit, replicas, is_lost, now: at(now) };
        let own = || PerBound { window: own, burst: own };
        latest.allowance(KEY, loss, own).map(|most| most.window)
    }

    #[test]
    fn a_refusal_holds_until_its_time_and_for_its_limit() {
        let latest = Latest::default();
        let count = Count::default();
        let refused =
            Refused { limit: RateLimit::API, until: at(10), bound: StoreBound::Window, count };
        latest.note(KEY, Told { refused: Some(refused), ..whole(150) }, at(6));
        assert_eq!(latest.refused(KEY, &RateLimit::API, at(9)), Some(refused));
        assert_eq!(latest.refused(KEY, &RateLimit::API, at(10)), None);
        let one = NonZeroU32::MIN;
        let other = RateLimit::new(one, SPAN, one).unwrap();
        assert_eq!(latest.refused(KEY, &other, at(9)), None);
        latest.forget_refusal(KEY);
        assert_eq!(latest.refused(KEY, &RateLimit::API, at(9)), None);
        latest.note(KEY, Told { refused: Some(refused), ..whole(150) }, at(6));
        latest.forget(KEY);
        assert_eq!((latest.refused(KEY, &RateLimit::API, at(9)), latest.len()), (None, 0));
    }

    #[test]
    fn without_the_store_a_full_window_gives_nobody_more_than_it_has() {
        let latest = Latest::default();
        let allowance = |own, now| allowance(&latest, own, (true, now));
        assert_eq!(allowance(0, 0), None, "nothing was heard");
        latest.note(KEY, whole(150), at(1));
        assert_eq!(allowance(43, 2), Some(43));
        assert_eq!(allowance(7, 6), Some(43), "what it was at the loss");
        assert_eq!(allowance(7, 7), None, "the share, one span after the loss");
    }

    #[test]
    fn what_cannot_be_believed_gives_nobody_more() {
        let latest = Latest::default();
        let allowance = |is_lost, own, now| allowance(&latest, own, (is_lost, now));
        let emptied = |taken| Told { is_whole: false, ..whole(taken) };
        latest.note(KEY, whole(150), at(1));
        assert_eq!(allowance(false, 43, 2), Some(43));
        latest.note(KEY, emptied(20), at(2));
        assert_eq!(allowance(false, 50, 6), Some(43), "what it was at the loss");
        assert_eq!(allowance(false, 40, 7), None, "the store and the share decide");
        assert_eq!(allowance(true, 40, 6), Some(43));
        latest.note(KEY, whole(140), at(8));
        assert_eq!(allowance(false, 43, 8), Some(46), "the store is believed again");
    }

    #[test]
    fn a_second_loss_counts_with_what_was_heard_between_the_two() {
        let latest = Latest::default();
        let allowance = |own, now| allowance(&latest, own, (true, now));
        latest.note(KEY, whole(150), at(1));
        assert_eq!((allowance(43, 2), allowance(43, 7)), (Some(43), None));
        latest.note(KEY, Told { is_whole: false, ..whole(120) }, at(10));
        assert_eq!(allowance(41, 11), Some(51));
    }

    #[test]
    fn of_a_burst_of_its_own_too_what_was_free_is_divided_for_a_second() {
        let latest = Latest::default();
        let (three, two) = (NonZeroU32::new(3).unwrap(), NonZeroU32::new(2).unwrap());
        let limit = RateLimit::new(three, SPAN, two).unwrap();
        let taken = PerBound { window: 6, burst: 3 };
        latest.note(KEY, Told { limit, taken, ..whole(0) }, at(1));
        let own = || PerBound { window: 2, burst: 1 };
        let allowance = |micros| {
            let now = Tick::from_micros(micros);
            let loss = Loss { limit: &limit, replicas: three, is_lost: true, now };
            latest.allowance(KEY, loss, own)
        };
        assert_eq!(allowance(1_500_000), Some(PerBound { window: 5, burst: 2 }));
        assert_eq!(allowance(2_499_999), Some(PerBound { window: 5, burst: 2 }));
        assert_eq!(allowance(2_500_000), Some(PerBound { window: 5, burst: u32::MAX }));
    }

    #[test]
    fn what_was_heard_for_one_limit_says_nothing_for_another() {
        let latest = Latest::default();
        let five = NonZeroU32::new(5).unwrap();
        let limit = RateLimit::new(five, SPAN, five).unwrap();
        latest.note(KEY, Told { limit, ..whole(25) }, at(1));
        assert_eq!(allowance(&latest, 7, (true, 2)), None);
    }

    #[test]
    fn an_older_answer_that_comes_later_says_nothing() {
        let latest = Latest::default();
        latest.note(KEY, whole(150), at(2));
        latest.note(KEY, whole(0), at(1));
        assert_eq!(allowance(&latest, 7, (true, 2)), Some(7));
    }

    #[test]
    fn what_was_free_is_divided() {
        let latest = Latest::default();
        latest.note(KEY, whole(140), at(1));
        assert_eq!(allowance(&latest, 40, (true, 1)), Some(43));
        // What is heard anew counts anew; what was heard long ago does not count.
        latest.note(KEY, whole(0), at(2));
        assert_eq!(allowance(&latest, 0, (true, 7)), None);
        latest.sweep(at(6));
        assert_eq!(latest.len(), 1);
        latest.sweep(at(7));
        assert_eq!(latest.len(), 0);
    }
}
