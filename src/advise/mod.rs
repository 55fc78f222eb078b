//! Who sits at which number? Participants in active sessions, as the answers that pass tell it.
//!
//! Source: "We recommend, but do not enforce, a limit of 100 participants associated with a given
//! number in active sessions at any given time." So nothing is refused here; an [`Advisory`] is
//! handed back for the log, and [`Seats::view`] shows the rest.
//!
//! **Invariant:** a number's participants are the seats at it of the sessions that are kept, two
//! a session at most; a number is advised of once a minute at most; no more than
//! [`MOST_PARTICIPANTS`] are kept, and none longer than [`KEPT_FOR`] after its session was last
//! seen. Only SIDs are known here, no telephone number.

mod figures;
mod recent;
mod seated;
mod shard;
#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::mem;
use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::time::Duration;

use crate::sid::Sid;
use crate::sid::SidKind;
use crate::sync::Mutex;
use crate::sync::MutexGuard;
use crate::sync::atomic::AtomicUsize;
use crate::sync::atomic::Ordering;
use crate::time::Tick;
pub use figures::Advisory;
pub use figures::InUse;
pub use figures::NumberView;
pub use figures::View;
use seated::Seated;
use shard::Shard;

/// For how long participants are kept after an answer last spoke of one of their session, and
/// for how long it is known what a number said of itself. A session that ends by its `Ttl` ends
/// without an answer.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// How many participants are kept at most: the session seen least lately makes room for a new
/// one. 13 MB where each session has two of them, 27 MB where each has one, 32 MB where each uses
/// a number of its own; and at most 22 MB for what 128,000 numbers said.
pub const MOST_PARTICIPANTS: usize = 100_000;
/// How often one number is advised of at most.
pub const ADVISE_EVERY: Duration = Duration::from_mins(1);
/// How many numbers a [`View`] has at most.
pub const MOST_SHOWN: usize = 50;

const SHARDS: usize = 16;

/// The participants of every service. One for the process; it knows no policy.
#[derive(Debug)]
pub struct Seats {
    /// All of a service is in one of them.
    shards: [Mutex<Shard>; SHARDS],
    /// Chooses the shard.
    hasher: RandomState,
    /// How many are kept in all shards together.
    participants: AtomicUsize,
    most: usize,
}

/// A session or a number of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// `KS…`
    pub service: Sid,
    /// `KC…`, `PN…` or `SC…`
    pub sid: Sid,
}

/// What an answer says of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// `KP…`
    pub participant: Sid,
    /// The proxy number that it uses, `PN…` or `SC…`; none where it uses none (yet), or was
    /// deleted.
    pub number: Option<Sid>,
}

impl Resource {
    /// What no resource of the service is less than.
    const fn least_of(service: Sid) -> Self {
        Self { service, sid: Sid::new(SidKind::ALL[0], [0; 16]) }
    }
}

impl Seats {
    /// Nobody sits anywhere.
    pub fn new() -> Self {
        Self::with_room_for(MOST_PARTICIPANTS)
    }

    fn with_room_for(most: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
            hasher: RandomState::new(),
            participants: AtomicUsize::new(0),
            most,
        }
    }

    /// An answer shows a participant of an active session. Answers what to say of its number,
    /// where it is new at it and there are more than `advise` now.
    pub fn participant(
        &self,
        session: Resource,
        seat: Seat,
        advise: NonZeroU32,
        now: Tick,
    ) -> Option<Advisory> {
        self.seen(session, advise, now, |seated| seated.with(seat)).pop()
    }

    /// An answer shows all participants of an active session: the first page of its list, where
    /// there is no other. What was known of the session is replaced. Two of a session use numbers
    /// at most, so a list where more do is none of the API's and says nothing.
    pub fn participants_of(
        &self,
        session: Resource,
        seats: &[Seat],
        advise: NonZeroU32,
        now: Tick,
    ) -> Vec<Advisory> {
        match Seated::all(seats) {
            Some(all) => self.seen(session, advise, now, |_| all),
            None => Vec::new(),
        }
    }

    /// A participant has been deleted.
    pub fn participant_gone(&self, session: Resource, participant: Sid) {
        let mut shard = self.shard(session.service);
        let before = shard.seated(session);
        let after = before.without(participant);
        shard.stay_seated(session, after);
        self.recount(before.len(), after.len());
    }

    /// A session is closed, failed or deleted.
    pub fn session_ended(&self, session: Resource) {
        let mut shard = self.shard(session.service);
        let left = shard.end(session);
        self.recount(left, 0);
    }

    /// A service has been deleted, its sessions and numbers with it: the next sweep forgets them.
    pub fn service_gone(&self, service: Sid) {
        self.shard(service).forget_service(service);
    }

    /// A number says how many open sessions use it.
    pub fn number_seen(&self, number: Resource, in_use: u32, now: Tick) {
        self.shard(number.service).sight(number, in_use, now);
    }

    /// A number has been taken out of its service; whoever sat there has no seat.
    pub fn number_gone(&self, number: Resource) {
        let mut shard = self.shard(number.service);
        let left = shard.forget_number(number);
        self.recount(left, 0);
    }

    /// Whether participants of the session are known, so that what becomes of it matters.
    pub fn tracks(&self, session: Resource) -> bool {
        self.participants() > 0 && self.shard(session.service).seated(session).len() > 0
    }

    /// How many participants are kept.
    pub fn participants(&self) -> usize {
        // A count by itself, which orders nothing.
        self.participants.load(Ordering::Relaxed)
    }

    /// How many numbers have more participants than `advise`. Looks at every number that has
    /// any.
    pub fn numbers_above(&self, advise: NonZeroU32) -> usize {
        self.shards.iter().map(|shard| lock(shard).numbers_above(advise)).sum()
    }

    /// The numbers of a service of which anything is known.
    pub fn view(&self, service: Sid, now: Tick) -> View {
        let mut numbers = self.shard(service).view(service, now);
        numbers.sort_unstable_by_key(|view| {
            let sessions = view.in_use.map(|in_use| in_use.sessions);
            (Reverse(view.participants), Reverse(sessions), view.number)
        });
        let left_out = numbers.len().saturating_sub(MOST_SHOWN);
        numbers.truncate(MOST_SHOWN);
        View { numbers, left_out }
    }

    /// Forgets what was last seen too long ago, and what is of services that are gone; all of it
    /// where nothing is advised any more. It looks at what it forgets and nothing else: call it
    /// about once a second.
    pub fn sweep(&self, advise: Option<NonZeroU32>, now: Tick) {
        for shard in &self.shards {
            match advise {
                Some(_) => while !self.sweep_some(shard, now) {},
                None => drop(self.empty(shard)),
            }
        }
    }

    /// Holds the shard for a moment only; answers whether there is nothing left to forget.
    fn sweep_some(&self, shard: &Mutex<Shard>, now: Tick) -> bool {
        let mut shard = lock(shard);
        let swept = shard.sweep(now);
        self.recount(swept.participants, 0);
        swept.is_done
    }

    /// What was in a shard, to be dropped when nobody waits for it.
    fn empty(&self, shard: &Mutex<Shard>) -> Shard {
        let mut shard = lock(shard);
        self.recount(shard.participants(), 0);
        mem::take(&mut *shard)
    }

    /// An answer shows who sits there now.
    fn seen(
        &self,
        session: Resource,
        advise: NonZeroU32,
        now: Tick,
        change: impl FnOnce(Seated) -> Seated,
    ) -> Vec<Advisory> {
        let mut shard = self.shard(session.service);
        let before = shard.seated(session);
        let after = change(before);
        shard.seat(session, after, now);
        let raised = after.raised_since(before);
        let advisories = raised
            .filter_map(|sid| shard.advisory(Resource { sid, ..session }, advise, now))
            .collect();
        self.recount(before.len(), after.len());
        drop(shard);
        self.make_room();
        advisories
    }

    /// The session seen least lately goes where there are too many participants.
    fn make_room(&self) {
        while self.participants() > self.most {
            let oldest = |shard| Some((lock(shard).oldest()?, shard));
            let all = self.shards.iter().filter_map(oldest);
            let Some((_, shard)) = all.min_by_key(|(oldest, _)| *oldest) else { return };
            let mut shard = lock(shard);
            let left = shard.forget_oldest();
            self.recount(left, 0);
        }
    }

    /// There were so many in a shard, which is still held, and now there are others: so nobody is
    /// taken off before they were added.
    fn recount(&self, before: usize, after: usize) {
        match after.checked_sub(before) {
            Some(more) => self.participants.fetch_add(more, Ordering::Relaxed),
            None => self.participants.fetch_sub(before.abs_diff(after), Ordering::Relaxed),
        };
    }

    fn shard(&self, service: Sid) -> MutexGuard<'_, Shard> {
        let shards = u64::try_from(SHARDS).unwrap_or(u64::MAX);
        let place = self.hasher.hash_one(service).checked_rem(shards).unwrap_or(0);
        let [first, ..] = &self.shards;
        lock(
            usize::try_from(place)
                .ok()
                .and_then(|place| self.shards.get(place))
                .unwrap_or(first),
        )
    }
}

impl Default for Seats {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
