//! How does a client take its refusals? The report card of `maskgate test`.
//!
//! A refused call that comes again is the same request by the same credentials: method, path,
//! query and body. `retries` says which request comes back to which refusal.
//!
//! **Invariant:** a pure function of what the journal holds, in whatever order that is.

mod advice;
mod json;
mod junit;
mod render;
mod retries;
mod text;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

pub use render::Ended;
pub use render::Format;
pub use render::Verdict;
pub use render::render;

use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::agent::Agent;
use crate::observe::journal::Entries;
use crate::observe::journal::Sighting;
use crate::policy::endpoint::Endpoint;
use crate::policy::rate::RateLimit;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::sid::Sid;
use crate::time::Tick;

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

/// The window that was used most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busiest {
    /// The operation.
    pub endpoint: Endpoint,
    /// The service's or the account's, where its SID is known.
    pub of: Option<Sid>,
    /// The length of its window.
    pub window: Duration,
    /// The most requests that were sent in any such span.
    pub sent: u64,
    /// The most that were admitted in any.
    pub admitted: u64,
    /// How many may be.
    pub allowed: NonZeroU32,
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
        report.busiest = busiest(&kept);
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

/// The requests of one window, in order.
struct Series {
    key: WindowKey,
    limit: RateLimit,
    sent: Vec<Tick>,
    admitted: Vec<Tick>,
}

fn busiest(sightings: &[Sighting]) -> Option<Busiest> {
    // Kept in the order in which they began, so that of equal ones always the same is named.
    let mut series: Vec<Series> = Vec::new();
    let mut places: HashMap<WindowKey, usize> = HashMap::new();
    for sighting in sightings {
        let (Some(class), Some(limit)) = (sighting.class, sighting.limit) else { continue };
        let key = WindowKey::of(&class);
        let place = *places.entry(key).or_insert(series.len());
        if place == series.len() {
            series.push(Series { key, limit, sent: Vec::new(), admitted: Vec::new() });
        }
        let Some(series) = series.get_mut(place) else { continue };
        series.limit = limit; // the last one, after a reload
        series.sent.push(sighting.begun);
        if sighting.decision != Decision::Limited {
            series.admitted.push(sighting.begun);
        }
    }
    let all = series.iter().map(Series::measure);
    all.reduce(|most, next| if next.sent > most.sent { next } else { most })
}

impl Series {
    fn measure(&self) -> Busiest {
        let of = match self.key.scope {
            Scope::Service(service) => service.sid(),
            Scope::Account(account) => account.sid(),
        };
        let window = self.limit.window();
        Busiest {
            endpoint: self.key.endpoint,
            of,
            window,
            sent: most_in(&self.sent, window),
            admitted: most_in(&self.admitted, window),
            allowed: self.limit.admissions(),
        }
    }
}

/// The most of these moments, which are in order, that lie in any half-open `window`.
fn most_in(moments: &[Tick], window: Duration) -> u64 {
    let mut inside = VecDeque::new();
    let mut most = 0;
    for moment in moments {
        while inside.front().is_some_and(|first| moment.since(*first) >= window) {
            inside.pop_front();
        }
        inside.push_back(*moment);
        most = most.max(inside.len());
    }
    u64::try_from(most).unwrap_or(u64::MAX)
}

fn add_one(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests;
