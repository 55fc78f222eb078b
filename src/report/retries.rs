//! Which request comes back to which refusal?
//!
//! No request says so: a retry is an equal request, and so is another call that only looks the
//! same. Threads that make equal calls at once have most of them refused one after the other,
//! since a refusal takes microseconds. Of what the times allow a reading is chosen that blames
//! the client for little: what came when it should have is a retry before anything else is.
//!
//! **Invariant:** a request comes back to one refusal at most, and to none that had not been
//! answered when it began.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::SLACK;
use crate::observe::journal::Sighting;
use crate::time::Tick;

/// An equal request that follows a refusal so soon, over another connection, is another call.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Of each request the place of the one that comes back to it; none where it was not refused, or
/// was given up. The requests are in the order in which they began.
pub(super) fn of(sightings: &[Sighting]) -> Vec<Option<usize>> {
    let mut groups: HashMap<u128, Later> = HashMap::new();
    let mut retries = Vec::with_capacity(sightings.len());
    // From the last to the first: the later a refusal, the fewer requests can be its retry.
    for (place, sighting) in sightings.iter().enumerate().rev() {
        let later = groups.entry(sighting.request).or_default();
        let wait = sighting.retry_after.map(Duration::from_secs);
        retries.push(wait.and_then(|wait| later.take_retry(sighting, wait)));
        later.add(sighting, place);
    }
    retries.reverse();
    retries
}

/// Equal requests that are later than the one that is looked at and, so far, nobody's retry.
#[derive(Default)]
struct Later {
    by_time: BTreeMap<(Tick, usize), Option<SocketAddr>>,
    by_connection: BTreeSet<(SocketAddr, Tick, usize)>,
}

impl Later {
    fn add(&mut self, sighting: &Sighting, place: usize) {
        let Sighting { begun, connection, .. } = *sighting;
        self.by_time.insert((begun, place), connection);
        self.by_connection.extend(connection.map(|connection| (connection, begun, place)));
    }

    /// Takes out the retry of a refusal that told to wait so long: the first that came when it
    /// should have, or not much later; else the first of all.
    fn take_retry(&mut self, refusal: &Sighting, wait: Duration) -> Option<usize> {
        let apart = refusal.begun.plus(AT_ONCE).max(refusal.ended);
        let due = refusal.begun.plus(wait.saturating_sub(SLACK)).max(apart);
        let late = due.plus(wait);
        let punctual = self.first(due).filter(|(begun, _)| *begun <= late);
        let found = punctual.or_else(|| {
            let own = refusal.connection.and_then(|connection| self.first_over(connection));
            [own, self.first(apart)].into_iter().flatten().min()
        })?;
        let (begun, place) = found;
        if let Some(connection) = self.by_time.remove(&found)? {
            self.by_connection.remove(&(connection, begun, place));
        }
        Some(place)
    }

    /// The first from a moment on.
    fn first(&self, from: Tick) -> Option<(Tick, usize)> {
        self.by_time.range((from, 0)..).next().map(|(key, _)| *key)
    }

    /// The first over a connection, on which one request follows the answer of the other.
    fn first_over(&self, connection: SocketAddr) -> Option<(Tick, usize)> {
        let (of, begun, place) =
            *self.by_connection.range((connection, Tick::default(), 0)..).next()?;
        (of == connection).then_some((begun, place))
    }
}
