//! What was seen least lately? Values by resource, and their order by when they were last seen.
//!
//! **Invariant:** `order` has each entry once, under the moment that the entry has.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::RangeFrom;

use crate::advise::Resource;
use crate::sid::Sid;
use crate::time::Tick;

/// Trees, as a table that grows would hold up a request for milliseconds.
#[derive(Debug, Default)]
pub(super) struct Recent<V> {
    entries: BTreeMap<Resource, Entry<V>>,
    order: BTreeSet<(Tick, Resource)>,
}

#[derive(Debug)]
struct Entry<V> {
    seen: Tick,
    value: V,
}

impl<V: Copy> Recent<V> {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, of: Resource) -> Option<V> {
        self.entries.get(&of).map(|entry| entry.value)
    }

    /// When it was last seen.
    pub(super) fn seen(&self, of: Resource) -> Option<Tick> {
        self.entries.get(&of).map(|entry| entry.seen)
    }

    /// It is seen `now`, unless a thread whose clock is ahead has seen it already.
    pub(super) fn put(&mut self, of: Resource, value: V, now: Tick) {
        let before = self.seen(of);
        let seen = before.map_or(now, |before| before.max(now));
        if before != Some(seen) {
            self.order.extend([(seen, of)]);
            if let Some(before) = before {
                self.order.remove(&(before, of));
            }
        }
        self.entries.insert(of, Entry { seen, value });
    }

    pub(super) fn remove(&mut self, of: Resource) -> Option<V> {
        let Entry { seen, value } = self.entries.remove(&of)?;
        self.order.remove(&(seen, of));
        Some(value)
    }

    pub(super) fn oldest(&self) -> Option<(Tick, Resource)> {
        self.order.first().copied()
    }

    /// All of one service, and when each was last seen.
    pub(super) fn of_service(&self, service: Sid) -> impl Iterator<Item = (Sid, Tick, V)> {
        self.entries
            .range(from(service))
            .take_while(move |(of, _)| of.service == service)
            .map(|(of, entry)| (of.sid, entry.seen, entry.value))
    }

    pub(super) fn any_of(&self, service: Sid) -> Option<Resource> {
        self.of_service(service).next().map(|(sid, ..)| Resource { service, sid })
    }

    pub(super) fn values(&self) -> impl Iterator<Item = V> {
        self.entries.values().map(|entry| entry.value)
    }
}

/// Where the resources of a service begin.
pub(super) const fn from(service: Sid) -> RangeFrom<Resource> {
    Resource::least_of(service)..
}
