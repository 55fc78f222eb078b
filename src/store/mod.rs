//! What do all replicas together admit? Windows and number pools that are shared through Redis or
//! Valkey.
//!
//! ```text
//!  a request ─▶ Ledger::stance ─▶ Links::ask ─▶ the server          (one call, or none)
//!                    │ the store cannot be believed
//!                    ▼
//!               this replica by itself ─▶ Ledger::owe ─▶ keeper ─▶ the server
//! ```
//!
//! **Invariant:** what may be believed is decided by [`Ledger`] alone, which knows neither sockets
//! nor clocks; what is sent and heard is [`Links`]' for requests and [`keep`]'s for the process. See
//! `docs/design/0015-shared-store.md`.

mod answer;
mod aside;
mod circuit;
mod connection;
mod fault;
mod keeper;
mod key;
mod latest;
mod layout;
mod ledger;
mod library;
mod links;
mod owed;
mod place;
mod pools;
mod settle;
mod trust;
mod under_way;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time;

use crate::policy::pools::PoolKind;
use crate::policy::rate::Part;
use crate::policy::store::SharedStore;
use crate::sid::Sid;
use crate::time::Tick;
pub use answer::Count;
pub use answer::Said;
pub use answer::StoreBound;
use connection::Access;
pub use fault::Fault;
pub use keeper::keep;
pub use key::Bucket;
pub use key::SharedKey;
pub use latest::Loss;
pub use latest::Refused;
pub use latest::Told;
use layout::Layout;
pub use ledger::GiveBack;
pub use ledger::Ledger;
pub use ledger::PoolStance;
pub use ledger::Stance;
pub use library::Question;
pub use library::StoreCharge;
pub use links::Links;
pub use owed::Keep;
use place::Place;
pub use pools::ChangeId;
pub use pools::CountKey;
pub use pools::Insistence;
pub use pools::PoolChange;
pub use pools::PoolStanding;
pub use pools::Receipt;
pub use pools::Room;
pub use pools::RoomQuestion;
pub use pools::RoomSaid;
pub use pools::Turn;
pub use trust::Epoch;
pub use trust::Heard;
pub use under_way::Counted;

/// How often it is looked whether all has been told, by whoever waits for it.
const LOOK: Duration = Duration::from_millis(2);

/// The store, as one process sees it.
#[derive(Debug)]
pub struct Store {
    /// How it is used.
    pub config: SharedStore,
    /// What is known of it, and it does not know.
    pub ledger: Ledger,
    place: Place,
    layout: ArcSwap<Layout>,
    /// Counts what workers have to look at: servers that are found.
    changed: watch::Sender<u64>,
    /// Somebody else may be the primary by now.
    moved: Notify,
    /// Why no server is known, where none is.
    unfound: Mutex<Option<Fault>>,
}

/// How a store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It decides.
    Trusted,
    /// It answers, and does not know of all admissions yet: each replica decides by itself.
    Sharing,
    /// One of its servers at least does not answer: each replica decides by itself.
    Lost,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 3] = [Self::Trusted, Self::Sharing, Self::Lost];

    /// A small number for arrays with one place for each condition.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its word in metrics, log lines and pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Sharing => "sharing",
            Self::Lost => "lost",
        }
    }
}

/// What happens to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It stands otherwise than before.
    Changed {
        /// How it stands now.
        condition: Condition,
        /// Why it did not answer, the last time that it did not.
        fault: Option<Fault>,
    },
    /// A server drops keys when its memory is full: a dropped window is a free burst.
    Evicts {
        /// Its `maxmemory-policy`.
        policy: &'static str,
    },
}

impl Store {
    /// A store that nothing is known of yet; [`keep`] finds it.
    pub fn new(config: SharedStore) -> Self {
        Self {
            config,
            ledger: Ledger::new(),
            place: Place::new(),
            layout: ArcSwap::from_pointee(Layout::default()),
            changed: watch::Sender::new(0),
            moved: Notify::new(),
            unfound: Mutex::default(),
        }
    }

    /// How it stands.
    pub fn condition(&self, now: Tick) -> Condition {
        let layout = self.layout();
        let is_lost = layout.nodes().iter().any(|node| node.circuit.is_lost());
        if layout.nodes().is_empty() || is_lost {
            Condition::Lost
        } else if self.ledger.is_settled(now) {
            Condition::Trusted
        } else {
            Condition::Sharing
        }
    }

    /// This replica's place among all, from 0, once it may be used.
    pub fn place(&self, now: Tick) -> Option<u32> {
        self.place.settled(self.ledger.longest(), now)
    }

    /// This replica's part of a limit whose windows remember `span` and are in this bucket. Who admits
    /// what is left over differs from bucket to bucket, so that it is not always the same one.
    pub fn part(&self, bucket: Bucket, span: Duration, now: Tick) -> Part {
        self.ledger.remembers(span);
        let replicas = self.config.replicas;
        let from =
            |place: u32| place.saturating_add(bucket.number()).checked_rem(replicas.get());
        match self.place(now).and_then(from) {
            Some(place) => Part::placed(replicas, place),
            None => Part::one_of(replicas),
        }
    }

    /// This replica's part of what is free in the number pools of a service.
    pub fn pool_part(&self, service: Sid, now: Tick) -> Part {
        self.part(Bucket::of(service), pools::SPAN, now)
    }

    /// Why a server that is lost does not answer.
    pub fn fault(&self) -> Option<Fault> {
        let layout = self.layout();
        let mut lost = layout.nodes().iter().filter(|node| node.circuit.is_lost());
        lost.find_map(|node| node.fault()).or_else(|| *self.unfound())
    }

    /// Whether the server of a bucket answers, as far as is known.
    pub fn answers(&self, bucket: Bucket) -> bool {
        self.layout().node(bucket).is_some_and(|node| !node.circuit.is_lost())
    }

    /// The server of a bucket has told its time. Where its data is other data, whoever keeps it looks
    /// at all of it.
    fn hear(&self, bucket: Bucket, heard: Heard, now: Tick) {
        if self.ledger.hear(bucket, heard, now)
            && let Some(node) = self.layout().node(bucket)
        {
            node.has_lost_data();
        }
    }

    /// Who decides about the number pools of a service.
    pub fn pool_stance(&self, service: Sid, now: Tick) -> PoolStance {
        self.ledger.pool_stance(service, self.answers(Bucket::of(service)), now)
    }

    /// A number was seen in a pool; or, where there is none, something that tells that the service
    /// may have other numbers than are known.
    pub fn number_seen(&self, service: Sid, number: Option<(Sid, PoolKind)>) {
        let bucket = Bucket::of(service);
        // What is not told now is found by the next count.
        if self.answers(bucket) {
            self.ledger.number_seen(service, number);
            self.remind(bucket);
        }
    }

    /// Numbers of the service have changed without the store.
    pub fn forget_pools(&self, service: Sid) {
        self.ledger.forget_pools(service);
        self.remind(Bucket::of(service));
    }

    /// There is something to be told to the server of a bucket.
    pub fn remind(&self, bucket: Bucket) {
        if let Some(node) = self.layout().node(bucket) {
            node.due.notify_one();
        }
    }

    /// The same, where something is owed of a window.
    pub fn remind_of(&self, key: SharedKey) {
        if !self.ledger.is_clear(key) {
            self.remind(key.bucket());
        }
    }

    /// Waits until every server that answers knows all that this replica has to tell of what has
    /// ended.
    pub async fn has_told(&self) {
        let is_on_its_way = || self.layout().nodes().iter().any(|node| node.is_being_told());
        // In this order: what is taken is on its way from before it is.
        while self.ledger.owes(|bucket| self.answers(bucket)) || is_on_its_way() {
            time::sleep(LOOK).await;
        }
    }

    fn note_search(&self, fault: Option<Fault>) {
        *self.unfound() = fault;
    }

    fn unfound(&self) -> MutexGuard<'_, Option<Fault>> {
        self.unfound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layout(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    fn arrange(&self, layout: Layout) {
        self.layout.store(Arc::new(layout));
        self.has_changed();
    }

    fn has_changed(&self) {
        self.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn access(&self) -> Access<'_> {
        Access { credentials: &self.config.credentials, tls: self.config.tls.as_ref() }
    }
}
