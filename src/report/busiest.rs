//! Where was most sent? The window that a client used most.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::observe::journal::Sighting;
use crate::policy::endpoint::Endpoint;
use crate::policy::rate::RateLimit;
use crate::reject::Decision;
use crate::sid::Sid;
use crate::time::Tick;

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
    /// How many of these were admitted.
    pub admitted: u64,
    /// How many may be.
    pub allowed: NonZeroU32,
    /// Whether more are refused; not so where the rate is on trial or off.
    pub enforced: bool,
}

/// The requests of one window, in order.
struct Series {
    key: WindowKey,
    limit: RateLimit,
    enforced: bool,
    requests: Vec<Request>,
}

#[derive(Clone, Copy)]
struct Request {
    begun: Tick,
    admitted: bool,
}

/// Of requests in the order in which they began; none without one that a rate is for.
pub(super) fn of(sightings: &[Sighting]) -> Option<Busiest> {
    // Kept in the order in which they began, so that of equal ones always the same is named.
    let mut series: Vec<Series> = Vec::new();
    let mut places: HashMap<WindowKey, usize> = HashMap::new();
    for sighting in sightings {
        let (Some(class), Some(limit)) = (sighting.class, sighting.limit) else { continue };
        let key = WindowKey::of(&class);
        let place = *places.entry(key).or_insert(series.len());
        if place == series.len() {
            let (enforced, requests) = (sighting.enforced, Vec::new());
            series.push(Series { key, limit, enforced, requests });
        }
        let Some(series) = series.get_mut(place) else { continue };
        // Of two accounts that call one service each may have its own; it is said for one.
        series.enforced = series.enforced && sighting.enforced;
        let admitted = sighting.decision != Decision::Limited;
        series.requests.push(Request { begun: sighting.begun, admitted });
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
        let (sent, admitted) = most_in(&self.requests, window);
        let (allowed, enforced) = (self.limit.admissions(), self.enforced);
        Busiest { endpoint: self.key.endpoint, of, window, sent, admitted, allowed, enforced }
    }
}

/// The most of these requests, which are in order, that lie in any half-open `window`, and how
/// many of those were admitted; of equally full windows the one that admitted more.
fn most_in(requests: &[Request], window: Duration) -> (u64, u64) {
    let mut inside = VecDeque::new();
    let mut admitted: u64 = 0;
    let mut most = (0, 0);
    for request in requests {
        while let Some(first) = inside
            .pop_front_if(|first: &mut Request| request.begun.since(first.begun) >= window)
        {
            admitted = admitted.saturating_sub(u64::from(first.admitted));
        }
        inside.push_back(*request);
        admitted = admitted.saturating_add(u64::from(request.admitted));
        most = most.max((u64::try_from(inside.len()).unwrap_or(u64::MAX), admitted));
    }
    most
}
