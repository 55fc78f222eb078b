//! What can be said from outside of requests that several gateways have answered.
//!
//! When a request was admitted nobody outside knows, but that it was after it had been sent and
//! before its answer came.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use crate::support::load::Outcome;

/// The limit of every service here.
pub(crate) const LIMIT: usize = 150;
/// In so much time.
pub(crate) const SPAN: Duration = Duration::from_secs(5);
/// A gateway that was told when a slot is free finds out a little later.
const SLACK: Duration = Duration::from_millis(250);

type Times = Vec<(Instant, Instant)>;

/// The requests of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside(Arc<Mutex<Seen>>);

/// What has been seen of them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When they were sent and answered.
    admitted: Times,
    refused: Times,
    /// Answers that are neither, by their status; 0 where there was none.
    pub(crate) others: BTreeMap<u16, usize>,
}

impl Outside {
    pub(crate) fn add(&self, outcome: &Outcome) {
        let span = (outcome.sent, outcome.ended);
        let mut seen = self.0.lock().unwrap();
        match outcome.status() {
            Some(200) => seen.admitted.push(span),
            Some(429) => seen.refused.push(span),
            other => *seen.others.entry(other.unwrap_or(0)).or_default() += 1,
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.0.lock().unwrap();
        seen.admitted.sort_unstable();
        seen
    }
}

impl Seen {
    /// How many were admitted, and how many refused.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.admitted.len(), self.refused.len())
    }

    /// The most that were admitted in less than the span, for certain.
    pub(crate) fn most(&self) -> usize {
        most(&self.admitted)
    }

    /// The same of those that were sent after `moment`.
    pub(crate) fn most_after(&self, moment: Instant) -> usize {
        let after: Times =
            self.admitted.iter().filter(|(sent, _)| *sent > moment).copied().collect();
        most(&after)
    }

    /// How many were refused while there was room for certain.
    pub(crate) fn refused_too_early(&self) -> usize {
        let had_room = |&&(sent, ended): &&(Instant, Instant)| {
            let counted = |&&(its_sent, its_ended): &&(Instant, Instant)| {
                its_sent <= ended && its_ended + SPAN + SLACK >= sent
            };
            self.admitted.iter().filter(counted).count() < LIMIT
        };
        self.refused.iter().filter(had_room).count()
    }

    /// Nobody has seen anything but an answer or a refusal.
    pub(crate) fn assert_no_error(&self) {
        assert!(self.others.is_empty(), "{:?}", self.others);
    }
}

fn most(admitted: &[(Instant, Instant)]) -> usize {
    let within = |nth: usize| {
        let begin = admitted[nth].0;
        admitted[nth..].iter().filter(|(_, ended)| *ended < begin + SPAN).count()
    };
    (0..admitted.len()).map(within).max().unwrap_or(0)
}
