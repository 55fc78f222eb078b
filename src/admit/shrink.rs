//! When does a map give its memory back?

use std::collections::HashMap;
use std::hash::Hash;

/// Gives memory back where there is room for more than four times as many as there are; room for
/// twice as many stays, so that the cost of moving them is paid for by what has gone.
pub(super) fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    let room = map.len().saturating_mul(4);
    if map.capacity() > room {
        map.shrink_to(room / 2);
    }
}
