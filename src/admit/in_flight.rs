//! How many requests are under way? Counted from admission to the last byte of the answer.
//!
//! **Invariant:** what a guard took it gives back, once, when it is dropped.

use std::num::NonZeroU32;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::Entry;

use crate::policy::limit::InFlightLimit;
use crate::sid::ServiceKey;
use crate::sync::atomic::AtomicU32;
use crate::sync::atomic::Ordering;

/// Counts the requests under way.
#[derive(Debug)]
pub struct InFlight(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    total: AtomicU32,
    /// Only services that have a request under way, and only while there is a limit for each.
    of_service: DashMap<ServiceKey, u32>,
}

/// One request under way, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped at once, it counts for nothing"]
pub struct InFlightGuard {
    counters: Arc<Counters>,
    /// The service that it is counted for too.
    service: Option<ServiceKey>,
}

/// As many requests are under way as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Where.
    pub of: InFlightOf,
    /// How many may be.
    pub max: NonZeroU32,
}

/// What requests under way are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlightOf {
    /// The whole gateway.
    Total,
    /// One service.
    Service,
}

impl InFlight {
    /// Nothing under way.
    pub fn new() -> Self {
        let total = AtomicU32::new(0);
        Self(Arc::new(Counters { total, of_service: DashMap::new() }))
    }

    /// Counts one more, for its service too where `limit` has a number for each.
    pub fn enter(
        &self,
        limit: &InFlightLimit,
        service: Option<ServiceKey>,
    ) -> Result<InFlightGuard, Full> {
        self.enter_total(limit.total)?;
        // From here on a refusal drops the guard, which gives back what has been taken.
        let mut guard = InFlightGuard { counters: Arc::clone(&self.0), service: None };
        if let (Some(max), Some(service)) = (limit.per_service, service) {
            self.enter_service(max, service)?;
            guard.service = Some(service);
        }
        Ok(guard)
    }

    /// Why one more would not be counted now; none where it would.
    pub fn full(&self, limit: &InFlightLimit, service: Option<ServiceKey>) -> Option<Full> {
        if self.total() >= limit.total.get() {
            return Some(Full { of: InFlightOf::Total, max: limit.total });
        }
        let max = limit.per_service?;
        let count = self.0.of_service.view(&service?, |_, count| *count)?;
        (count >= max.get()).then_some(Full { of: InFlightOf::Service, max })
    }

    fn enter_total(&self, max: NonZeroU32) -> Result<(), Full> {
        // Relaxed: the count orders nothing, and every change of it is one step.
        self.0
            .total
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| one_more(count, max))
            .map_err(|_| Full { of: InFlightOf::Total, max })?;
        Ok(())
    }

    fn enter_service(&self, max: NonZeroU32, service: ServiceKey) -> Result<(), Full> {
        match self.0.of_service.entry(service) {
            Entry::Occupied(mut entry) => {
                let more = one_more(*entry.get(), max);
                *entry.get_mut() = more.ok_or(Full { of: InFlightOf::Service, max })?;
            }
            Entry::Vacant(entry) => {
                entry.insert(1);
            }
        }
        Ok(())
    }

    /// How many requests are under way.
    pub fn total(&self) -> u32 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// How many services are counted each for itself.
    pub fn services(&self) -> usize {
        self.0.of_service.len()
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counters.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(service) = self.service
            && let Entry::Occupied(mut entry) = self.counters.of_service.entry(service)
        {
            let left = entry.get().saturating_sub(1);
            if left == 0 {
                entry.remove();
            } else {
                *entry.get_mut() = left;
            }
        }
    }
}

fn one_more(count: u32, max: NonZeroU32) -> Option<u32> {
    (count < max.get()).then(|| count.saturating_add(1))
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Full;
    use super::InFlight;
    use super::InFlightGuard;
    use super::InFlightOf;
    use crate::policy::limit::InFlightLimit;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use std::num::NonZeroU32;

    const ONE: Option<ServiceKey> = Some(ServiceKey::Sid(Sid::new(SidKind::Service, [1; 16])));
    const OTHER: Option<ServiceKey> =
        Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16])));

    fn limit(total: u32, per_service: Option<u32>) -> InFlightLimit {
        InFlightLimit {
            total: NonZeroU32::new(total).unwrap(),
            per_service: per_service.and_then(NonZeroU32::new),
        }
    }

    fn full(of: InFlightOf, max: u32) -> Option<Full> {
        NonZeroU32::new(max).map(|max| Full { of, max })
    }

    #[test]
    fn a_dropped_guard_makes_room_for_the_next() {
        let in_flight = InFlight::new();
        let first = in_flight.enter(&limit(1, None), ONE).unwrap();
        assert_eq!(in_flight.full(&limit(1, None), ONE), full(InFlightOf::Total, 1));
        assert_eq!(in_flight.enter(&limit(1, None), ONE).err(), full(InFlightOf::Total, 1));
        drop(first);
        assert_eq!(in_flight.total(), 0);
        assert!(in_flight.enter(&limit(1, None), ONE).is_ok());
    }

    #[test]
    fn a_full_service_leaves_room_for_others_and_takes_none_of_the_total() {
        let in_flight = InFlight::new();
        let limit = limit(3, Some(1));
        let held = in_flight.enter(&limit, ONE).unwrap();
        assert_eq!(in_flight.full(&limit, ONE), full(InFlightOf::Service, 1));
        assert_eq!(in_flight.full(&limit, OTHER), None);
        assert_eq!(in_flight.enter(&limit, ONE).err(), full(InFlightOf::Service, 1));
        assert_eq!(in_flight.total(), 1);
        let other = in_flight.enter(&limit, OTHER).unwrap();
        assert_eq!(in_flight.services(), 2);
        drop((held, other));
        assert_eq!((in_flight.total(), in_flight.services()), (0, 0));
    }

    #[test]
    fn a_guard_gives_back_what_it_took_whatever_the_limit_is_by_then() {
        let in_flight = InFlight::new();
        let before = in_flight.enter(&limit(9, None), ONE).unwrap();
        let after = in_flight.enter(&limit(9, Some(1)), ONE).unwrap();
        drop(before);
        assert_eq!(
            in_flight.enter(&limit(9, Some(1)), ONE).err(),
            full(InFlightOf::Service, 1)
        );
        drop(after);
        assert_eq!((in_flight.total(), in_flight.services()), (0, 0));
    }

    #[test]
    fn a_guard_may_travel_with_an_answer() {
        fn travels<T: Send + 'static>() {}
        travels::<InFlightGuard>();
    }
}

#[cfg(test)]
#[cfg(gateway_loom)]
mod loom_models {
    use super::InFlight;
    use crate::policy::limit::InFlightLimit;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::atomic::Ordering;
    use loom::thread;
    use std::num::NonZeroU32;
    use std::sync::Arc;

    fn limit(total: u32) -> InFlightLimit {
        InFlightLimit { total: NonZeroU32::new(total).unwrap(), per_service: None }
    }

    #[test]
    fn two_of_three_threads_hold_a_guard_when_two_may() {
        loom::model(|| {
            let in_flight = Arc::new(InFlight::new());
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let in_flight = Arc::clone(&in_flight);
                    thread::spawn(move || in_flight.enter(&limit(2), None).ok())
                })
                .collect();
            let mine = in_flight.enter(&limit(2), None).ok();
            let theirs: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            let held = theirs.iter().chain([&mine]).flatten().count();
            assert_eq!(held, 2);
            assert_eq!(in_flight.total(), 2);
            drop((mine, theirs));
            assert_eq!(in_flight.total(), 0);
        });
    }

    #[test]
    fn never_more_than_one_is_inside_when_one_may() {
        loom::model(|| {
            let in_flight = Arc::new(InFlight::new());
            let inside = Arc::new(AtomicUsize::new(0));
            let visit = |in_flight: &InFlight, inside: &AtomicUsize| {
                if let Ok(guard) = in_flight.enter(&limit(1), None) {
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    inside.fetch_sub(1, Ordering::Relaxed);
                    drop(guard);
                }
            };
            let other = {
                let (in_flight, inside) = (Arc::clone(&in_flight), Arc::clone(&inside));
                thread::spawn(move || {
                    visit(&in_flight, &inside);
                    visit(&in_flight, &inside);
                })
            };
            visit(&in_flight, &inside);
            other.join().unwrap();
            assert_eq!(in_flight.total(), 0);
        });
    }
}
