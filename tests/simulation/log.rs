//! The model: a list of times that is counted.

use std::time::Duration;

use maskgate::policy::rate::BURST_SPAN;
use maskgate::policy::rate::RateLimit;

/// The times (µs) of what has been charged to one key, from the oldest to the newest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<u64>);

impl Log {
    /// How many lie in the half-open `span` that ends at `now`. What is newer lies in it too: a
    /// thread whose time is behind must not overlook it.
    pub(crate) fn count(&self, span: Duration, now: u64) -> usize {
        self.0.len() - self.left(span, now)
    }

    /// How many have left the `span` that ends at `now`.
    fn left(&self, span: Duration, now: u64) -> usize {
        let span = micros(span);
        self.0.partition_point(|&time| time + span <= now)
    }

    /// The rule, as it is written: fewer than both numbers lie in their spans.
    pub(crate) fn admits(&self, limit: &RateLimit, now: u64) -> bool {
        questions(limit).all(|(allowed, span)| self.count(span, now) < allowed)
    }

    /// The first moment from `now` on at which the rule admits.
    pub(crate) fn free_at(&self, limit: &RateLimit, now: u64) -> u64 {
        let spans = || questions(limit).map(|(_, span)| span);
        self.first(spans, now, |at| self.admits(limit, at))
    }

    /// How many more may come in `span`, and the first moment at which it is more than that.
    pub(crate) fn room(&self, allowed: usize, span: Duration, now: u64) -> (usize, u64) {
        let room = |at| allowed.saturating_sub(self.count(span, at));
        if self.count(span, now) == 0 {
            return (allowed, now);
        }
        (room(now), self.first(|| [span], now, |at| room(at) > room(now)))
    }

    /// The first moment from `now` on of which `holds` is true; only the moments at which one
    /// leaves its span can be.
    fn first<S: IntoIterator<Item = Duration>>(
        &self,
        spans: impl Fn() -> S,
        now: u64,
        holds: impl Fn(u64) -> bool,
    ) -> u64 {
        let mut at = now;
        while !holds(at) {
            let leaves = |span| Some(self.0.get(self.left(span, at))? + micros(span));
            at = spans().into_iter().filter_map(leaves).min().unwrap();
        }
        at
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one, and answers with its time; a thread whose time is behind is recorded with the
    /// newest.
    pub(crate) fn charge(&mut self, now: u64) -> u64 {
        let time = now.max(self.0.last().copied().unwrap_or(0));
        self.0.push(time);
        time
    }

    /// Adds all of another one.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_unstable();
    }

    /// Removes one of this time, if there is one.
    pub(crate) fn give_back(&mut self, time: u64) -> bool {
        let found = self.0.iter().rposition(|&each| each == time);
        found.map(|place| self.0.remove(place)).is_some()
    }

    /// Removes what has left `span`.
    pub(crate) fn forget_before(&mut self, span: Duration, now: u64) {
        let kept = self.count(span, now);
        self.keep_newest(kept);
    }

    /// Removes all but the newest.
    pub(crate) fn keep_newest(&mut self, kept: usize) {
        self.0.drain(..self.0.len().saturating_sub(kept));
    }
}

fn questions(limit: &RateLimit) -> impl Iterator<Item = (usize, Duration)> {
    let window = (limit.admissions(), limit.window());
    let burst = limit.burst_admissions().map(|burst| (burst, BURST_SPAN));
    [Some(window), burst]
        .into_iter()
        .flatten()
        .map(|(allowed, span)| (usize::try_from(allowed.get()).unwrap(), span))
}

fn micros(span: Duration) -> u64 {
    maskgate::time::micros(span)
}
