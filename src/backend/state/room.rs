//! Is there room for one more? The cap on what all accounts keep together.
//!
//! **Invariant:** what is taken never exceeds the cap, whatever threads ask.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::backend::error::Code;
use crate::backend::error::Problem;

/// Bytes of text that weigh as much as a resource.
const TEXT_UNIT: usize = 1024;

/// What a resource with so many bytes of text weighs: one, and one more for each full KiB of
/// text, so that the cap bounds memory whatever the callers write.
pub(crate) const fn weight(text: usize) -> usize {
    // The divisor is a constant above zero.
    1_usize.saturating_add(text.saturating_div(TEXT_UNIT))
}

/// The room of the whole backend.
#[derive(Debug)]
pub(crate) struct Room {
    max: usize,
    used: AtomicUsize,
}

impl Room {
    pub(crate) const fn new(max: usize) -> Self {
        Self { max, used: AtomicUsize::new(0) }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// One account's part of the room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Arc<Room>,
    used: usize,
}

impl Share {
    pub(crate) const fn new(room: Arc<Room>) -> Self {
        Self { room, used: 0 }
    }

    /// Takes so much, or nothing if there is not so much left.
    pub(crate) fn take(&mut self, weight: usize) -> Result<(), Problem> {
        let max = self.room.max;
        // The count guards no other memory.
        let taken = self.room.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(weight).filter(|sum| *sum <= max)
        });
        taken.map_err(|_| Code::Full)?;
        self.used = self.used.saturating_add(weight);
        Ok(())
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, weight: usize) {
        let weight = weight.min(self.used);
        self.used = self.used.saturating_sub(weight);
        self.room.used.fetch_sub(weight, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.used, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Room;
    use super::Share;
    use super::weight;
    use std::sync::Arc;

    #[test]
    fn shares_take_from_one_room_and_give_it_back_when_dropped() {
        let room = Arc::new(Room::new(3));
        let mut one = Share::new(Arc::clone(&room));
        let mut other = Share::new(Arc::clone(&room));
        one.take(2).unwrap();
        assert!(other.take(2).is_err());
        other.take(1).unwrap();
        drop(one);
        assert_eq!(room.used(), 1);
        other.give_back(5);
        assert_eq!(room.used(), 0);
    }

    #[test]
    fn long_texts_weigh_more() {
        assert_eq!([weight(0), weight(1023), weight(1024), weight(10_240)], [1, 1, 2, 11]);
    }
}
