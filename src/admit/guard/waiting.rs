//! How many strangers wait for an answer?
//!
//! **Invariant:** a [`Place`] is counted from its making until it is dropped, in whichever guard
//! it was made and whatever has become of that guard since.

use std::iter;
use std::sync::Arc;

use crate::sync::atomic::AtomicU32;
use crate::sync::atomic::Ordering;

/// How many [`Place`]s there are.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Of this guard's own.
    own: Arc<AtomicU32>,
    /// Of guards that it has taken in, as long as they have any: their places know no other count.
    taken_in: Vec<Arc<AtomicU32>>,
}

/// A stranger waits for the upstream's answer, until this is dropped.
#[derive(Debug)]
#[must_use = "dropped at once, the stranger counts as answered"]
pub struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        // Relaxed: the count orders nothing, and every change of it is one step.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Nobody waits.
    pub(super) fn new() -> Self {
        Self { own: Arc::new(AtomicU32::new(0)), taken_in: Vec::new() }
    }

    /// How many wait.
    pub(super) fn count(&self) -> u32 {
        let counts = iter::once(&self.own).chain(&self.taken_in);
        counts.fold(0, |sum, count| sum.saturating_add(count.load(Ordering::Relaxed)))
    }

    /// One more waits.
    pub(super) fn admit(&self) -> Place {
        self.own.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(&self.own))
    }

    /// Takes in those who wait in another guard, which admits nobody any more.
    pub(super) fn absorb(&mut self, other: Self) {
        self.taken_in.push(other.own);
        self.taken_in.extend(other.taken_in);
        self.taken_in.retain(|count| count.load(Ordering::Relaxed) > 0);
    }
}
