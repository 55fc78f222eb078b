//! The other form of a window: the same times in a list that can lose one again.
//!
//! **Invariant:** it says what the ring would say. It remembers as many charges as any rule that
//! judges it may ask for, so that after a charge it holds all that still lie in a span.
//!
//! A ring cannot give back: what a slot held before is gone, and other threads decide by the
//! slots that would have to move. A list needs a lock, so only a window that has to give back is
//! one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use super::Charge;
use super::Fill;
use super::Judgement;
use super::SlidingWindow;
use super::Verdict;
use super::fill::Times;
use super::questions::Questions;
use super::ring;
use super::ring::Ring;
use crate::admit::reach::Reach;
use crate::policy::rate::RateLimit;
use crate::time::Tick;

/// The times of the latest charges of one key, in a list.
#[derive(Debug)]
pub struct PlainWindow {
    /// In µs, from the oldest to the newest.
    times: VecDeque<u64>,
    reach: Reach,
}

impl PlainWindow {
    /// A window that was charged at these times, in µs, from the oldest to the newest.
    pub(crate) fn holding(times: Vec<u64>, reach: Reach) -> Self {
        Self { times: times.into(), reach }
    }

    /// Decides on a request at `now`, and charges it; as [`SlidingWindow::judge`] does.
    pub fn judge(&mut self, limit: &RateLimit, charge: Charge, now: Tick) -> Judgement {
        self.remember_for(limit);
        let questions = Questions::of(limit);
        let now = now.as_micros().min(ring::TIME_MASK);
        let verdict = self.verdict(&questions, now);
        if !charge.includes(verdict) {
            return Judgement { verdict, charged_at: None };
        }
        let recorded = now.max(self.times.back().copied().unwrap_or(0));
        self.push(recorded);
        let verdict = match verdict {
            Verdict::Admitted => verdict,
            // What the client has to wait for now includes this refusal.
            Verdict::Denied { .. } => self.verdict(&questions, now),
        };
        Judgement { verdict, charged_at: Some(Tick::from_micros(recorded)) }
    }

    fn verdict(&self, questions: &Questions, now: u64) -> Verdict {
        let back = |n| {
            let nth = self.times.len().checked_sub(n);
            Ok::<_, Infallible>(nth.and_then(|nth| self.times.get(nth).copied()))
        };
        let Ok(verdict) = questions.verdict(now, back);
        verdict
    }

    fn push(&mut self, time: u64) {
        let most = usize::try_from(self.reach.admissions).unwrap_or(usize::MAX);
        while self.times.len() >= most && self.times.pop_front().is_some() {}
        self.times.push_back(time);
    }

    /// Takes one charge of exactly this time out again. Answers false where it is remembered no
    /// more: then no rule asks for it either.
    pub fn give_back(&mut self, charged_at: Tick) -> bool {
        let time = charged_at.as_micros();
        let younger = self.times.partition_point(|&each| each <= time);
        let Some(place) = younger.checked_sub(1) else { return false };
        self.times.get(place) == Some(&time) && self.times.remove(place).is_some()
    }

    /// Takes in the charges of another window, in the order of their times: all that lie in the
    /// span that it may be asked for, even where they are more than may be, as some of them may
    /// be given back.
    pub(crate) fn absorb(&mut self, other: Self, now: Tick) {
        self.reach = self.reach.union(other.reach);
        let mut times = Vec::from(std::mem::take(&mut self.times));
        times.extend(other.times);
        times.sort_unstable();
        let most = usize::try_from(self.reach.admissions).unwrap_or(usize::MAX);
        let says_nothing = |time: &u64| self.reach.is_left_by(Tick::from_micros(*time), now);
        let left = times.partition_point(says_nothing).min(times.len().saturating_sub(most));
        self.times = times.split_off(left).into();
    }

    /// Forgets all charges.
    pub(crate) fn empty(&mut self) {
        self.times = VecDeque::new();
    }

    /// Forgets nothing, from now on, that another limit may ask for.
    pub fn remember_for(&mut self, limit: &RateLimit) {
        self.reach = self.reach.union(Reach::of(limit));
    }

    /// How full the window is when `allowed` charges may lie in the last `span`.
    pub fn fill(&self, allowed: u32, span: Duration, now: Tick) -> Fill {
        Fill::of(&self.times, allowed, span, now)
    }

    /// When each charge was made, as far as they are remembered.
    pub(crate) fn times(&self) -> Vec<Tick> {
        self.times.iter().copied().map(Tick::from_micros).collect()
    }

    /// When the newest charge was made.
    pub fn newest(&self) -> Option<Tick> {
        self.times.back().copied().map(Tick::from_micros)
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    pub(crate) fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
    }
}

impl Times for VecDeque<u64> {
    fn length(&self) -> usize {
        self.len()
    }

    fn time(&self, nth: usize) -> Option<u64> {
        self.get(nth).copied()
    }
}

/// `&mut`, though nothing is changed: no claim is under way, so every charge is copied.
impl From<&mut SlidingWindow> for PlainWindow {
    fn from(window: &mut SlidingWindow) -> Self {
        Self { times: window.ring.log().times().collect(), reach: window.reach() }
    }
}

impl From<&mut PlainWindow> for SlidingWindow {
    fn from(plain: &mut PlainWindow) -> Self {
        let mut window = Self::with_ring(Ring::holding(plain.times.make_contiguous()));
        window.set_reach(plain.reach);
        window
    }
}
