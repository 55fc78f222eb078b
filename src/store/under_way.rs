//! How many questions about a window are under way, while a replica keeps to its share of it?
//!
//! **Invariant:** a request counts from before it is judged until it is charged or refused. So
//! requests that are judged at the same time do not all take the last place of a share.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::store::key::SharedKey;

/// The questions under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<HashMap<SharedKey, u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Counted<'u> {
    all: &'u UnderWay,
    key: SharedKey,
    /// How many there were before it.
    pub before: u32,
}

impl UnderWay {
    /// One more.
    pub(super) fn begin(&self, key: SharedKey) -> Counted<'_> {
        let mut all = self.lock();
        let count = all.entry(key).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        Counted { all: self, key, before }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SharedKey, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UnderWay;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::store::key::SharedKey;

    const fn key(n: u8) -> SharedKey {
        SharedKey { sid: Sid::new(SidKind::Service, [n; 16]), endpoint: Endpoint::FetchSession }
    }

    #[test]
    fn each_is_told_how_many_were_before_it_in_its_window() {
        let all = UnderWay::default();
        let (first, second) = (all.begin(key(1)), all.begin(key(1)));
        assert_eq!((first.before, second.before, all.begin(key(2)).before), (0, 1, 0));
        drop(first);
        assert_eq!(all.begin(key(1)).before, 1);
        drop(second);
        assert!(all.lock().is_empty());
    }
}
