//! What does a limit ask of a log of times?

use std::time::Duration;

use super::Bound;
use super::Verdict;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::RateLimit;
use crate::time;

/// The two questions of a limit: are there so many charges in such a span (µs)?
pub(super) struct Questions {
    window: (usize, u64),
    burst: Option<(usize, u64)>,
}

impl Questions {
    pub(super) fn of(limit: &RateLimit) -> Self {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let burst = limit.burst_admissions();
        Self {
            window: (size(limit.admissions().get()), time::micros(limit.window())),
            burst: burst.map(|burst| (size(burst.get()), time::micros(BURST_SPAN))),
        }
    }

    /// The answer to both; `back` tells when the n-th charge ago was made.
    pub(super) fn verdict<E>(
        &self,
        now: u64,
        back: impl Fn(usize) -> Result<Option<u64>, E>,
    ) -> Result<Verdict, E> {
        let leaves = |(charges, span): (usize, u64)| {
            Ok(back(charges)?.map_or(0, |time| time.saturating_add(span)))
        };
        let window = leaves(self.window)?;
        let burst = self.burst.map_or(Ok(0), leaves)?;
        let wait = window.max(burst).saturating_sub(now);
        if wait == 0 {
            return Ok(Verdict::Admitted);
        }
        let by = if burst > window { Bound::Burst } else { Bound::Window };
        Ok(Verdict::Denied { retry_after: Duration::from_micros(wait), by })
    }
}
