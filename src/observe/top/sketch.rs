//! Which services are seen most often, in a fixed number of counters?
//!
//! `SpaceSaving` (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in
//! data streams", 2005): whoever has no counter takes over that of the service seen least, with
//! its count.
//!
//! **Invariant:** of `seen` in `most` counters, no count is below the truth, none is more than
//! `over` above it, no `over` is more than `seen / most`, and whoever was seen more often than
//! that has a counter. After the first of each nothing is allocated.

use std::collections::HashMap;
use std::hash::RandomState;

use crate::sid::Sid;

/// Counts services.
#[derive(Debug)]
pub(super) struct Sketch {
    most: usize,
    seen: u64,
    /// Where each service's counter is.
    places: HashMap<Sid, usize, RandomState>,
    counters: Vec<Counter>,
    /// The counters by their counts, the largest first.
    order: Vec<usize>,
}

/// One service's.
#[derive(Clone, Copy, Debug)]
struct Counter {
    service: Sid,
    count: u64,
    over: u64,
    /// Where it is in the order.
    rank: usize,
}

impl Sketch {
    /// A sketch of `most` counters, at least one.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            seen: 0,
            // Twice as many, so that the places of what has gone are used again instead of more.
            places: HashMap::with_capacity(most.saturating_mul(2)),
            counters: Vec::with_capacity(most),
            order: Vec::with_capacity(most),
        }
    }

    /// Counts a service once more.
    pub(super) fn note(&mut self, service: Sid) {
        self.seen = self.seen.saturating_add(1);
        let place = match self.places.get(&service) {
            Some(place) => *place,
            None => self.make_place(service),
        };
        self.raise(place);
    }

    /// A counter for a service that has none.
    fn make_place(&mut self, service: Sid) -> usize {
        let next = self.counters.len();
        let last = self.order.last().copied().filter(|_| next >= self.most);
        let place = last.unwrap_or(next);
        if let Some(counter) = self.counters.get_mut(place) {
            self.places.remove(&counter.service);
            *counter = Counter { service, over: counter.count, ..*counter };
        } else {
            self.counters.push(Counter { service, count: 0, over: 0, rank: next });
            self.order.push(next);
        }
        self.places.insert(service, place);
        place
    }

    /// One more; the counter goes before all that had as much as it had.
    fn raise(&mut self, place: usize) {
        let Some(&Counter { count, rank, .. }) = self.counters.get(place) else { return };
        let count_at = |place: &usize| self.counters.get(*place).map_or(0, |it| it.count);
        let first = self.order.partition_point(|place| count_at(place) > count);
        if let Some(before) = self.order.get(first).copied() {
            self.set(rank, before);
            self.set(first, place);
        }
        if let Some(counter) = self.counters.get_mut(place) {
            counter.count = count.saturating_add(1);
        }
    }

    fn set(&mut self, rank: usize, place: usize) {
        if let Some(ranked) = self.order.get_mut(rank) {
            *ranked = place;
        }
        if let Some(counter) = self.counters.get_mut(place) {
            counter.rank = rank;
        }
    }

    /// Forgets everything, and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.seen = 0;
        self.places.clear();
        self.counters.clear();
        self.order.clear();
    }

    /// The most that a service without a counter can have been seen.
    fn floor(&self) -> u64 {
        let is_full = self.counters.len() >= self.most;
        let last = self.order.last().filter(|_| is_full);
        last.and_then(|place| self.counters.get(*place)).map_or(0, |counter| counter.count)
    }
}

/// What several sketches say together.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    seen: u64,
    floor: u64,
    counts: HashMap<Sid, Count>,
}

/// How often a service was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So often at most.
    pub at_most: u64,
    /// And no more than so much less often.
    pub over: u64,
}

impl Summary {
    /// Takes in what one more sketch has counted.
    pub(super) fn add(&mut self, sketch: &Sketch) {
        let floor = sketch.floor();
        for (service, count) in &mut self.counts {
            let counter = sketch.places.get(service).and_then(|at| sketch.counters.get(*at));
            let (count_of, over) = counter.map_or((floor, floor), |it| (it.count, it.over));
            count.at_most = count.at_most.saturating_add(count_of);
            count.over = count.over.saturating_add(over);
        }
        for counter in &sketch.counters {
            self.counts.entry(counter.service).or_insert(Count {
                at_most: counter.count.saturating_add(self.floor),
                over: counter.over.saturating_add(self.floor),
            });
        }
        self.floor = self.floor.saturating_add(floor);
        self.seen = self.seen.saturating_add(sketch.seen);
    }

    /// How many were counted.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// No service that is missing was seen more often.
    pub const fn most_missing(&self) -> u64 {
        self.floor
    }

    /// The services that were seen most often, and how often.
    pub fn largest(&self, most: usize) -> Vec<(Sid, Count)> {
        let mut all: Vec<_> = self.counts.iter().map(|(sid, count)| (*sid, *count)).collect();
        all.sort_unstable_by_key(|(sid, count)| (std::cmp::Reverse(count.at_most), *sid));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests, built with overflow checks")]
mod tests {
    use super::Count;
    use super::Sketch;
    use super::Summary;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::prelude::prop_assert;
    use proptest::prelude::prop_assert_eq;
    use proptest::prelude::prop_assert_ne;
    use proptest::proptest;
    use std::collections::HashMap;
    use std::slice;

    fn service(number: u16) -> Sid {
        Sid::new(SidKind::Service, u128::from(number).to_be_bytes())
    }

    fn summary(sketches: &[Sketch]) -> Summary {
        let mut summary = Summary::default();
        for sketch in sketches {
            summary.add(sketch);
        }
        summary
    }

    #[test]
    fn as_long_as_there_are_counters_every_count_is_exact() {
        let mut sketch = Sketch::new(3);
        for number in [1, 2, 2, 3, 3, 3] {
            sketch.note(service(number));
        }
        let exact = |number, at_most| (service(number), Count { at_most, over: 0 });
        assert_eq!(summary(slice::from_ref(&sketch)).largest(2), [exact(3, 3), exact(2, 2)]);
        assert_eq!(summary(slice::from_ref(&sketch)).seen(), 6);
    }

    #[test]
    fn whoever_has_no_counter_takes_that_of_the_service_seen_least_with_its_count() {
        let mut sketch = Sketch::new(2);
        for number in [1, 1, 1, 2, 2, 9] {
            sketch.note(service(number));
        }
        let summary = summary(slice::from_ref(&sketch));
        let expected = [
            (service(1), Count { at_most: 3, over: 0 }),
            (service(9), Count { at_most: 3, over: 2 }),
        ];
        assert_eq!(summary.largest(9), expected);
        assert_eq!(summary.most_missing(), 3);
    }

    #[test]
    fn what_is_cleared_begins_anew_without_asking_for_memory() {
        let mut sketch = Sketch::new(4);
        for number in 0..1000 {
            sketch.note(service(number));
        }
        let room = (sketch.places.capacity(), sketch.counters.capacity());
        sketch.clear();
        assert!(summary(slice::from_ref(&sketch)).largest(9).is_empty());
        for number in 0..1000 {
            sketch.note(service(number));
        }
        assert_eq!((sketch.places.capacity(), sketch.counters.capacity()), room);
    }

    proptest! {
        /// Some services are asked for far more often than others, in several workers at once.
        #[test]
        fn no_count_is_off_by_more_than_the_bound_and_no_frequent_service_is_missing(
            requests in vec((any::<u16>(), 0_u32..16, 0_usize..3), 0..2000),
            most in 1_usize..24,
        ) {
            let mut sketches: Vec<_> = (0..3).map(|_| Sketch::new(most)).collect();
            let mut exact = HashMap::<Sid, u64>::new();
            for (number, rarity, worker) in &requests {
                let service = service(number >> rarity);
                sketches[*worker].note(service);
                *exact.entry(service).or_default() += 1;
            }
            let summary = summary(&sketches);
            let count = u64::try_from(requests.len()).unwrap();
            let bound = count / u64::try_from(most).unwrap();
            prop_assert_eq!(summary.seen(), count);
            prop_assert!(summary.most_missing() <= bound);
            let counted: HashMap<_, _> = summary.largest(usize::MAX).into_iter().collect();
            for (service, Count { at_most, over }) in &counted {
                let truth = exact.get(service).copied().unwrap_or(0);
                prop_assert_ne!(truth, 0);
                prop_assert!(truth <= *at_most && at_most - over <= truth, "{truth} {at_most}");
                prop_assert!(*over <= bound, "{over} of {bound}");
            }
            for (service, truth) in exact {
                prop_assert!(
                    counted.contains_key(&service) || truth <= summary.most_missing(),
                    "{service} was seen {truth} times"
                );
            }
        }

        #[test]
        fn the_order_is_that_of_the_counts(numbers in vec(0_u16..40, 0..500)) {
            let mut sketch = Sketch::new(8);
            for number in numbers {
                sketch.note(service(number));
                let counts: Vec<_> =
                    sketch.order.iter().map(|place| sketch.counters[*place].count).collect();
                prop_assert!(counts.is_sorted_by(|one, other| one >= other), "{counts:?}");
                let total: u64 = counts.iter().sum();
                prop_assert_eq!(total, sketch.seen, "every one is in some counter");
                prop_assert_eq!(sketch.places.len(), sketch.counters.len());
                for (rank, place) in sketch.order.iter().enumerate() {
                    prop_assert_eq!(sketch.counters[*place].rank, rank);
                }
            }
        }
    }
}
