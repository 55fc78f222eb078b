//! In what order did they come? Rows by SID and by age.
//!
//! **Invariant:** a row's place is given once and never again, so it can be a page's border
//! whatever is added or deleted meanwhile.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::btree_map;
use std::ops::RangeBounds;

use crate::sid::Sid;

/// Rows in the order of their making.
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    places: HashMap<Sid, u64>,
    /// The next row's place; the first is 1, so that there is room for a border below it.
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), places: HashMap::new(), next: 1 }
    }
}

impl<T> Table<T> {
    /// Adds the youngest row. Two rows must not have one SID.
    pub(crate) fn insert(&mut self, sid: Sid, row: T) {
        self.places.insert(sid, self.next);
        self.rows.insert(self.next, row);
        self.next = self.next.saturating_add(1);
    }

    pub(crate) fn get(&self, sid: Sid) -> Option<&T> {
        self.rows.get(self.places.get(&sid)?)
    }

    pub(crate) fn get_mut(&mut self, sid: Sid) -> Option<&mut T> {
        self.rows.get_mut(self.places.get(&sid)?)
    }

    pub(crate) fn remove(&mut self, sid: Sid) -> Option<T> {
        self.rows.remove(&self.places.remove(&sid)?)
    }

    pub(crate) fn contains(&self, sid: Sid) -> bool {
        self.places.contains_key(&sid)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every row, the oldest first.
    pub(crate) fn iter(&self) -> btree_map::Values<'_, u64, T> {
        self.rows.values()
    }

    /// The rows of some places, the oldest first.
    pub(crate) fn range(&self, places: impl RangeBounds<u64>) -> btree_map::Range<'_, u64, T> {
        self.rows.range(places)
    }
}
