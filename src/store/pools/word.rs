//! What is the store told of changes of numbers, and who waits until it knows?
//!
//! **Invariant:** whoever waits hears when the store has answered, or that nobody will tell it.

use tokio::sync::oneshot;

use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::key::Bucket;
use crate::store::pools::ChangeId;
use crate::store::pools::PoolChange;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Outcome {
    /// The upstream has done it: to this number, and it is in this pool, as far as is known.
    Granted {
        /// Which number.
        number: Option<Sid>,
        /// Which pool.
        kind: Option<PoolKind>,
    },
    /// The upstream has not done it.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// When the store knows what became of a change.
#[derive(Debug)]
pub struct Receipt(pub(super) oneshot::Receiver<()>);

impl Receipt {
    /// Waits until the store knows.
    pub(in crate::store) async fn comes(self) {
        // An error means that nobody will tell any more.
        drop(self.0.await);
    }
}

/// What the store is to be told.
#[derive(Debug)]
pub(in crate::store) enum Word {
    /// A change is under way that it does not know of.
    Hold { id: ChangeId, change: PoolChange },
    /// What became of one.
    End {
        id: ChangeId,
        change: PoolChange,
        outcome: Outcome,
        tell: Option<oneshot::Sender<()>>,
    },
    /// It is to believe nothing of a service.
    Forget { service: Sid },
    /// Numbers were seen in pools.
    Seen { service: Sid, numbers: Vec<(Sid, PoolKind)> },
}

impl Word {
    /// Where it concerns something.
    pub(in crate::store) fn bucket(&self) -> Bucket {
        Bucket::of(match self {
            Self::Hold { change, .. } | Self::End { change, .. } => change.service,
            Self::Forget { service } | Self::Seen { service, .. } => *service,
        })
    }
}
