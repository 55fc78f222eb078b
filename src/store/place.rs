//! Which of the replicas is this one? It decides who admits what is left over when a limit is
//! divided.
//!
//! **Invariant:** a place is used only after it has been held for so long that nothing of who had it
//! before is in any window, and no longer than until the store says that it is another's. So no two
//! replicas that the store answers use one place at the same time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::store::trust::SETTLE;
use crate::time::Tick;

/// For how long a place is kept for a replica that does not ask for it again.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// The place of this replica.
#[derive(Debug)]
pub(super) struct Place {
    who: String,
    /// Written by the keeper alone, read for every request.
    held: ArcSwapOption<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// From 0.
    place: u32,
    since: Tick,
}

impl Place {
    /// That of a replica of which nobody has heard yet.
    pub(super) fn new() -> Self {
        Self { who: format!("{:016x}", fastrand::u64(..)), held: ArcSwapOption::empty() }
    }

    /// Who asks: different for each process.
    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// The place that it has, from 0, and asks to keep.
    pub(super) fn held(&self) -> Option<u32> {
        self.held.load_full().as_ref().map(|held| held.place)
    }

    /// The store has given it this place, or none.
    pub(super) fn given(&self, place: Option<u32>, now: Tick) {
        if self.held() != place {
            self.held.store(place.map(|place| Arc::new(Held { place, since: now })));
        }
    }

    /// The place, where it has been held for as long as the longest window remembers.
    pub(super) fn settled(&self, longest: Duration, now: Tick) -> Option<u32> {
        let held = self.held.load_full();
        let held = held.as_ref()?;
        (held.since.plus(longest.saturating_add(SETTLE)) <= now).then_some(held.place)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::time::Tick;
    use std::time::Duration;

    const WINDOW: Duration = Duration::from_secs(5);

    const fn at(ms: u64) -> Tick {
        Tick::from_micros(ms.saturating_mul(1_000))
    }

    #[test]
    fn a_place_is_used_once_no_window_remembers_who_had_it_before() {
        let place = Place::new();
        assert_eq!(place.settled(WINDOW, at(0)), None);
        place.given(Some(2), at(1_000));
        assert_eq!((place.held(), place.settled(WINDOW, at(6_499))), (Some(2), None));
        assert_eq!(place.settled(WINDOW, at(6_500)), Some(2));
    }

    #[test]
    fn a_place_that_is_given_again_goes_on() {
        let place = Place::new();
        place.given(Some(0), at(0));
        place.given(Some(0), at(6_000));
        assert_eq!(place.settled(WINDOW, at(6_001)), Some(0));
    }

    #[test]
    fn a_place_that_is_anothers_is_not_used_any_more() {
        let place = Place::new();
        place.given(Some(0), at(0));
        place.given(None, at(6_000));
        assert_eq!((place.held(), place.settled(WINDOW, at(60_000))), (None, None));
        place.given(Some(1), at(60_000));
        assert_eq!(place.settled(WINDOW, at(60_000)), None);
    }

    #[test]
    fn no_two_processes_ask_under_one_name() {
        assert_ne!(Place::new().who(), Place::new().who());
    }
}
