//! What has the store refused, and until when?
//!
//! **Invariant:** a refusal is remembered for as long as the store said that it would hold, counted
//! from before the question, and for the limit that was asked about alone. So a replica under
//! overload asks once for each free slot, not once for each request.

use std::hash::RandomState;

use dashmap::DashMap;

use crate::policy::rate::RateLimit;
use crate::store::answer::Count;
use crate::store::answer::StoreBound;
use crate::store::key::SharedKey;
use crate::time::Tick;

/// The store has no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was asked about.
    pub limit: RateLimit,
    /// When the next slot is free, if nobody takes it before.
    pub until: Tick,
    /// What stands in the way.
    pub bound: StoreBound,
    /// How full the window was.
    pub count: Count,
}

/// The windows that are full.
#[derive(Debug, Default)]
pub(super) struct RefusedWindows(DashMap<SharedKey, Refused, RandomState>);

impl RefusedWindows {
    /// Remembers a refusal.
    pub(super) fn note(&self, key: SharedKey, refused: Refused) {
        self.0.insert(key, refused);
    }

    /// The refusal that holds now.
    pub(super) fn find(&self, key: SharedKey, limit: &RateLimit, now: Tick) -> Option<Refused> {
        let found = self.0.view(&key, |_, refused| *refused)?;
        (now < found.until && found.limit == *limit).then_some(found)
    }

    /// A slot has become free.
    pub(super) fn forget(&self, key: SharedKey) {
        self.0.remove(&key);
    }

    /// Forgets those that are over.
    pub(super) fn sweep(&self, now: Tick) {
        self.0.retain(|_, refused| now < refused.until);
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::Refused;
    use super::RefusedWindows;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::rate::RateLimit;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::store::answer::Count;
    use crate::store::answer::StoreBound;
    use crate::store::key::SharedKey;
    use crate::time::Tick;
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn a_refusal_holds_until_its_time_and_for_its_limit() {
        let key = SharedKey {
            sid: Sid::new(SidKind::Service, [1; 16]),
            endpoint: Endpoint::FetchSession,
        };
        let at = Tick::from_micros;
        let windows = RefusedWindows::default();
        let refused = Refused {
            limit: RateLimit::API,
            until: at(10),
            bound: StoreBound::Window,
            count: Count::default(),
        };
        windows.note(key, refused);
        assert_eq!(windows.find(key, &RateLimit::API, at(9)), Some(refused));
        assert_eq!(windows.find(key, &RateLimit::API, at(10)), None);
        let one = NonZeroU32::MIN;
        let other = RateLimit::new(one, Duration::from_secs(5), one).unwrap();
        assert_eq!(windows.find(key, &other, at(9)), None);
        windows.forget(key);
        assert_eq!(windows.find(key, &RateLimit::API, at(9)), None);
    }
}
