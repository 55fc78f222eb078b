//! What does a request hold of pools that are shared, until its outcome is known?
//!
//! **Invariant:** it ends once, whatever becomes of its request, and the store is told of it, or told
//! to believe nothing of the service.

use std::sync::Arc;

use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::Store;
use crate::store::key::Bucket;
use crate::store::pools::ChangeId;
use crate::store::pools::Outcome;
use crate::store::pools::PoolChange;
use crate::store::pools::Receipt;

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The upstream has not been asked.
    Unsent,
    /// The upstream may have acted.
    Sent,
    /// The upstream has answered with 2xx.
    Accepted,
    /// It has ended; where a number went to this pool.
    Ended(Option<PoolKind>),
}

/// Room for a change, in the store or with this replica alone. Dropped, it ends by how far it had come:
/// before [`Room::sent`] as if it had never been; after it nobody knows; after [`Room::accepted`] as
/// granted without a name.
#[derive(Debug)]
#[must_use = "dropped at once, it holds nothing"]
pub struct Room {
    store: Arc<Store>,
    id: ChangeId,
    change: PoolChange,
    stage: Stage,
}

impl Room {
    /// For a change that is about to ask for it.
    pub fn begin(store: &Arc<Store>, change: PoolChange) -> Self {
        let id = ChangeId::draw();
        store.ledger.changes().begin(id, change);
        Self { store: Arc::clone(store), id, change, stage: Stage::Unsent }
    }

    /// The change's own name.
    pub const fn id(&self) -> ChangeId {
        self.id
    }

    /// What is to be done.
    pub const fn change(&self) -> PoolChange {
        self.change
    }

    /// The store is about to be asked for it.
    pub fn is_asked(&self) {
        self.store.ledger.changes().asked(self.id);
    }

    /// The store holds it.
    pub fn is_held(&self) {
        self.store.ledger.changes().held(self.id);
    }

    /// This replica has decided about it by itself; the store is to be told.
    pub fn is_own(&self) {
        self.store.ledger.changes().alone(self.id);
        self.remind();
    }

    /// The store does not hold it.
    pub fn is_not_held(&self) {
        self.store.ledger.changes().not_held(self.id);
    }

    /// From now on the upstream may act.
    pub fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// The upstream has answered with 2xx. What is known of the change by that alone ends it.
    pub fn accepted(&mut self) -> Option<Receipt> {
        self.stage = Stage::Accepted;
        if self.change.number.is_some()
            && (self.change.is_removal() || self.change.sole().is_some())
        {
            return self.granted(None, None);
        }
        None
    }

    /// The upstream has done it: to this number, and it is in this pool, as far as its answer tells.
    pub fn granted(&mut self, number: Option<Sid>, kind: Option<PoolKind>) -> Option<Receipt> {
        if let Stage::Ended(thought) = self.stage {
            if thought.is_some() && kind.is_some() && thought != kind {
                // It is not where the request wanted it.
                self.store.ledger.changes().forget(self.change.service);
                self.remind();
            }
            return None;
        }
        self.end(Outcome::Granted { number, kind })
    }

    /// The upstream has refused, or nothing was sent to it.
    pub fn refused(mut self) -> Option<Receipt> {
        self.end(Outcome::Refused)
    }

    /// There is no answer that tells.
    pub fn unknown(mut self) -> Option<Receipt> {
        self.end(self.by_stage())
    }

    const fn by_stage(&self) -> Outcome {
        match self.stage {
            Stage::Unsent | Stage::Ended(_) => Outcome::Refused,
            Stage::Sent => Outcome::Unknown,
            Stage::Accepted => Outcome::Granted { number: None, kind: None },
        }
    }

    fn end(&mut self, outcome: Outcome) -> Option<Receipt> {
        if let Stage::Ended(_) = self.stage {
            return None;
        }
        self.stage = Stage::Ended(match outcome {
            Outcome::Granted { kind, .. } => kind.or_else(|| self.change.sole()),
            Outcome::Refused | Outcome::Unknown => None,
        });
        let told = self.store.ledger.changes().end(self.id, outcome);
        self.remind();
        told
    }

    fn remind(&self) {
        self.store.remind(Bucket::of(self.change.service));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.end(self.by_stage()));
    }
}
