//! When was the n-th admission ago? The latest times of one key, in a ring without a lock.
//!
//! **Invariant:** admission number *h* stands in slot *h* mod capacity, with a lap that tells it
//! from those before and after it in that slot. A slot is claimed by one compare-and-swap from
//! exactly the word that was there when the claimant looked, and the head follows.

use std::num::NonZeroU64;

use super::fill::Times;
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering;

/// A slot's word is `lap:16 | time:48`. 48 bits of microseconds last 8.9 years of the machine's
/// uptime; from then on all times are equal, and a full window stays full.
const TIME_BITS: u32 = 48;
pub(super) const TIME_MASK: u64 = 0xffff_ffff_ffff;
/// Laps are counted modulo 65,536 and the first is 1, so a slot never written has the lap that
/// the first admission expects to overwrite. One lap is mistaken for another only by a thread
/// that sleeps between two loads through exactly 65,536 rounds of the ring. As every lap that it
/// sees then is shifted alike, it still decides rightly, unless it fell asleep in the first
/// round and takes what came before for nothing.
const LAP_MASK: u64 = 0xffff;
/// Slots that need no allocation: most keys see no more requests.
const FEW: usize = 4;

/// A thread was faster: what was read does not belong together.
pub(super) struct Moved;

/// Where the times stand.
#[derive(Debug)]
pub(super) struct Ring {
    /// The number of the next admission, or one less while the latest is being counted.
    head: AtomicU64,
    slots: Slots,
}

#[derive(Debug)]
enum Slots {
    Few([AtomicU64; FEW]),
    Many(Box<[AtomicU64]>),
}

impl Ring {
    /// An empty ring of four slots.
    pub(super) fn new() -> Self {
        let slots = Slots::Few(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { head: AtomicU64::new(0), slots }
    }

    /// A ring of `capacity` slots, at least one, which begins with the newest of `times`, given
    /// from the oldest to the newest.
    pub(super) fn with_times(capacity: usize, times: &[u64]) -> Self {
        let capacity = capacity.max(1);
        let newest = times.get(times.len().saturating_sub(capacity)..).unwrap_or(times);
        let mut slots = Vec::with_capacity(capacity);
        slots.extend(newest.iter().map(|&time| AtomicU64::new(pack(1, time))));
        slots.resize_with(capacity, || AtomicU64::new(0));
        let head = AtomicU64::new(u64::try_from(newest.len()).unwrap_or(u64::MAX));
        Self { head, slots: Slots::Many(slots.into_boxed_slice()) }
    }

    /// A ring that begins with all of `times`, given from the oldest to the newest, and has room
    /// for no more of them than it must.
    pub(super) fn holding(times: &[u64]) -> Self {
        if times.len() > FEW {
            return Self::with_times(times.len(), times);
        }
        let mut words = times.iter().map(|&time| pack(1, time));
        let slots = std::array::from_fn(|_| AtomicU64::new(words.next().unwrap_or(0)));
        let head = AtomicU64::new(u64::try_from(times.len()).unwrap_or(u64::MAX));
        Self { head, slots: Slots::Few(slots) }
    }

    /// How many times it can hold.
    pub(super) fn capacity(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> &[AtomicU64] {
        match &self.slots {
            Slots::Few(slots) => slots,
            Slots::Many(slots) => slots,
        }
    }

    /// The admission to be decided, as this thread sees it.
    pub(super) fn next(&self) -> Result<Next<'_>, Moved> {
        let slots = self.slots();
        let capacity = divisor(slots);
        // Acquire, paired with the release in `advance`: who sees this head sees every slot
        // claimed before it, and takes none of them for a slot of an earlier lap.
        let number = self.head.load(Ordering::Acquire);
        let place = usize::try_from(number % capacity).unwrap_or(usize::MAX);
        let lap = (number / capacity).saturating_add(1);
        let overwrites = word_at(slots, place);
        if lap_of(overwrites) != lap.saturating_sub(1) & LAP_MASK {
            // Its claimant has not moved the head yet, or the head has been moved since.
            self.advance(number);
            return Err(Moved);
        }
        Ok(Next { slots, number, place, lap, overwrites })
    }

    /// Moves the head past `number`, unless another thread has.
    pub(super) fn advance(&self, number: u64) {
        let after = number.saturating_add(1);
        // Release, so that who sees the new head sees the slot; a failure is a thread that
        // helped.
        let _ = self.head.compare_exchange(number, after, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// The remembered times. While other threads claim slots, the oldest may be new ones.
    pub(super) fn log(&self) -> Log<'_> {
        let slots = self.slots();
        let capacity = divisor(slots);
        let head = self.head.load(Ordering::Acquire);
        let begins = if head < capacity.get() { 0 } else { head % capacity };
        Log {
            slots,
            begins: usize::try_from(begins).unwrap_or(usize::MAX),
            length: usize::try_from(head).unwrap_or(usize::MAX).min(slots.len()),
        }
    }
}

/// The admission to be decided.
pub(super) struct Next<'w> {
    slots: &'w [AtomicU64],
    /// Its number, counted from 0.
    pub(super) number: u64,
    place: usize,
    lap: u64,
    /// The word of its slot, written one lap before.
    overwrites: u64,
}

impl Next<'_> {
    /// When the `n`-th admission before this one was made, `n` being at least 1; none if there
    /// was no such one, or it is forgotten.
    ///
    /// What is read stays true until this admission's slot is claimed: until then none younger
    /// than the one that stands there is overwritten.
    pub(super) fn back(&self, n: usize) -> Result<Option<u64>, Moved> {
        let exists = u64::try_from(n).is_ok_and(|n| n <= self.number);
        if !exists || n > self.slots.len() {
            return Ok(None);
        }
        let (place, lap) = self.place.checked_sub(n).map_or_else(
            || {
                let place = self.place.saturating_add(self.slots.len()).saturating_sub(n);
                (place, self.lap.saturating_sub(1))
            },
            |place| (place, self.lap),
        );
        let word = word_at(self.slots, place);
        if lap_of(word) == lap & LAP_MASK { Ok(Some(time_of(word))) } else { Err(Moved) }
    }

    /// The time that claiming the slot forgets; none in the first lap.
    pub(super) fn forgets(&self) -> Option<u64> {
        (self.lap > 1).then_some(time_of(self.overwrites))
    }

    /// Takes the slot: the only write that charges.
    pub(super) fn claim(&self, time: u64) -> Result<(), Moved> {
        let word = pack(self.lap, time);
        let slot = self.slots.get(self.place).ok_or(Moved)?;
        // Release: who sees the word sees what its writer had seen. Success means that the slot
        // still held what the verdict rests on.
        slot.compare_exchange(self.overwrites, word, Ordering::AcqRel, Ordering::Relaxed)
            .map_err(|_| Moved)?;
        Ok(())
    }
}

/// The remembered times, oldest first.
pub(super) struct Log<'w> {
    slots: &'w [AtomicU64],
    begins: usize,
    length: usize,
}

impl Log<'_> {
    /// All of them.
    pub(super) fn times(&self) -> impl Iterator<Item = u64> {
        (0..self.length).filter_map(|nth| self.time(nth))
    }
}

impl Times for Log<'_> {
    fn length(&self) -> usize {
        self.length
    }

    fn time(&self, nth: usize) -> Option<u64> {
        (nth < self.length).then(|| {
            let place = self.begins.saturating_add(nth);
            let place = place.checked_sub(self.slots.len()).unwrap_or(place);
            time_of(word_at(self.slots, place))
        })
    }
}

fn divisor(slots: &[AtomicU64]) -> NonZeroU64 {
    let length = u64::try_from(slots.len()).unwrap_or(u64::MAX);
    NonZeroU64::new(length).unwrap_or(NonZeroU64::MIN)
}

fn word_at(slots: &[AtomicU64], place: usize) -> u64 {
    // A place is a remainder of the length, so there always is one. Acquire, paired with the
    // release in `claim`.
    slots.get(place).map_or(0, |slot| slot.load(Ordering::Acquire))
}

const fn pack(lap: u64, time: u64) -> u64 {
    (lap & LAP_MASK) << TIME_BITS | time & TIME_MASK
}

const fn lap_of(word: u64) -> u64 {
    word >> TIME_BITS
}

const fn time_of(word: u64) -> u64 {
    word & TIME_MASK
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::LAP_MASK;
    use super::Ring;
    use super::Times;

    fn charge(ring: &Ring, time: u64) {
        let next = ring.next().ok().unwrap();
        assert!(next.claim(time).is_ok());
        ring.advance(next.number);
    }

    fn back(ring: &Ring, n: usize) -> Option<u64> {
        ring.next().ok().unwrap().back(n).ok().unwrap()
    }

    #[test]
    fn the_nth_time_ago_is_found_until_it_is_overwritten() {
        let ring = Ring::new();
        assert_eq!(back(&ring, 1), None);
        for time in 1..=6 {
            charge(&ring, time);
        }
        let found: Vec<_> = (1..=5).map(|n| back(&ring, n)).collect();
        assert_eq!(found, [Some(6), Some(5), Some(4), Some(3), None]);
        assert_eq!(ring.log().times().collect::<Vec<_>>(), [3, 4, 5, 6]);
    }

    #[test]
    fn the_lap_wraps_around_without_a_trace() {
        let ring = Ring::with_times(3, &[]);
        let rounds = (LAP_MASK + 3) * 3;
        for time in 1..=rounds {
            charge(&ring, time);
            assert_eq!(back(&ring, 1), Some(time));
            assert_eq!(back(&ring, 3), (time > 2).then(|| time - 2));
        }
    }

    #[test]
    fn a_claim_by_an_outdated_view_fails() {
        let ring = Ring::with_times(1, &[]);
        let (first, second) = (ring.next().ok().unwrap(), ring.next().ok().unwrap());
        assert!(first.claim(1).is_ok());
        assert!(second.claim(2).is_err());
        // The head has not been moved: the next to come does it, and looks again.
        assert!(ring.next().is_err());
        assert_eq!(back(&ring, 1), Some(1));
    }

    #[test]
    fn a_larger_ring_begins_with_all_times_and_a_smaller_one_with_the_newest() {
        let larger = Ring::with_times(5, &[1, 2, 3]);
        assert_eq!(larger.log().times().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((back(&larger, 3), back(&larger, 4)), (Some(1), None));
        let smaller = Ring::with_times(2, &[1, 2, 3]);
        assert_eq!(smaller.log().times().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(smaller.log().partition_point(|time| time <= 2), 1);
        for times in [&[][..], &[1, 2], &[1, 2, 3, 4], &[1, 2, 3, 4, 5, 6]] {
            let holding = Ring::holding(times);
            assert_eq!(holding.log().times().collect::<Vec<_>>(), times);
            assert_eq!(holding.capacity(), times.len().max(4));
            assert_eq!(back(&holding, 1), times.last().copied());
        }
    }
}
