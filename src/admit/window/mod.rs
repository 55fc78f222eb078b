//! Were fewer admitted lately than may be? An exact log of admission times, without a lock.
//!
//! **Invariant:** a decision and its charge are one step, and no admission is forgotten that a
//! rule which judges the window may still ask for.
//!
//! "Fewer than *n* in the last `span`" takes one look at the *n*-th admission ago: either it has
//! left the span, and all before it have too, or it has not. So the size of the ring is not the
//! limit; it only has to be as large as the largest *n* asked for, or to hold all that the
//! longest span contains. A limit may change with every request.

mod fill;
mod plain;
mod questions;
mod ring;

use std::hint::spin_loop;
use std::time::Duration;

use crate::admit::reach::Reach;
use crate::policy::rate::RateLimit;
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering;
use crate::time::Tick;
pub use fill::Fill;
use fill::Times;
pub use plain::PlainWindow;
use questions::Questions;
use ring::Moved;
use ring::Next;
use ring::Ring;

/// A ring grows by this factor: 4, 16, 64, and so on, up to the limit.
const GROWTH: usize = 4;
/// A thread that is always too slow waits no longer than this before it looks again: 3 µs where a
/// pause takes 140 cycles.
const MOST_PAUSES: u32 = 64;

/// The times of the latest admissions of one key.
#[derive(Debug)]
pub struct SlidingWindow {
    ring: Ring,
    /// A [`Reach`]: what the ring may be asked for.
    reach: AtomicU64,
}

/// What a decision adds to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The request, if it is admitted.
    Admitted,
    /// The request in either case.
    Offered,
    /// Nothing: the question is what the answer would be.
    Nothing,
    /// Nothing yet: the request is charged once a store has admitted it too. A stranger that would
    /// be admitted has its try and its place from now on.
    Later,
    /// Nothing yet: the request is charged in either case, once a store has answered.
    OfferedLater,
}

impl Charge {
    /// Whether a request with this verdict is charged.
    fn includes(self, verdict: Verdict) -> bool {
        match self {
            Self::Admitted => verdict == Verdict::Admitted,
            Self::Offered => true,
            Self::Nothing | Self::Later | Self::OfferedLater => false,
        }
    }
}

/// Whether a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Admitted,
    /// No.
    Denied {
        /// After this time one is admitted, if none has been charged in between.
        retry_after: Duration,
        /// What stands in the way for so long.
        by: Bound,
    },
}

/// What a window says to a request, and what it has recorded of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Yes or no.
    pub verdict: Verdict,
    /// The time that the request was charged with, where it was.
    pub charged_at: Option<Tick>,
}

/// Which number stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Of a limit: so many in a window.
    Window,
    /// Of a limit: so many in one second.
    Burst,
    /// Of a guard: so many in a window of those that fall into one cell.
    Cell,
    /// Of a guard: so many without an answer.
    Unanswered,
}

/// The ring has to grow before it can decide: call [`SlidingWindow::grow`] and ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MustGrow;

impl SlidingWindow {
    /// A window that remembers nothing yet.
    pub fn new() -> Self {
        Self::with_ring(Ring::new())
    }

    fn with_ring(ring: Ring) -> Self {
        Self { ring, reach: AtomicU64::new(0) }
    }

    /// Decides on a request at `now`, and charges it.
    ///
    /// `now` may be behind that of another thread by the time that has passed since it was read.
    /// Such a request is judged by its own `now`, but recorded with the newest time there is, so
    /// that times never decrease. It may be refused where a clock read later would admit it, and
    /// is never admitted wrongly.
    pub fn decide(
        &self,
        limit: &RateLimit,
        charge: Charge,
        now: Tick,
    ) -> Result<Verdict, MustGrow> {
        self.judge(limit, charge, now).map(|judgement| judgement.verdict)
    }

    /// As [`decide`](Self::decide), and tells the time of the charge.
    pub fn judge(
        &self,
        limit: &RateLimit,
        charge: Charge,
        now: Tick,
    ) -> Result<Judgement, MustGrow> {
        let questions = Questions::of(limit);
        let reach = self.widen(Reach::of(limit));
        let now = now.as_micros().min(ring::TIME_MASK);
        let mut pauses = 1_u32;
        loop {
            match self.attempt(&questions, reach, charge, now) {
                Ok(judgement) => return Ok(judgement),
                Err(Obstacle::TooSmall) => return Err(MustGrow),
                Err(Obstacle::Moved) => {
                    // Another thread's claim succeeded, so somebody always gets on. Leaving the
                    // memory to it for a moment lets both get on more than twice as fast.
                    (0..pauses).for_each(|_| spin_loop());
                    pauses = pauses.saturating_mul(2).min(MOST_PAUSES);
                }
            }
        }
    }

    /// Forgets nothing, from now on, that another limit may ask for.
    pub fn remember_for(&self, limit: &RateLimit) {
        self.widen(Reach::of(limit));
    }

    fn attempt(
        &self,
        questions: &Questions,
        reach: Reach,
        charge: Charge,
        now: u64,
    ) -> Result<Judgement, Obstacle> {
        let next = self.ring.next()?;
        let verdict = questions.verdict(now, |n| next.back(n))?;
        if !charge.includes(verdict) {
            return Ok(Judgement { verdict, charged_at: None });
        }
        if self.is_too_small(&next, reach, now) {
            return Err(Obstacle::TooSmall);
        }
        let recorded = now.max(next.back(1)?.unwrap_or(0));
        let verdict = match verdict {
            Verdict::Admitted => verdict,
            // What the client has to wait for now includes this refusal.
            Verdict::Denied { .. } => {
                questions.verdict(now, |n| match n.saturating_sub(1) {
                    0 => Ok(Some(recorded)),
                    n => next.back(n),
                })?
            }
        };
        next.claim(recorded)?;
        self.ring.advance(next.number);
        Ok(Judgement { verdict, charged_at: Some(Tick::from_micros(recorded)) })
    }

    /// Whether the next charge would forget one that may still be asked for.
    fn is_too_small(&self, next: &Next<'_>, reach: Reach, now: u64) -> bool {
        next.forgets().is_some_and(|time| {
            time.saturating_add(reach.micros.into()) > now
                && u32::try_from(self.ring.capacity()).is_ok_and(|n| n < reach.admissions)
        })
    }

    /// Makes sure that the window remembers enough for `reach`; answers all that it has to
    /// remember.
    fn widen(&self, reach: Reach) -> Reach {
        // Relaxed: a thread that does not see it yet is one that decides before.
        let mut word = self.reach.load(Ordering::Relaxed);
        loop {
            let so_far = Reach::unpack(word);
            let wider = so_far.union(reach);
            if wider == so_far {
                return wider;
            }
            match self.reach.compare_exchange(
                word,
                wider.pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return wider,
                Err(found) => word = found,
            }
        }
    }

    /// Gives the ring room for more of the past, as far as it may be asked for. Nothing is lost:
    /// `&mut` means that no claim is under way.
    pub fn grow(&mut self) {
        let largest = usize::try_from(self.reach().admissions).unwrap_or(usize::MAX);
        let capacity = self.capacity().saturating_mul(GROWTH).min(largest);
        if capacity > self.capacity() {
            let times: Vec<_> = self.ring.log().times().collect();
            self.ring = Ring::with_times(capacity, &times);
        }
    }

    /// How full the window is when `allowed` charges may lie in the last `span`. While other
    /// threads charge, it may be off by their charges.
    pub fn fill(&self, allowed: u32, span: Duration, now: Tick) -> Fill {
        Fill::of(&self.ring.log(), allowed, span, now)
    }

    /// When each charge was made, as far as they are remembered.
    pub(crate) fn times(&self) -> Vec<Tick> {
        self.ring.log().times().map(Tick::from_micros).collect()
    }

    /// When the newest charge was made.
    pub fn newest(&self) -> Option<Tick> {
        let log = self.ring.log();
        log.time(log.length().checked_sub(1)?).map(Tick::from_micros)
    }

    /// How many charges the ring can hold now.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    pub(crate) fn reach(&self) -> Reach {
        Reach::unpack(self.reach.load(Ordering::Relaxed))
    }

    pub(crate) fn set_reach(&mut self, reach: Reach) {
        self.reach.store(reach.pack(), Ordering::Relaxed);
    }
}

impl Default for SlidingWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// Why one attempt came to no verdict.
enum Obstacle {
    /// Another thread was faster: look again.
    Moved,
    /// See [`MustGrow`].
    TooSmall,
}

impl From<Moved> for Obstacle {
    fn from(Moved: Moved) -> Self {
        Self::Moved
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;

#[cfg(test)]
#[cfg(gateway_loom)]
mod loom_models;
