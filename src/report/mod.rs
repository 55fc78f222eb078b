//! How does a client take its refusals? The report card of `maskgate test`.
//!
//! A refused call that comes again is the same request by the same credentials: method, path,
//! query and body. `retries` says which request comes back to which refusal.
//!
//! **Invariant:** a pure function of what the journal holds, in whatever order that is.

mod advice;
mod busiest;
mod json;
mod junit;
mod render;
mod retries;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

pub use busiest::Busiest;
pub use render::Ended;
pub use render::Format;
pub use render::Verdict;
pub use render::render;

use crate::agent::Agent;
use crate::observe::journal::Entries;
use crate::observe::journal::Sighting;
use crate::policy::endpoint::Endpoint;
use crate::reject::Refusal;

/// A retry that comes so much before its time is not called early: timers are not exact.
const SLACK: Duration = Duration::from_millis(10);

/// What a client did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Of all requests.
    pub total: Counts,
    /// How many of the refusals were for a rate (429); the others were for a cap (503).
    pub refused_for_rate: u64,
    /// From a refusal to its retry; none without a retry.
    pub spacing: Option<Spacing>,
    /// Where most was sent in one window; none without a request of the API's.
    pub busiest: Option<Busiest>,
    /// By operation, by the API's order; what is no request of the API's is left out.
    pub endpoints: Vec<(Endpoint, Counts)>,
    /// By family of clients.
    pub agents: Vec<(Agent, Counts)>,
    /// Requests that came when the journal was full, and are not in any of these figures.
    pub missed: u64,
}

/// How many requests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them, retries included.
    pub requests: u64,
    /// Refused for a rate or a cap, with a `Retry-After`.
    pub refused: u64,
    /// Sent again after a refusal.
    pub came_back: u64,
    /// Of these, before the refusal's `Retry-After` was over.
    pub early: u64,
    /// Refused and never sent again.
    pub gave_up: u64,
}

/// How long retries waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// The shortest.
    pub least: Duration,
    /// The median, the lower of two.
    pub median: Duration,
    /// The longest.
    pub most: Duration,
}

/// What may make a run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A retry came before its `Retry-After` was over.
    EarlyRetry,
    /// A refused call was never sent again.
    GaveUp,
    /// More was sent than a rate allows.
    OverLimit,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 3] = [Self::EarlyRetry, Self::GaveUp, Self::OverLimit];

    /// The check's word on the command line and in reports.
    pub const fn label(self) -> &'static str {
        match self {
            Self::EarlyRetry => "early-retry",
            Self::GaveUp => "gave-up",
            Self::OverLimit => "over-limit",
        }
    }

    /// How many requests fail it.
    pub const fn found(self, report: &Report) -> u64 {
        match self {
            Self::EarlyRetry => report.total.early,
            Self::GaveUp => report.total.gave_up,
            Self::OverLimit => report.refused_for_rate,
        }
    }
}

impl Report {
    /// The report on what a journal holds.
    pub fn of(entries: Entries) -> Self {
        let Entries { mut kept, missed } = entries;
        // Where a clock stands, moments say nothing.
        kept.sort_by_key(|sighting| (sighting.begun, sighting.order));
        let mut tally = Tally::default();
        for (sighting, retry) in kept.iter().zip(retries::of(&kept)) {
            tally.add(sighting, retry.and_then(|place| kept.get(place)));
        }
        let mut report = tally.close();
        report.busiest = busiest::of(&kept);
        report.missed = missed;
        report
    }
}

/// What is counted on the way through the requests.
#[derive(Default)]
struct Tally {
    report: Report,
    endpoints: BTreeMap<Endpoint, Counts>,
    agents: BTreeMap<Agent, Counts>,
    waits: Vec<Duration>,
}

impl Tally {
    /// Counts a request, and what became of it if it was refused.
    fn add(&mut self, sighting: &Sighting, retry: Option<&Sighting>) {
        if sighting.refusal == Some(Refusal::Rate) {
            add_one(&mut self.report.refused_for_rate);
        }
        let Some(wait) = sighting.retry_after.map(Duration::from_secs) else {
            self.count(sighting, |counts| add_one(&mut counts.requests));
            return;
        };
        self.count(sighting, |counts| {
            add_one(&mut counts.requests);
            add_one(&mut counts.refused);
        });
        let Some(retry) = retry else {
            self.count(sighting, |counts| add_one(&mut counts.gave_up));
            return;
        };
        let waited = retry.begun.since(sighting.begun);
        let early = waited.saturating_add(SLACK) < wait;
        self.waits.push(waited);
        self.count(retry, |counts| {
            add_one(&mut counts.came_back);
            counts.early = counts.early.saturating_add(u64::from(early));
        });
    }

    fn count(&mut self, sighting: &Sighting, count: impl Fn(&mut Counts)) {
        count(&mut self.report.total);
        count(self.agents.entry(sighting.agent).or_default());
        if let Some(class) = sighting.class {
            count(self.endpoints.entry(class.endpoint).or_default());
        }
    }

    fn close(mut self) -> Report {
        self.waits.sort_unstable();
        let middle = self.waits.len().saturating_sub(1) / 2;
        let mut report = self.report;
        report.spacing = match (self.waits.first(), self.waits.get(middle), self.waits.last()) {
            (Some(&least), Some(&median), Some(&most)) => Some(Spacing { least, median, most }),
            _ => None,
        };
        report.endpoints = self.endpoints.into_iter().collect();
        report.agents = self.agents.into_iter().collect();
        report
    }
}

fn add_one(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests;
