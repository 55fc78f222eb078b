//! Which digests stand for a SID? The way back, which most requests ask for.
//!
//! **Invariant:** its locks are taken last and held for one look or change, so nothing that waits
//! for another lock holds one of them. They are std's in loom's models too, where they would only
//! multiply what is the same.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::admit::shrink::shrink;
use crate::sid::Digest;
use crate::sid::Sid;

const SHARDS: usize = 16;

/// SIDs and the digests that stand for them, one or two for most.
#[derive(Debug, Default)]
pub(super) struct Spellings([Mutex<HashMap<Sid, Vec<Digest>>>; SHARDS]);

impl Spellings {
    /// Whether any digest stands for this SID.
    pub(super) fn has_any_of(&self, sid: Sid) -> bool {
        self.shard(sid).contains_key(&sid)
    }

    /// The digests that stand for this SID.
    pub(super) fn of(&self, sid: Sid) -> Vec<Digest> {
        self.shard(sid).get(&sid).cloned().unwrap_or_default()
    }

    /// This digest stands for this SID now.
    pub(super) fn insert(&self, sid: Sid, digest: Digest) {
        self.shard(sid).entry(sid).or_insert_with(|| Vec::with_capacity(1)).push(digest);
    }

    /// It does so no longer.
    pub(super) fn remove(&self, sid: Sid, digest: Digest) {
        let mut shard = self.shard(sid);
        if let Some(digests) = shard.get_mut(&sid) {
            digests.retain(|each| *each != digest);
            if digests.is_empty() {
                shard.remove(&sid);
            }
        }
    }

    /// Gives memory back that is not needed any more.
    pub(super) fn shrink(&self) {
        for shard in &self.0 {
            shrink(&mut lock(shard));
        }
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, HashMap<Sid, Vec<Digest>>> {
        let [first, ..] = &self.0;
        let [.., byte] = sid.bytes();
        lock(self.0.get(usize::from(byte) % SHARDS).unwrap_or(first))
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
