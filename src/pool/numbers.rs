//! Which numbers does a service have? Each by name, as far as names are known.
//!
//! **Invariant:** how many of a kind there are is how many are named so, and those without a
//! name. Nothing goes below zero, and no number is in two pools.

use std::collections::HashMap;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::sid::Sid;

/// The numbers of one service, as the upstream has answered about them.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    named: HashMap<Sid, PoolKind>,
    named_of: ByKind<u32>,
    /// Numbers that the upstream granted in an answer that could not be read, and those that
    /// may be there in spite of what is known by name.
    unnamed: ByKind<u32>,
}

impl Numbers {
    /// The numbers of a list, and those that may be there beside it.
    pub(super) fn counted(mut named: HashMap<Sid, PoolKind>, beside: ByKind<u32>) -> Self {
        if named.capacity() > named.len().saturating_mul(4) {
            named.shrink_to_fit();
        }
        let mut named_of = ByKind::<u32>::default();
        for kind in named.values() {
            increment(named_of.get_mut(*kind));
        }
        Self { named, named_of, unnamed: beside }
    }

    /// The pool of a number.
    pub(super) fn kind(&self, number: Sid) -> Option<PoolKind> {
        self.named.get(&number).copied()
    }

    /// How many there are of a kind.
    pub(super) const fn of(&self, kind: PoolKind) -> u32 {
        self.named_of.get(kind).saturating_add(*self.unnamed.get(kind))
    }

    /// How many of a kind have no name.
    pub(super) const fn unnamed(&self, kind: PoolKind) -> u32 {
        *self.unnamed.get(kind)
    }

    /// Whether any has no name.
    pub(super) const fn has_unnamed(&self) -> bool {
        self.unnamed.reserved > 0 || self.unnamed.unreserved > 0
    }

    /// The number is in this pool, and in no other; or in none.
    pub(super) fn set(&mut self, number: Sid, kind: Option<PoolKind>) {
        let before = match kind {
            Some(kind) => self.named.insert(number, kind),
            None => self.named.remove(&number),
        };
        if let Some(before) = before {
            decrement(self.named_of.get_mut(before));
        }
        if let Some(kind) = kind {
            increment(self.named_of.get_mut(kind));
        }
    }

    /// One more without a name.
    pub(super) fn add_unnamed(&mut self, kind: PoolKind) {
        increment(self.unnamed.get_mut(kind));
    }

    /// How many names there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.named.capacity()
    }
}

/// One more.
pub(super) const fn increment(count: &mut u32) {
    *count = count.saturating_add(1);
}

/// One fewer.
pub(super) const fn decrement(count: &mut u32) {
    *count = count.saturating_sub(1);
}
