//! What a process does for the store, whether it is asked or not: finds its servers, probes those
//! that are lost, tells them what they missed, and says what changes.
//!
//! **Invariant:** a server counts as found only after it has told the epoch of every bucket that it
//! has, and one answer came in time.

use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::task::JoinSet;
use tokio::time;

use crate::store::Condition;
use crate::store::Event;
use crate::store::Store;
use crate::store::answer;
use crate::store::circuit;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::layout;
use crate::store::layout::Found;
use crate::store::layout::Layout;
use crate::store::layout::Node;
use crate::store::settle::BATCH_TIME;
use crate::store::settle::settle;
use crate::store::trust::Heard;
use crate::time::Clock;
use crate::time::Tick;

/// How often a server is asked for nothing but a sign of life.
const BEAT: Duration = Duration::from_secs(1);
/// How often sentinels and Clusters are asked who is who.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked at what has changed, and what is over.
const WATCH: Duration = Duration::from_millis(100);
/// For the epochs of all buckets.
const EPOCHS_TIME: Duration = Duration::from_secs(1);

/// Keeps a store for ever; `tell` is told what changes.
pub async fn keep(
    store: Arc<Store>,
    clock: Clock,
    tell: impl Fn(Event) + Send + Sync + 'static,
) {
    let tell = Arc::new(tell);
    let mut tasks = JoinSet::new();
    tasks.spawn(find(Arc::clone(&store), clock.clone(), Arc::clone(&tell)));
    tasks.spawn(watch(store, clock, tell));
    // Neither ends; both do with this.
    while tasks.join_next().await.is_some() {}
}

/// Says what changes.
async fn watch(store: Arc<Store>, clock: Clock, tell: Arc<impl Fn(Event)>) {
    let mut last = None;
    let mut ticks = time::interval(WATCH);
    let mut since_sweep = Duration::ZERO;
    loop {
        ticks.tick().await;
        let condition = store.condition(clock.now());
        // That nothing is found yet is no news, before anything has failed.
        let is_news = last != Some(condition)
            && (condition != Condition::Lost || last.is_some() || store.fault().is_some());
        if is_news {
            last = Some(condition);
            tell(Event::Changed { condition, fault: store.fault() });
        }
        since_sweep = since_sweep.saturating_add(WATCH);
        if since_sweep >= BEAT {
            since_sweep = Duration::ZERO;
            store.ledger.sweep(clock.now());
        }
    }
}

/// Finds the servers, and keeps each of them.
async fn find(
    store: Arc<Store>,
    clock: Clock,
    tell: Arc<impl Fn(Event) + Send + Sync + 'static>,
) {
    let mut kept: Vec<(Arc<Node>, AbortHandle)> = Vec::new();
    let mut keepers = JoinSet::new();
    let mut last = Found::default();
    loop {
        let found = layout::find(&store.config).await;
        store.note_search(found.as_ref().err().copied());
        if let Ok(found) = found
            && found != last
        {
            let layout = Layout::new(&found, &store.layout(), store.config.deadline);
            last = found;
            let is_gone =
                |node: &Arc<Node>| !layout.nodes().iter().any(|it| Arc::ptr_eq(it, node));
            for (_, keeper) in kept.extract_if(.., |(node, _)| is_gone(node)) {
                keeper.abort();
            }
            let is_new = |node: &&Arc<Node>| !kept.iter().any(|(it, _)| Arc::ptr_eq(it, node));
            let new: Vec<_> = layout.nodes().iter().filter(is_new).map(Arc::clone).collect();
            store.arrange(layout);
            for node in new {
                let keeper = Keeper {
                    store: Arc::clone(&store),
                    node: Arc::clone(&node),
                    clock: clock.clone(),
                };
                kept.push((node, keepers.spawn(keeper.keep(Arc::clone(&tell)))));
            }
        }
        tokio::select! {
            () = time::sleep(LOOK) => {}
            () = store.moved.notified() => time::sleep(circuit::until_probe(0, fastrand::f64())).await,
        }
    }
}

/// One server's.
struct Keeper {
    store: Arc<Store>,
    node: Arc<Node>,
    clock: Clock,
}

impl Keeper {
    async fn keep(self, tell: Arc<impl Fn(Event)>) {
        let mut failed: u32 = 0;
        let mut was_there = false;
        loop {
            let fault = match self.probe(was_there).await {
                Ok(connection) => {
                    failed = 0;
                    if !was_there && let Some(policy) = self.evicts(&connection).await {
                        tell(Event::Evicts { policy });
                    }
                    was_there = true;
                    self.serve(&connection).await
                }
                Err(fault) => {
                    failed = failed.saturating_add(1);
                    fault
                }
            };
            self.node.lose(fault);
            for bucket in self.store.layout().buckets_of(&self.node) {
                self.store.ledger.lost(bucket, self.clock.now());
            }
            if fault == Fault::NotPrimary || fault == Fault::Unreachable {
                self.store.moved.notify_one();
            }
            time::sleep(circuit::until_probe(failed, fastrand::f64())).await;
        }
    }

    /// Opens a connection, and finds the server where it answers in time.
    async fn probe(&self, was_there: bool) -> Result<Connection, Fault> {
        let connection = Connection::open(&self.node.address, self.store.access()).await?;
        let buckets = self.store.layout().buckets_of(&self.node);
        self.learn(&connection, &buckets).await?;
        let [bucket, ..] = buckets.as_slice() else { return Err(Fault::NotFound) };
        self.beat(&connection, *bucket).await?;
        for bucket in &buckets {
            if was_there {
                self.store.ledger.unsettle(*bucket, self.clock.now());
            } else {
                self.store.ledger.found(*bucket);
            }
        }
        self.node.circuit.find();
        self.store.has_changed();
        Ok(connection)
    }

    /// Learns the epochs of buckets.
    async fn learn(&self, connection: &Connection, buckets: &[Bucket]) -> Result<(), Fault> {
        let mut all = redis::pipe();
        for bucket in buckets {
            all.add_command(connection.library.epoch(*bucket));
        }
        let answers = connection.call_all(all, EPOCHS_TIME).await?;
        let now = self.clock.now();
        for (bucket, value) in buckets.iter().zip(answers) {
            self.store.ledger.hear(*bucket, answer::epoch(value, now)?, now);
        }
        Ok(())
    }

    /// A sign of life, within the deadline.
    async fn beat(&self, connection: &Connection, bucket: Bucket) -> Result<(), Fault> {
        let call = connection.library.epoch(bucket);
        let value = connection.call(call, self.store.config.deadline).await?;
        let now = self.clock.now();
        self.hear(bucket, answer::epoch(value, now)?, now);
        Ok(())
    }

    fn hear(&self, bucket: Bucket, heard: Heard, now: Tick) {
        if self.store.ledger.hear(bucket, heard, now) {
            self.node.has_lost_data();
        }
    }

    /// Asks for a place among the replicas, or to keep it.
    async fn take_place(&self, connection: &Connection) -> Result<(), Fault> {
        let store = &self.store;
        let call = connection.library.place(&store.place, store.config.replicas);
        let value = match connection.call(call, BATCH_TIME).await.map_err(Fault::from) {
            Ok(value) => value,
            // Whether the server is too slow is found by its signs of life.
            Err(Fault::Late) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let now = self.clock.now();
        let (heard, place) = answer::place(value, now)?;
        self.hear(Bucket::FIRST, heard, now);
        store.place.given(place, now);
        Ok(())
    }

    /// What the server evicts by, where it evicts.
    async fn evicts(&self, connection: &Connection) -> Option<&'static str> {
        const POLICIES: [&str; 10] = [
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-lrm",
            "allkeys-random",
            "volatile-lru",
            "volatile-lfu",
            "volatile-lrm",
            "volatile-random",
            "volatile-ttl",
            "noeviction",
        ];
        let policy = connection.eviction(EPOCHS_TIME).await?;
        let policy = POLICIES.into_iter().find(|each| *each == policy)?;
        (policy != "noeviction").then_some(policy)
    }

    /// Tells the server what it does not know, and listens for its life, until it is lost.
    async fn serve(&self, connection: &Connection) -> Fault {
        let mut layout = self.store.layout();
        let mut buckets = layout.buckets_of(&self.node);
        let mut beats: usize = 0;
        let mut timer = pin!(time::sleep(BEAT));
        loop {
            let last = mem::replace(&mut layout, self.store.layout());
            if !Arc::ptr_eq(&last, &layout) {
                buckets = layout.buckets_of(&self.node);
                let has_come = |bucket: &Bucket| !last.is_at(*bucket, &self.node);
                // What stood elsewhere is of another epoch here.
                if buckets.iter().any(has_come) {
                    self.node.has_lost_data();
                }
            }
            if let Err(fault) = self.catch_up(connection, &buckets).await {
                return fault;
            }
            let is_due = tokio::select! {
                // First, so that signs of life are not put off, however often it is reminded.
                biased;
                () = timer.as_mut() => false,
                () = self.node.due.notified() => true,
            };
            if self.node.circuit.is_lost() || connection.has_ended() {
                return self.node.fault().unwrap_or(Fault::Unreachable);
            }
            if is_due {
                continue;
            }
            beats = beats.wrapping_add(1);
            let of = beats.checked_rem(buckets.len()).and_then(|nth| buckets.get(nth));
            let Some(bucket) = of else { return Fault::NotFound };
            let sent = self.clock.now();
            let pause = match self.sign_of_life(connection, *bucket).await {
                Ok(()) => BEAT,
                Err(Fault::Late) if !self.node.circuit.missed(sent, self.clock.now()) => {
                    self.store.config.deadline
                }
                Err(fault) => return fault,
            };
            timer.set(time::sleep(pause));
        }
    }

    /// Asks for a sign of life, and keeps this replica's place.
    async fn sign_of_life(&self, connection: &Connection, bucket: Bucket) -> Result<(), Fault> {
        self.beat(connection, bucket).await?;
        self.node.circuit.answered();
        if self.store.layout().is_at(Bucket::FIRST, &self.node) {
            self.take_place(connection).await?;
        }
        Ok(())
    }

    /// Learns the epochs anew where data was lost, and tells what the server does not know.
    async fn catch_up(&self, connection: &Connection, buckets: &[Bucket]) -> Result<(), Fault> {
        if self.node.take_emptied() {
            self.learn(connection, buckets).await?;
        }
        self.node.being_told(true);
        let is_more = settle(&self.store, &self.clock, connection, buckets).await;
        self.node.being_told(false);
        if is_more? {
            self.node.due.notify_one();
        }
        Ok(())
    }
}
