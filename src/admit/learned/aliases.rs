//! One table of digests and the SIDs that they stand for, and the way back.
//!
//! **Invariant:** a digest stands for a SID for [`LEARNED_FOR`] since it was last learned or asked
//! for, unless [`MOST_LEARNED`] others were in the meantime, or it is to be forgotten.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::time::Duration;

use crate::admit::learned::spellings::Spellings;
use crate::admit::shrink::shrink;
use crate::sid::Digest;
use crate::sid::Sid;
use crate::sync::Mutex;
use crate::sync::MutexGuard;
use crate::time::Tick;

/// For how long a digest stands for a SID since it was last learned or asked for.
pub const LEARNED_FOR: Duration = Duration::from_hours(1);
/// How many digests of names, and how many of credentials, stand for a SID at most, about 7 MB
/// each: one that nobody has asked for makes room for a new one. Each of 16 shards has its share
/// of the bound.
pub const MOST_LEARNED: usize = SHARDS * MOST_IN_SHARD;

const SHARDS: usize = 16;
const MOST_IN_SHARD: usize = 3_125;

/// Digests and what they stand for.
#[derive(Debug)]
pub(crate) struct Aliases {
    shards: [Mutex<Shard>; SHARDS],
    /// The same, the other way round. Its locks are taken last.
    spellings: Spellings,
}

#[derive(Debug, Default)]
struct Shard {
    of_digest: HashMap<Digest, Meaning>,
    /// The order in which they were learned; what was asked for since then gets another turn when
    /// its own comes. Some have been forgotten.
    turns: VecDeque<Digest>,
}

#[derive(Clone, Copy, Debug)]
struct Meaning {
    sid: Sid,
    /// When it was last learned or asked for.
    used: Tick,
    /// It was asked for since it got its turn.
    is_asked_for: bool,
}

/// One digest with its lock: what it stands for changes only through this.
pub(crate) struct Alias<'a> {
    shard: MutexGuard<'a, Shard>,
    spellings: &'a Spellings,
    digest: Digest,
}

impl Aliases {
    /// No digest stands for anything yet.
    pub(crate) fn new() -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard::default()));
        Self { shards, spellings: Spellings::default() }
    }

    /// One digest, locked.
    pub(crate) fn alias(&self, digest: Digest) -> Alias<'_> {
        let [first, ..] = &self.shards;
        // A digest is a keyed hash: one byte of it is as good as chance.
        let [byte, ..] = digest.0;
        let shard = self.shards.get(usize::from(byte) % SHARDS).unwrap_or(first);
        Alias { shard: lock(shard), spellings: &self.spellings, digest }
    }

    /// Whether any digest stands for this SID.
    pub(crate) fn has_any_of(&self, sid: Sid) -> bool {
        self.spellings.has_any_of(sid)
    }

    /// No digest stands for this SID any more.
    pub(crate) fn forget_all_of(&self, sid: Sid) {
        for digest in self.spellings.of(sid) {
            let mut alias = self.alias(digest);
            if alias.shard.of_digest.get(&digest).is_some_and(|meaning| meaning.sid == sid) {
                alias.forget();
            }
        }
    }

    /// Forgets what has not been asked for lately, and gives its memory back.
    pub(crate) fn sweep(&self, now: Tick) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let Shard { of_digest, turns } = &mut *shard;
            of_digest.retain(|digest, meaning| {
                let is_on = meaning.is_on(now);
                if !is_on {
                    self.spellings.remove(meaning.sid, *digest);
                }
                is_on
            });
            shrink(of_digest);
            // Most of them have been forgotten.
            if turns.len() > of_digest.len().saturating_mul(4) {
                turns.clear();
                turns.extend(of_digest.keys());
                turns.shrink_to_fit();
            }
        }
        self.spellings.shrink();
    }

    /// Hands over each digest that stands for a SID.
    pub(crate) fn each(&self, now: Tick, mut hand_over: impl FnMut(Digest, Sid)) {
        for shard in &self.shards {
            let shard = lock(shard);
            let on = shard.of_digest.iter().filter(|(_, meaning)| meaning.is_on(now));
            on.for_each(|(digest, meaning)| hand_over(*digest, meaning.sid));
        }
    }

    /// How many digests stand for a SID; those whose time is over since the last sweep among them.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).of_digest.len()).sum()
    }
}

impl Alias<'_> {
    /// What the digest stands for, if anything is known; it has been asked for now.
    pub(crate) fn stands_for(&mut self, now: Tick) -> Option<Sid> {
        let meaning = self.shard.of_digest.get_mut(&self.digest)?;
        if meaning.is_on(now) {
            meaning.used = meaning.used.max(now);
            meaning.is_asked_for = true;
            return Some(meaning.sid);
        }
        // At once: a thread whose time is behind must not find it again, as a window of the
        // digest's own may be opened now.
        self.forget();
        None
    }

    /// Makes the digest stand for a SID; answers what it stood for before.
    pub(crate) fn set(&mut self, sid: Sid, now: Tick) -> Option<Sid> {
        let before = self.stands_for(now);
        if before != Some(sid) {
            self.forget();
            self.make_room();
            let meaning = Meaning { sid, used: now, is_asked_for: false };
            self.shard.of_digest.insert(self.digest, meaning);
            self.shard.turns.push_back(self.digest);
            self.spellings.insert(sid, self.digest);
        }
        before
    }

    /// The digest stands for nothing any more.
    pub(crate) fn forget(&mut self) {
        if let Some(meaning) = self.shard.of_digest.remove(&self.digest) {
            self.spellings.remove(meaning.sid, self.digest);
        }
    }

    /// Where there are as many as there may be, the first whose turn it is and that has not been
    /// asked for since it got it goes.
    fn make_room(&mut self) {
        let Shard { of_digest, turns } = &mut *self.shard;
        while of_digest.len() >= MOST_IN_SHARD
            && let Some(digest) = turns.pop_front()
        {
            let Some(meaning) = of_digest.get_mut(&digest) else { continue };
            if mem::take(&mut meaning.is_asked_for) {
                turns.push_back(digest);
            } else {
                self.spellings.remove(meaning.sid, digest);
                of_digest.remove(&digest);
            }
        }
    }
}

impl Meaning {
    fn is_on(self, now: Tick) -> bool {
        now < self.used.plus(LEARNED_FOR)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Aliases;
    use super::LEARNED_FOR;
    use super::MOST_LEARNED;
    use crate::sid::Digest;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;

    fn service(number: u128) -> Sid {
        Sid::new(SidKind::Service, number.to_be_bytes())
    }

    /// As good as chance, as a digest is.
    fn digest(number: u128) -> Digest {
        Digest(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
    }

    fn at(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    #[test]
    fn a_digest_stands_for_what_was_learned_last_for_an_hour_since_it_was_asked_for() {
        let aliases = Aliases::new();
        assert_eq!(aliases.alias(digest(1)).stands_for(at(0)), None);
        assert_eq!(aliases.alias(digest(1)).set(service(1), at(0)), None);
        assert_eq!(aliases.alias(digest(1)).set(service(2), at(1)), Some(service(1)));
        assert_eq!(aliases.alias(digest(1)).stands_for(at(7)), Some(service(2)));
        // A thread whose clock is behind takes nothing away.
        assert_eq!(aliases.alias(digest(1)).stands_for(at(2)), Some(service(2)));
        let end = at(7).plus(LEARNED_FOR);
        aliases.sweep(at(end.as_micros() - 1));
        assert_eq!(aliases.len(), 1);
        assert_eq!(aliases.alias(digest(1)).stands_for(end), None);
        assert_eq!((aliases.len(), aliases.has_any_of(service(2))), (0, false));
        assert_eq!(aliases.alias(digest(1)).stands_for(at(8)), None, "it is forgotten for all");
    }

    #[test]
    fn a_sweep_forgets_both_ways_and_gives_the_memory_back() {
        let aliases = Aliases::new();
        for number in 0..20_000 {
            aliases.alias(digest(number)).set(service(number % 100), at(1));
        }
        aliases.alias(digest(1)).stands_for(at(9));
        aliases.sweep(at(1).plus(LEARNED_FOR));
        let left = (0..100).filter(|number| aliases.has_any_of(service(*number))).count();
        assert_eq!((aliases.len(), left), (1, 1));
        assert!(aliases.shards.iter().all(|s| s.lock().unwrap().of_digest.capacity() < 100));
    }

    #[test]
    fn all_digests_of_a_sid_are_forgotten_and_none_of_another() {
        let aliases = Aliases::new();
        for number in 0..1_000 {
            aliases.alias(digest(number)).set(service(number % 3), at(0));
        }
        aliases.forget_all_of(service(1));
        assert_eq!((aliases.len(), aliases.has_any_of(service(1))), (667, false));
        for number in 0..1_000 {
            let expected = Some(service(number % 3)).filter(|sid| *sid != service(1));
            assert_eq!(aliases.alias(digest(number)).stands_for(at(0)), expected);
        }
    }

    #[test]
    fn what_is_learned_anew_is_no_longer_found_by_what_it_stood_for_before() {
        let aliases = Aliases::new();
        aliases.alias(digest(1)).set(service(1), at(0));
        aliases.alias(digest(1)).set(service(2), at(0));
        assert!(!aliases.has_any_of(service(1)) && aliases.has_any_of(service(2)));
        aliases.forget_all_of(service(1));
        assert_eq!(aliases.alias(digest(1)).stands_for(at(0)), Some(service(2)));
        aliases.alias(digest(1)).forget();
        assert_eq!((aliases.len(), aliases.has_any_of(service(2))), (0, false));
    }

    #[test]
    fn no_more_than_the_bound_are_kept_and_those_asked_for_last_are_among_them() {
        let aliases = Aliases::new();
        let fill = u128::try_from(MOST_LEARNED).unwrap() + 3_000;
        for number in 0..fill {
            let now = at(u64::try_from(number).unwrap());
            if number % 1_000 == 0 {
                aliases.alias(digest(0)).stands_for(now);
            }
            aliases.alias(digest(number)).set(service(number), now);
        }
        assert!(aliases.len() > MOST_LEARNED / 2 && aliases.len() <= MOST_LEARNED);
        let end = at(u64::try_from(fill).unwrap());
        for number in [0, fill - 1] {
            assert_eq!(aliases.alias(digest(number)).stands_for(end), Some(service(number)));
        }
        let ways_back = (0..fill).filter(|number| aliases.has_any_of(service(*number)));
        assert_eq!(ways_back.count(), aliases.len());
    }
}
