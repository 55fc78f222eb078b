//! Is there room for one more number, by what all replicas know? The number pools that are shared.
//!
//! **Invariant:** of every change that a replica has under way the store knows, or this replica knows
//! that it does not, and then believes nothing that the store says of that service. So a service is
//! decided by all who share it, or by each replica for itself, and counted anew in between.

mod asked;
mod calls;
mod changes;
mod room;
mod said;
#[cfg(test)]
mod tests;
mod word;

use std::fmt;
use std::time::Duration;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::sid::Sid;
pub(super) use changes::Changes;
pub use room::Room;
pub use said::PoolStanding;
pub use said::RoomSaid;
pub use said::Turn;

pub(super) use word::Outcome;
pub use word::Receipt;
pub(super) use word::Word;

/// A number's pool has to be known by the data of the last so long, before the store is believed:
/// by then every replica has told what it has under way. That of a window of the API's own.
pub(super) const SPAN: Duration = Duration::from_secs(5);

/// The own name of a change or of a count, drawn: no two replicas choose the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeId(u64);

impl ChangeId {
    /// One that nobody else has.
    pub fn draw() -> Self {
        Self(fastrand::u64(..))
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a request would do to a service's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolChange {
    /// Which service.
    pub service: Sid,
    /// The pools that the number may go to; none where it is removed.
    pub kinds: ByKind<bool>,
    /// The number; none where one is added.
    pub number: Option<Sid>,
    /// Whether the upstream has not accepted the caller lately.
    pub is_strange: bool,
    /// How long the upstream may be at it.
    pub lease: Duration,
}

impl PoolChange {
    /// The pool that it is about, where there is no doubt.
    pub fn sole(&self) -> Option<PoolKind> {
        let mut kinds = PoolKind::ALL.into_iter().filter(|kind| *self.kinds.get(*kind));
        kinds.next().filter(|_| kinds.next().is_none())
    }

    /// Whether it removes a number.
    pub const fn is_removal(&self) -> bool {
        !self.kinds.reserved && !self.kinds.unreserved
    }
}

/// What is done about a pool without room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// It refuses.
    Enforce,
    /// Its next place is held too, and it is told.
    Trial,
    /// A place is held whatever is known: the change is under way.
    Always,
}

/// A change that asks for room.
#[derive(Clone, Copy, Debug)]
pub struct RoomQuestion {
    /// The change's own name.
    pub id: ChangeId,
    /// What it would do.
    pub change: PoolChange,
    /// What a pool without room does.
    pub insistence: Insistence,
    /// How many may be in each pool.
    pub limits: ByKind<u32>,
}

/// A count of a service's numbers.
#[derive(Clone, Copy, Debug)]
pub struct CountKey {
    /// The count's own name.
    pub id: ChangeId,
    /// Which service.
    pub service: Sid,
}
