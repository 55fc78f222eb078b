//! What the store needs of `dashmap`, over a lock that loom knows: its own is not loom's, and a
//! thread that waits for it would wait for ever.
//!
//! It has one shard. With more of them, less would wait; what happens to two keys of different
//! shards does not depend on each other.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::PoisonError;

use loom::sync::RwLock;
use loom::sync::RwLockReadGuard;
use loom::sync::RwLockWriteGuard;

/// A list, so that it is in the same order each time a model is run.
#[derive(Debug)]
pub(crate) struct DashMap<K, V, S> {
    entries: RwLock<Vec<(K, V)>>,
    hasher: PhantomData<S>,
}

pub(crate) enum Entry<'m, K, V> {
    Occupied(Occupied<'m, K, V>),
    Vacant(Vacant<'m, K, V>),
}

pub(crate) struct Occupied<'m, K, V> {
    entries: RwLockWriteGuard<'m, Vec<(K, V)>>,
    place: usize,
}

pub(crate) struct Vacant<'m, K, V> {
    entries: RwLockWriteGuard<'m, Vec<(K, V)>>,
    key: K,
}

impl<K: Copy + PartialEq, V, S> DashMap<K, V, S> {
    pub(crate) fn with_capacity_and_hasher_and_shard_amount(_: usize, _: S, _: usize) -> Self {
        Self { entries: RwLock::new(Vec::new()), hasher: PhantomData }
    }

    pub(crate) fn view<R>(&self, key: &K, view: impl FnOnce(&K, &V) -> R) -> Option<R> {
        let entries = self.read();
        entries.iter().find(|(each, _)| each == key).map(|(key, value)| view(key, value))
    }

    pub(crate) fn entry(&self, key: K) -> Entry<'_, K, V> {
        let entries = self.write();
        match entries.iter().position(|(each, _)| *each == key) {
            Some(place) => Entry::Occupied(Occupied { entries, place }),
            None => Entry::Vacant(Vacant { entries, key }),
        }
    }

    pub(crate) fn get_mut(&self, key: &K) -> Option<Occupied<'_, K, V>> {
        match self.entry(*key) {
            Entry::Occupied(entry) => Some(entry),
            Entry::Vacant(_) => None,
        }
    }

    pub(crate) fn remove(&self, key: &K) -> Option<(K, V)> {
        let mut entries = self.write();
        let place = entries.iter().position(|(each, _)| each == key)?;
        Some(entries.remove(place))
    }

    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.write().retain_mut(|(key, value)| keep(key, value));
    }

    pub(crate) fn shrink_to_fit(&self) {
        self.write().shrink_to_fit();
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<(K, V)>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<(K, V)>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Occupied<'_, K, V> {
    pub(crate) fn get_mut(&mut self) -> &mut V {
        self
    }

    pub(crate) fn into_ref(self) -> Self {
        self
    }
}

#[expect(clippy::indexing_slicing, reason = "only models run it, and the place was found")]
impl<K, V> Deref for Occupied<'_, K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.entries[self.place].1
    }
}

#[expect(clippy::indexing_slicing, reason = "only models run it, and the place was found")]
impl<K, V> DerefMut for Occupied<'_, K, V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.entries[self.place].1
    }
}

impl<'m, K, V> Vacant<'m, K, V> {
    pub(crate) fn insert(mut self, value: V) -> Occupied<'m, K, V> {
        let place = self.entries.len();
        self.entries.push((self.key, value));
        Occupied { entries: self.entries, place }
    }
}
