//! The model of the store: one window, one epoch, one clock.

use std::time::Duration;

use maskgate::store::Count;
use maskgate::store::Epoch;
use maskgate::store::Heard;
use maskgate::store::Said;
use maskgate::store::StoreBound;
use maskgate::time::Tick;

use crate::ADMISSIONS;
use crate::SPAN;

/// Its clock is ahead of the replicas'.
const AHEAD: u64 = 77_000_000;

#[derive(Debug, Default)]
pub(crate) struct Server {
    epoch: Option<u64>,
    /// From the oldest to the newest, by its own clock.
    times: Vec<u64>,
}

impl Server {
    /// All data is gone.
    pub(crate) fn flush(&mut self) {
        *self = Self::default();
    }

    /// Another process has it, without what was written in the last `lag`.
    pub(crate) fn fail_over(&mut self, now: u64, lag: u64) {
        self.times.retain(|at| at + lag < now + AHEAD);
        self.epoch = None;
    }

    /// Since when it has had the data.
    pub(crate) fn hear(&mut self, now: u64) -> Heard {
        let server = now + AHEAD;
        let epoch = *self.epoch.get_or_insert(server);
        Heard { epoch: Epoch(epoch), server, at: Tick::from_micros(now) }
    }

    pub(crate) fn admit(&mut self, believed: Epoch, now: u64) -> (Heard, Said) {
        let heard = self.hear(now);
        // Nobody asks for what is older than a minute.
        let left = self.times.partition_point(|at| at + 12 * SPAN <= heard.server);
        self.times.drain(..left);
        if heard.epoch != believed {
            return (heard, Said::OtherEpoch);
        }
        let taken = self.times.iter().filter(|at| **at + SPAN > heard.server).count();
        let count =
            |taken: usize| Count { taken: u32::try_from(taken).unwrap(), ..Count::default() };
        if taken >= ADMISSIONS {
            let nth = self.times[self.times.len() - ADMISSIONS];
            let retry_after = Duration::from_micros(nth + SPAN - heard.server);
            let bound = StoreBound::Window;
            return (heard, Said::Denied { retry_after, bound, count: count(taken) });
        }
        self.times.push(heard.server);
        (heard, Said::Admitted { charged_at: heard.server, count: count(taken + 1) })
    }

    /// Takes in what a replica admitted by itself so long ago.
    pub(crate) fn push(&mut self, ages: impl Iterator<Item = u64>, now: u64) -> Heard {
        let heard = self.hear(now);
        self.times.extend(ages.map(|age| heard.server - age));
        self.times.sort_unstable();
        heard
    }
}
