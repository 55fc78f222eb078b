//! Which services ask most, and which are refused most? Of the last half to whole minute.
//!
//! **Invariant:** each worker counts in a [`Tally`] of its own, which nobody else locks but who
//! asks for [`Top::lately`]; what it takes of memory is fixed.

mod sketch;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use crate::classify::RequestClass;
use crate::reject::Decision;
use crate::sid::ServiceKey;
use crate::time;
use crate::time::Tick;
pub use sketch::Count;
use sketch::Sketch;
pub use sketch::Summary;

/// Counters for each worker: whoever has more than one in so many of the requests is seen.
pub const COUNTERS: usize = 128;
/// So long is counted before it is begun anew; what was counted before is kept for as long again.
pub const EVERY: Duration = Duration::from_secs(30);

/// What all workers have counted.
#[derive(Debug)]
pub struct Top {
    began: Tick,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Turns>);

/// The span that is counted now, and the one before.
#[derive(Debug, Default)]
struct Turns {
    /// The number of the span that is counted now: all workers begin the next one at the same time.
    number: u64,
    now: Counted,
    before: Counted,
}

/// What was counted in one span.
#[derive(Debug)]
struct Counted {
    offered: Sketch,
    refused: Sketch,
    /// Requests that name no service, or by a name of which it is not known what it stands for.
    elsewhere: u64,
}

/// Who asked, and who was refused, lately.
#[derive(Clone, Debug, Default)]
pub struct Lately {
    /// How long it was looked at.
    pub span: Duration,
    /// All requests for a service.
    pub offered: Summary,
    /// Those that were limited.
    pub refused: Summary,
    /// Requests that name no service, or by a name of which it is not known what it stands for.
    pub elsewhere: u64,
}

impl Top {
    /// Nothing is counted before `began`.
    pub const fn new(began: Tick) -> Self {
        Self { began, tallies: Mutex::new(Vec::new()) }
    }

    /// One more worker's.
    pub fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies().push(Arc::clone(&tally));
        tally
    }

    /// What was counted lately. A worker that is busy waits while its counters are read.
    pub fn lately(&self, now: Tick) -> Lately {
        let mut lately = Lately::default();
        for tally in &*self.tallies() {
            let mut turns = tally.turns();
            turns.turn_to(now);
            for counted in [&turns.now, &turns.before] {
                lately.offered.add(&counted.offered);
                lately.refused.add(&counted.refused);
                lately.elsewhere = lately.elsewhere.saturating_add(counted.elsewhere);
            }
        }
        lately.span = now.since(begin_of(number_at(now).saturating_sub(1)).max(self.began));
        lately
    }

    fn tallies(&self) -> MutexGuard<'_, Vec<Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Counts a request that has ended.
    pub fn note(&self, class: &RequestClass, decision: Decision, ended: Tick) {
        let mut turns = self.turns();
        turns.turn_to(ended);
        let counted = &mut turns.now;
        let Some(service) = class.service.and_then(ServiceKey::sid) else {
            counted.elsewhere = counted.elsewhere.saturating_add(1);
            return;
        };
        counted.offered.note(service);
        if decision == Decision::Limited {
            counted.refused.note(service);
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Begins the span of `now`, if that has not been done. A moment before it counts for it.
    fn turn_to(&mut self, now: Tick) {
        let number = number_at(now);
        if number <= self.number {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        if number > self.number.saturating_add(1) {
            self.before.clear();
        }
        self.number = number;
    }
}

impl Counted {
    fn clear(&mut self) {
        self.offered.clear();
        self.refused.clear();
        self.elsewhere = 0;
    }
}

impl Default for Counted {
    fn default() -> Self {
        let (offered, refused) = (Sketch::new(COUNTERS), Sketch::new(COUNTERS));
        Self { offered, refused, elsewhere: 0 }
    }
}

fn number_at(now: Tick) -> u64 {
    now.as_micros().checked_div(time::micros(EVERY)).unwrap_or(0)
}

fn begin_of(number: u64) -> Tick {
    Tick::from_micros(number.saturating_mul(time::micros(EVERY)))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests, built with overflow checks")]
mod tests {
    use super::Count;
    use super::Top;
    use crate::classify::RequestClass;
    use crate::policy::endpoint::Endpoint;
    use crate::reject::Decision;
    use crate::sid::AccountKey;
    use crate::sid::Digest;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;
    use std::time::Duration;

    fn sid(number: u8) -> Sid {
        Sid::new(SidKind::Service, [number; 16])
    }

    fn class(service: Option<ServiceKey>) -> RequestClass {
        let account = AccountKey::Credential(Digest([1; 16]));
        let endpoint = Endpoint::FetchService;
        RequestClass { endpoint, account, service, credential: Digest([1; 16]) }
    }

    fn of(number: u8) -> RequestClass {
        class(Some(ServiceKey::Sid(sid(number))))
    }

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn exactly(number: u8, at_most: u64) -> (Sid, Count) {
        (sid(number), Count { at_most, over: 0 })
    }

    #[test]
    fn what_the_workers_have_counted_is_one() {
        let top = Top::new(at(0));
        let (one, other) = (top.tally(), top.tally());
        one.note(&of(1), Decision::Forwarded, at(0));
        other.note(&of(1), Decision::Limited, at(1));
        other.note(&of(2), Decision::Forwarded, at(2));
        let lately = top.lately(at(5));
        assert_eq!(lately.offered.largest(9), [exactly(1, 2), exactly(2, 1)]);
        assert_eq!(lately.refused.largest(9), [exactly(1, 1)]);
        assert_eq!(lately.span, Duration::from_secs(5));
    }

    #[test]
    fn what_is_no_services_is_counted_beside() {
        let top = Top::new(at(0));
        let tally = top.tally();
        tally.note(&class(None), Decision::Forwarded, at(0));
        let named = ServiceKey::Named(Digest([3; 16]));
        tally.note(&class(Some(named)), Decision::Limited, at(0));
        let lately = top.lately(at(1));
        assert_eq!((lately.elsewhere, lately.offered.seen(), lately.refused.seen()), (2, 0, 0));
    }

    #[test]
    fn what_is_older_than_the_span_before_is_forgotten_by_busy_and_by_idle_workers() {
        let top = Top::new(at(10));
        let (busy, idle) = (top.tally(), top.tally());
        for tally in [&busy, &idle] {
            tally.note(&of(1), Decision::Forwarded, at(29));
        }
        busy.note(&of(2), Decision::Forwarded, at(30));
        let lately = top.lately(at(59));
        assert_eq!(lately.offered.largest(9), [exactly(1, 2), exactly(2, 1)]);
        assert_eq!(lately.span, Duration::from_secs(49), "it began at 10");
        let lately = top.lately(at(60));
        assert_eq!(lately.offered.largest(9), [exactly(2, 1)]);
        assert_eq!(lately.span, Duration::from_secs(30));
        assert_eq!(top.lately(at(300)).offered.seen(), 0);
    }
}
