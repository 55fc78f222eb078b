//! What would a request do to a service's numbers, and what keeps it from that?

use crate::policy::pools::PoolKind;
use crate::sid::Sid;

/// What a request would do to the numbers of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more number.
    Add {
        /// The pools that it may go to.
        kinds: Kinds,
    },
    /// Another pool for a number.
    Move {
        /// Which one.
        number: Sid,
        /// The pools that it may go to.
        kinds: Kinds,
    },
    /// One number fewer: there is always room for that.
    Remove {
        /// Which one.
        number: Sid,
    },
}

impl Change {
    /// Whether the number may go to this pool.
    pub fn may_go_to(self, kind: PoolKind) -> bool {
        match self {
            Self::Add { kinds } | Self::Move { kinds, .. } => kinds.may_be(kind),
            Self::Remove { .. } => false,
        }
    }

    /// Whether it takes room that may not be there.
    pub const fn needs_room(self) -> bool {
        match self {
            Self::Add { .. } | Self::Move { .. } => true,
            Self::Remove { .. } => false,
        }
    }

    /// The number that is changed; the upstream chooses the name of one that is added.
    pub const fn number(self) -> Option<Sid> {
        match self {
            Self::Add { .. } => None,
            Self::Move { number, .. } | Self::Remove { number } => Some(number),
        }
    }
}

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// Somebody whom the upstream has accepted at this service lately.
    Known,
    /// Anybody. What such a one holds is held against other strangers alone, until the upstream
    /// has accepted it.
    Stranger,
}

/// The pools that a form may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// This one.
    Only(PoolKind),
    /// One of the two: the form can be read in two ways. Room is held in each.
    Either,
}

impl Kinds {
    /// The one that is meant, where there is no doubt.
    pub const fn sole(self) -> Option<PoolKind> {
        match self {
            Self::Only(kind) => Some(kind),
            Self::Either => None,
        }
    }

    /// Whether `kind` may be meant.
    pub fn may_be(self, kind: PoolKind) -> bool {
        self.sole().is_none_or(|sole| sole == kind)
    }
}

/// A pool has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which pool.
    pub kind: PoolKind,
    /// How many numbers may be in it.
    pub limit: u32,
    /// How many are, those of requests under way among them.
    pub used: u32,
}

/// A pool is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// Which pool.
    pub kind: PoolKind,
    /// How many numbers may be in it.
    pub limit: u32,
    /// How many are; those of requests under way are not among them.
    pub used: u32,
}
