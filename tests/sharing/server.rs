//! The model of the store: one window, one epoch, one clock.

use std::time::Duration;

use maskgate::store::Count;
use maskgate::store::Epoch;
use maskgate::store::Heard;
use maskgate::store::Question;
use maskgate::store::Said;
use maskgate::store::StoreBound;
use maskgate::store::StoreCharge;
use maskgate::time::Tick;

use crate::SECOND;
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

    pub(crate) fn admit(&mut self, question: &Question<'_>, now: u64) -> (Heard, Said) {
        let heard = self.hear(now);
        // Nobody asks for what is older than a minute.
        let left = self.times.partition_point(|at| at + 12 * SPAN <= heard.server);
        self.times.drain(..left);
        if heard.epoch != question.epoch {
            return (heard, Said::OtherEpoch);
        }
        let burst = question.limit.burst_admissions();
        let denied = [
            (Some(question.limit.admissions()), SPAN, StoreBound::Window),
            (burst, SECOND, StoreBound::Burst),
        ]
        .into_iter()
        .filter_map(|(most, span, bound)| {
            let most = usize::try_from(most?.get()).unwrap();
            let nth = self.times.len().checked_sub(most)?;
            let free = self.times[nth] + span;
            (free > heard.server).then(|| (free - heard.server, bound))
        })
        .max_by_key(|(wait, _)| *wait);
        if denied.is_none() || question.charge == StoreCharge::Offered {
            self.times.push(heard.server);
        }
        let count = self.count(heard.server);
        let said = match denied {
            Some((wait, bound)) => {
                Said::Denied { retry_after: Duration::from_micros(wait), bound, count }
            }
            None => Said::Admitted { charged_at: heard.server, count },
        };
        (heard, said)
    }

    /// How full it is at this moment of its own clock.
    fn count(&self, server: u64) -> Count {
        let within = |span| {
            let taken = self.times.iter().filter(|at| **at + span > server).count();
            u32::try_from(taken).unwrap()
        };
        Count { taken: within(SPAN), burst_taken: within(SECOND), ..Count::default() }
    }

    /// How many requests it knows of, whenever they came.
    pub(crate) const fn charges(&self) -> usize {
        self.times.len()
    }

    /// Takes in what a replica admitted by itself so long ago.
    pub(crate) fn push(&mut self, ages: impl Iterator<Item = u64>, now: u64) -> Heard {
        let heard = self.hear(now);
        self.times.extend(ages.map(|age| heard.server - age));
        self.times.sort_unstable();
        heard
    }
}
