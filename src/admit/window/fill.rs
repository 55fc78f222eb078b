//! How full is a log of times?

use std::time::Duration;

use crate::time;
use crate::time::Tick;

/// How full a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Charges in the span: more than are allowed where the limit has been lowered.
    pub taken: u32,
    /// How many more are allowed.
    pub remaining: u32,
    /// Until then there is room for no more than `remaining`; zero when nothing is taken.
    pub resets_in: Duration,
}

impl Fill {
    /// How full `times` are when `allowed` of them may lie in the last `span`.
    pub(super) fn of(times: &impl Times, allowed: u32, span: Duration, now: Tick) -> Self {
        let (span, now) = (time::micros(span), now.as_micros());
        let gone = times.partition_point(|time| time.saturating_add(span) <= now);
        let taken = times.length().saturating_sub(gone);
        // Where there is no room at all, more than the oldest may have to leave.
        let must_leave = taken.min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let last = times.time(times.length().saturating_sub(must_leave));
        let resets_at = last.map_or(0, |time| time.saturating_add(span));
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Self {
            taken,
            remaining: allowed.saturating_sub(taken),
            resets_in: Duration::from_micros(resets_at.saturating_sub(now)),
        }
    }
}

/// Times (µs) from the oldest to the newest.
pub(super) trait Times {
    /// How many there are.
    fn length(&self) -> usize;

    /// The `nth` oldest, counted from 0.
    fn time(&self, nth: usize) -> Option<u64>;

    /// How many of the oldest are `gone`: about eight looks at 150 times.
    fn partition_point(&self, gone: impl Fn(u64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.length());
        while low < high {
            let middle = low.midpoint(high);
            if self.time(middle).is_some_and(&gone) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }
}
