//! Who is no stranger? The credentials that the upstream has accepted lately.
//!
//! **Invariant:** a pair of scope and credential is known for [`KNOWN_FOR`] since the upstream
//! last answered it with 2xx, unless [`MOST_KNOWN`] others were accepted in the meantime. What is
//! kept of a credential is its keyed hash.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::PoisonError;
use std::time::Duration;

use crate::admit::key::Scope;
use crate::admit::shrink::shrink;
use crate::sid::Digest;
use crate::sync::Mutex;
use crate::sync::MutexGuard;
use crate::time::Tick;

/// For how long a credential is known after a 2xx.
pub const KNOWN_FOR: Duration = Duration::from_mins(15);
/// How many pairs are known at most, about 7 MB: the one accepted least lately makes room for a
/// new one. Each of 64 shards has its share of the bound.
pub const MOST_KNOWN: usize = SHARDS * MOST_IN_SHARD;

/// A model has one, so that it is the same one each time it is run.
const SHARDS: usize = if cfg!(gateway_loom) { 1 } else { 64 };
/// Few enough to look through when one of them has to go.
const MOST_IN_SHARD: usize = 1_562;

/// Credentials, each with the service or account where it was accepted.
#[derive(Debug)]
pub struct KnownCredentials {
    shards: [Mutex<Shard>; SHARDS],
    /// Chooses the shard.
    hasher: RandomState,
}

/// When each pair was last accepted.
type Shard = HashMap<Pair, Tick>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    scope: Scope,
    credential: Digest,
}

impl KnownCredentials {
    /// Nobody is known yet.
    pub fn new() -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard::new()));
        Self { shards, hasher: RandomState::new() }
    }

    /// The upstream has accepted this credential at `now`.
    pub fn note(&self, scope: Scope, credential: Digest, now: Tick) {
        let pair = Pair { scope, credential };
        let Some(mut shard) = self.shard(pair) else { return };
        if let Some(accepted) = shard.get_mut(&pair) {
            *accepted = now.max(*accepted);
            return;
        }
        if shard.len() >= MOST_IN_SHARD
            && let Some((&oldest, _)) = shard.iter().min_by_key(|(_, accepted)| **accepted)
        {
            shard.remove(&oldest);
        }
        shard.insert(pair, now);
    }

    /// Whether the upstream has accepted this credential lately.
    pub fn is_known(&self, scope: Scope, credential: Digest, now: Tick) -> bool {
        let pair = Pair { scope, credential };
        self.shard(pair).is_some_and(|shard| shard.get(&pair).is_some_and(|at| is_on(*at, now)))
    }

    /// Whoever is known at one of these scopes is known at what it is a part of, too, for as long.
    /// It looks at every pair: not for a thread that serves connections.
    pub fn extend(&self, into: &HashMap<Scope, Scope>) {
        for shard in &self.shards {
            let found: Vec<_> = {
                let shard = lock(shard);
                let found = shard.iter().filter_map(|(pair, accepted)| {
                    Some((*into.get(&pair.scope)?, pair.credential, *accepted))
                });
                found.collect()
            };
            for (scope, credential, accepted) in found {
                self.note(scope, credential, accepted);
            }
        }
    }

    /// Forgets those who are known no longer, and gives their memory back.
    pub fn sweep(&self, now: Tick) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.retain(|_, accepted| is_on(*accepted, now));
            shrink(&mut shard);
        }
    }

    /// How many pairs are kept; those that expired since the last sweep among them.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, pair: Pair) -> Option<MutexGuard<'_, Shard>> {
        let shards = u64::try_from(SHARDS).unwrap_or(u64::MAX);
        let place = self.hasher.hash_one(pair).checked_rem(shards)?;
        self.shards.get(usize::try_from(place).ok()?).map(lock)
    }
}

impl Default for KnownCredentials {
    fn default() -> Self {
        Self::new()
    }
}

fn is_on(accepted: Tick, now: Tick) -> bool {
    now < accepted.plus(KNOWN_FOR)
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::KNOWN_FOR;
    use super::KnownCredentials;
    use super::MOST_KNOWN;
    use crate::admit::key::Scope;
    use crate::sid::Digest;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;

    fn service(number: u128) -> Scope {
        Scope::Service(ServiceKey::Sid(Sid::new(SidKind::Service, number.to_be_bytes())))
    }

    fn credential(number: u128) -> Digest {
        Digest(number.to_be_bytes())
    }

    const START: Tick = Tick::from_micros(0);

    #[test]
    fn a_credential_is_known_where_it_was_accepted_for_15_minutes_since_it_last_was() {
        let known = KnownCredentials::new();
        let is_known = |scope, at| known.is_known(service(scope), credential(1), at);
        known.note(service(1), credential(1), START);
        assert!(is_known(1, START) && !is_known(2, START));
        assert!(!known.is_known(service(1), credential(2), START));
        let later = Tick::from_micros(60_000_000);
        known.note(service(1), credential(1), later);
        // A thread whose clock is behind takes nothing away.
        known.note(service(1), credential(1), START);
        let last = Tick::from_micros(later.plus(KNOWN_FOR).as_micros() - 1);
        assert!(is_known(1, last) && !is_known(1, later.plus(KNOWN_FOR)));
        known.sweep(last);
        assert_eq!(known.len(), 1);
        known.sweep(later.plus(KNOWN_FOR));
        assert!(known.is_empty());
    }

    #[test]
    fn no_more_than_the_bound_are_kept_and_the_latest_are_among_them() {
        let known = KnownCredentials::new();
        let fill = u128::try_from(MOST_KNOWN + 9_000).unwrap();
        for number in 0..fill {
            known.note(service(number), credential(7), Tick::from_micros(1));
        }
        let before = known.len();
        assert!(before > MOST_KNOWN / 2 && before <= MOST_KNOWN);
        known.note(service(fill), credential(7), Tick::from_micros(2));
        assert!(known.len() <= MOST_KNOWN);
        assert!(known.is_known(service(fill), credential(7), Tick::from_micros(2)));
    }

    #[test]
    fn who_is_accepted_again_and_again_outlasts_a_flood() {
        let known = KnownCredentials::new();
        for number in 0..u128::try_from(MOST_KNOWN + 9_000).unwrap() {
            let now = Tick::from_micros(u64::try_from(number).unwrap());
            if number % 10_000 == 0 {
                known.note(service(1), credential(1), now);
            }
            known.note(service(2), credential(number), now);
        }
        let end = Tick::from_micros(u64::try_from(MOST_KNOWN + 9_000).unwrap());
        assert!(known.is_known(service(1), credential(1), end));
    }
}
