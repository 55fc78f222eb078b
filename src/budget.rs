//! How many bytes of bodies are held at once?

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;

/// The bytes of bodies of one kind that the process holds, over all workers.
#[derive(Debug, Default)]
pub struct ByteBudget {
    held: AtomicUsize,
}

impl ByteBudget {
    /// How many bytes are held now.
    pub fn held(&self) -> usize {
        // Relaxed, here and below: the count guards no other memory.
        self.held.load(Ordering::Relaxed)
    }

    /// The charge for a body of which nothing is there yet.
    pub fn charge(self: &Arc<Self>) -> Charge {
        Charge { memory: Arc::clone(self), bytes: 0 }
    }
}

/// What one body is charged with; given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    memory: Arc<ByteBudget>,
    bytes: usize,
}

impl Charge {
    /// Charges so many bytes more, unless more than `max` would be held then.
    pub fn grow(&mut self, bytes: usize, max: usize) -> Result<(), NoRoom> {
        let grown = |held: usize| held.checked_add(bytes).filter(|held| *held <= max);
        let grown = self.memory.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        grown.map_err(|_| NoRoom)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The same bytes; the charge ends with the last that holds them.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _charge: self })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// As much is held as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

struct Held {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::ByteBudget;
    use super::NoRoom;
    use bytes::Bytes;
    use std::sync::Arc;

    #[test]
    fn what_is_held_is_bounded_and_given_back_with_the_last_that_holds_it() {
        let memory = Arc::new(ByteBudget::default());
        let (mut one, mut other) = (memory.charge(), memory.charge());
        one.grow(6, 10).unwrap();
        assert_eq!(other.grow(5, 10), Err(NoRoom));
        other.grow(4, 10).unwrap();
        assert_eq!(one.grow(usize::MAX, usize::MAX), Err(NoRoom));
        assert_eq!(memory.held(), 10);
        let body = one.hold(Bytes::from_static(b"a=b"));
        let copy = body.slice(1..);
        drop((body, other));
        assert_eq!((memory.held(), &copy[..]), (6, &b"=b"[..]));
        drop(copy);
        assert_eq!(memory.held(), 0);
    }
}
