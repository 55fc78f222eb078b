//! Who decides about a shared window now: the store, or this replica by itself?
//!
//! **Invariant:** the store decides about a window by itself only where its answer can be believed:
//! the data has been there for a whole span, as long has passed since the last loss, and nothing that
//! this replica admitted by itself is missing. Until then it has its say, and each replica keeps to
//! its share as well: so it does not matter who believes it first. No I/O and no clock: what was
//! heard is handed in.

use std::array;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::policy::pools::PoolKind;
use crate::policy::rate::PerBound;
use crate::policy::rate::RateLimit;
use crate::sid::Sid;
use crate::store::key::BUCKETS;
use crate::store::key::Bucket;
use crate::store::key::SharedKey;
use crate::store::latest::Latest;
use crate::store::latest::Loss;
use crate::store::latest::Refused;
use crate::store::latest::Told;
use crate::store::owed::Debt;
use crate::store::owed::Keep;
use crate::store::owed::Owed;
use crate::store::pools;
use crate::store::pools::Changes;
use crate::store::trust::Belief;
use crate::store::trust::Epoch;
use crate::store::trust::Heard;
use crate::store::under_way::Counted;
use crate::store::under_way::UnderWay;
use crate::time;
use crate::time::Tick;

/// After a loss of the data, who is asked for a window has found it by its signs of life, and told.
const TELLING: Duration = Duration::from_secs(2);

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// The store, in this epoch.
    Ask(Epoch),
    /// Both: the store may not know of all admissions yet, so this replica keeps to its share too.
    Share {
        /// In this epoch.
        epoch: Epoch,
        /// Whether that is so new that others may not have told it what they remember.
        is_new: bool,
    },
    /// The store has decided already.
    Refused(Refused),
    /// Both; but this replica first has to hand in what it remembers of the window.
    Seed {
        /// In this epoch.
        epoch: Epoch,
        /// As with [`Stance::Share`].
        is_new: bool,
    },
    /// This replica: nothing is known of the store.
    Alone,
}

/// Who decides about the number pools of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolStance {
    /// The store.
    Ask,
    /// The store, as soon as it knows what this replica has to tell of the service.
    Soon,
    /// This replica; what it counted before this moment it has not followed since.
    Alone(Option<Tick>),
}

/// A charge that the store is to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveBack {
    /// Of which window.
    pub key: SharedKey,
    /// The time that it was charged with: µs of the store's clock.
    pub charged_at: u64,
}

/// What this replica knows of the store, and the store not of it.
#[derive(Debug)]
pub struct Ledger {
    beliefs: [Mutex<Option<Belief>>; BUCKETS],
    owed: Mutex<Owed>,
    /// How many windows `owed` has: mostly none, and then nobody locks it.
    owing: AtomicUsize,
    latest: Latest,
    under_way: UnderWay,
    give_backs: Mutex<Vec<GiveBack>>,
    changes: Mutex<Changes>,
    /// The longest span (µs) that was asked for, and no less than the API's own.
    longest: AtomicU64,
}

impl Ledger {
    /// Nothing is known.
    pub fn new() -> Self {
        Self {
            beliefs: array::from_fn(|_| Mutex::new(None)),
            owed: Mutex::default(),
            owing: AtomicUsize::new(0),
            latest: Latest::default(),
            under_way: UnderWay::default(),
            give_backs: Mutex::default(),
            changes: Mutex::default(),
            longest: AtomicU64::new(time::micros(RateLimit::API.window())),
        }
    }

    /// Who decides about a request for this window, of which `span` is remembered. Without a limit
    /// the store is asked though it has refused.
    pub fn stance(
        &self,
        key: SharedKey,
        limit: Option<&RateLimit>,
        span: Duration,
        now: Tick,
    ) -> Stance {
        let Some(belief) = self.belief(key.bucket()) else { return Stance::Alone };
        let is_new = belief.adopted_within(TELLING, now).is_some();
        if let Some(adopted) = belief.adopted_within(span, now)
            && !self.owed().is_seeded(key, adopted)
        {
            return Stance::Seed { epoch: belief.epoch(), is_new };
        }
        if let Some(refused) = limit.and_then(|limit| self.latest.refused(key, limit, now)) {
            return Stance::Refused(refused);
        }
        if belief.is_whole(span, now) && self.is_clear(key) {
            Stance::Ask(belief.epoch())
        } else {
            Stance::Share { epoch: belief.epoch(), is_new }
        }
    }

    /// Whether the store knows of every admission that this replica made of a window.
    pub fn is_clear(&self, key: SharedKey) -> bool {
        // Acquire, paired with the release where it is counted: who sees none owes none.
        self.owing.load(Ordering::Acquire) == 0 || self.owed().is_clear(key)
    }

    /// The store has told its time; tells whether it has lost what it knew of the bucket.
    pub fn hear(&self, bucket: Bucket, heard: Heard, now: Tick) -> bool {
        let Some(belief) = self.beliefs.get(bucket.index()) else { return false };
        let mut belief = belief.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(belief) = &mut *belief else {
            *belief = Some(Belief::first(heard));
            return false;
        };
        let is_other = belief.hear(heard, now);
        if is_other {
            self.changes().adopt(bucket);
        }
        is_other
    }

    /// The server of a bucket does not answer.
    pub(super) fn lost(&self, bucket: Bucket, now: Tick) {
        self.change_belief(bucket, |belief| belief.lost(now));
    }

    /// The server of a bucket answers for the first time.
    pub(super) fn found(&self, bucket: Bucket) {
        self.change_belief(bucket, Belief::found);
    }

    fn change_belief(&self, bucket: Bucket, change: impl FnOnce(&mut Belief)) {
        if let Some(belief) = self.beliefs.get(bucket.index())
            && let Some(belief) = &mut *belief.lock().unwrap_or_else(PoisonError::into_inner)
        {
            change(belief);
        }
    }

    /// The server of a bucket is back.
    pub fn unsettle(&self, bucket: Bucket, now: Tick) {
        self.change_belief(bucket, |belief| belief.unsettle(now));
    }

    /// Who decides about the pools of a service where its server `answers`.
    pub fn pool_stance(&self, service: Sid, answers: bool, now: Tick) -> PoolStance {
        let Some(belief) = self.belief(Bucket::of(service)) else {
            return PoolStance::Alone(None);
        };
        if !answers || !belief.is_whole(pools::SPAN, now) {
            PoolStance::Alone(belief.pools_whole_since(now))
        } else if self.changes().is_clear(service) {
            PoolStance::Ask
        } else {
            PoolStance::Soon
        }
    }

    /// What this replica has under way in pools, and has to tell of them.
    pub(super) fn changes(&self) -> MutexGuard<'_, Changes> {
        lock(&self.changes)
    }

    /// Nothing that the store knows of a service's numbers is to be believed.
    pub fn forget_pools(&self, service: Sid) {
        self.changes().forget(service);
    }

    /// A number was seen in a pool; or, where there is none, something that tells that the service
    /// may have other numbers than are known.
    pub fn number_seen(&self, service: Sid, number: Option<(Sid, PoolKind)>) {
        self.changes().seen(service, number);
    }

    /// How many changes of numbers are under way, and how much the store does not know of them.
    pub fn pool_words(&self) -> (usize, usize) {
        self.changes().sizes()
    }

    /// Whether this is the epoch that is believed in.
    pub fn is_current(&self, bucket: Bucket, epoch: Epoch) -> bool {
        self.belief(bucket).is_some_and(|belief| belief.epoch() == epoch)
    }

    /// A window remembers so long a span.
    pub(super) fn remembers(&self, span: Duration) {
        let span = time::micros(span);
        // Mostly it is no news, and then the line stays in the caches of all workers.
        if self.longest.load(Ordering::Relaxed) < span {
            self.longest.fetch_max(span, Ordering::Relaxed);
        }
    }

    /// The longest span that was asked for, and no less than the API's own.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }

    /// Whether everything that was asked for so far would be believed.
    pub fn is_settled(&self, now: Tick) -> bool {
        let span = self.longest();
        let whole = |bucket| self.belief(bucket).is_some_and(|it| it.is_whole(span, now));
        Bucket::all().all(whole)
    }

    /// What this replica remembers of a window, which the store may not know.
    pub fn seed(&self, key: SharedKey, keep: Keep, times: Vec<Tick>, now: Tick) {
        self.change(|owed| owed.seed(key, keep, times, now));
    }

    /// This replica has admitted a request by itself.
    pub fn owe(&self, key: SharedKey, keep: Keep, at: Tick) {
        self.change(|owed| owed.add(key, keep, at));
    }

    /// An admission that this replica made by itself is given back.
    pub fn owe_no_more(&self, key: SharedKey, at: Tick) {
        self.change(|owed| owed.remove(key, at));
    }

    /// What is to be told of at most `most` windows of these buckets.
    pub fn debts(&self, most: usize, of: impl Fn(Bucket) -> bool, now: Tick) -> Vec<Debt> {
        if self.owing.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        self.change(|owed| owed.take(most, of, now))
    }

    /// The store knows of it.
    pub fn paid(&self, key: SharedKey) {
        self.change(|owed| owed.paid(key));
    }

    /// The store may not know of it.
    pub fn unpaid(&self, key: SharedKey) {
        self.change(|owed| owed.unpaid(key));
    }

    /// How many admissions the store does not know of.
    pub fn owed_admissions(&self) -> usize {
        self.owed().admissions()
    }

    /// The store has told how a window stands.
    pub fn told(&self, key: SharedKey, told: Told, now: Tick) {
        self.latest.note(key, told, now);
    }

    /// How many a window may hold of this replica's `own` while the store is lost or not whole; none
    /// where that is simply its share.
    pub fn allowance(
        &self,
        key: SharedKey,
        loss: Loss<'_>,
        own: impl FnOnce() -> PerBound,
    ) -> Option<PerBound> {
        self.latest.allowance(key, loss, own)
    }

    /// The same for a request that is not made.
    pub fn would_allow(
        &self,
        key: SharedKey,
        loss: Loss<'_>,
        own: impl FnOnce() -> PerBound,
    ) -> Option<PerBound> {
        self.latest.would_allow(key, loss, own)
    }

    /// A question about a window begins, of which this replica keeps to its share.
    pub fn begin(&self, key: SharedKey) -> Counted<'_> {
        self.under_way.begin(key)
    }

    /// A charge of the store's is to be taken back.
    pub fn give_back(&self, give_back: GiveBack) {
        self.forget_refusal(give_back.key);
        lock(&self.give_backs).push(give_back);
    }

    /// A window is emptied: nothing is owed of it, and nothing that was heard of it holds.
    pub fn forget(&self, key: SharedKey) {
        self.change(|owed| owed.forget(key));
        self.latest.forget(key);
        lock(&self.give_backs).retain(|each| each.key != key);
    }

    /// A slot of a window has become free, so it may be asked for again.
    pub(super) fn forget_refusal(&self, key: SharedKey) {
        self.latest.forget_refusal(key);
    }

    /// What the store is to take back in these buckets.
    pub fn give_backs(&self, of: impl Fn(Bucket) -> bool) -> Vec<GiveBack> {
        lock(&self.give_backs).extract_if(.., |each| of(each.key.bucket())).collect()
    }

    /// Whether anything is to be told of what has ended in these buckets.
    pub fn owes(&self, of: impl Fn(Bucket) -> bool) -> bool {
        self.owed().owes(&of)
            || lock(&self.give_backs).iter().any(|each| of(each.key.bucket()))
            || self.changes().owes(&of)
    }

    /// Forgets what is over: once a second.
    pub fn sweep(&self, now: Tick) {
        self.latest.sweep(now);
        self.change(|owed| owed.sweep(now));
    }

    fn belief(&self, bucket: Bucket) -> Option<Belief> {
        *self.beliefs.get(bucket.index())?.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        lock(&self.owed)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Owed) -> T) -> T {
        let mut owed = self.owed();
        let changed = change(&mut owed);
        self.owing.store(owed.windows(), Ordering::Release);
        changed
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
