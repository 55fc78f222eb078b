//! One thread with its own runtime, its own share of the connections and its own connections to
//! the upstream. Nothing but the windows, the policy pointer and the metrics is shared.

mod connection;
mod conversation;
mod frames;
mod http1;
mod http2;
mod pulse;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task;
use tokio::task::LocalSet;
use tokio::time;

use crate::door::Door;
use crate::forward::Counters;
use crate::forward::Forwarder;
use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::http1::Workbench;
use crate::listen::Batons;
use crate::listen::Place;
use crate::observe::Observer;
use crate::observe::journal::Journal;
use crate::observe::metrics::Metrics;
use crate::observe::request_log::LogSink;
use crate::observe::request_log::RequestLog;
use crate::observe::top::Top;
use crate::observe::traces::Tracer;
use crate::store::Links;
use connection::OpenConnection;
pub use pulse::Asked;
pub use pulse::Pulse;

/// How often unused connections to the upstream are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a worker is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Shared by all workers.
    pub shared: Arc<Shared>,
    /// What new connections pass; shared by all workers.
    pub door: Arc<Door>,
    /// Shared by all workers.
    pub metrics: Arc<Metrics>,
    /// Shared by all workers.
    pub upstream_counters: Arc<Counters>,
    /// Where request lines go.
    pub log: Arc<LogSink>,
    /// Shared by all workers, where a client is being tested.
    pub journal: Option<Arc<Journal>>,
    /// Where each worker has a tally of its own.
    pub top: Arc<Top>,
    /// Shared by all workers, where spans are sent somewhere.
    pub tracer: Option<Tracer>,
    /// How far the server is from its end.
    pub stage: watch::Receiver<Stage>,
    /// How long connections have to end when there are no new ones any more.
    pub drain_time: Duration,
}

/// How far a server is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    Serving,
    /// Connections, new ones too, end behind the next answer.
    Draining,
    /// There are no new ones any more, and idle ones end.
    Closing,
    /// Nothing is waited for any more.
    Over,
}

/// Waits until the server has come as far.
pub(crate) async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    // An error means that nobody is left to say so: then it is at its end.
    drop(stages.wait_for(|now| *now >= stage).await);
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    pulse: Pulse,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a thread that serves what it accepts. `index`: for its name.
    pub fn start(index: usize, place: (Place, Batons), parts: Parts) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel::<()>();
        let (pulse, asked) = Pulse::new();
        thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let local = LocalSet::new();
            local.spawn_local(asked.answer());
            local.block_on(&runtime, run(parts, place));
            drop(local);
            // Dropping it tells whoever waits.
            drop(end);
        })?;
        Ok(Self { pulse, ended })
    }

    /// Tells whether it still runs, also when it is waited for its end.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Waits until the worker has ended.
    pub async fn ended(self) {
        drop(self.ended.await);
    }
}

/// What the connections of one worker share.
struct Local {
    door: Arc<Door>,
    gateway: Gateway,
    workbench: Rc<Workbench>,
    http2: hyper::server::conn::http2::Builder<http2::OnThisThread>,
    stage: watch::Receiver<Stage>,
    place: Place,
    /// Connections that have not ended, and who waits for the last of them.
    left: Cell<usize>,
    emptied: Notify,
}

async fn run(parts: Parts, (place, batons): (Place, Batons)) {
    let drain_time = parts.drain_time;
    let mut stage = parts.stage.clone();
    let local = Rc::new(Local::new(parts, place));
    let log = Rc::clone(&local.gateway.observer.log);
    task::spawn_local(Rc::clone(&log).hand_on());
    task::spawn_local(housekeeping(Rc::clone(&local)));
    if let Some(links) = &local.gateway.links {
        task::spawn_local(Rc::clone(links).keep());
    }
    let closing = reached(&mut stage, Stage::Closing);
    local.place.accept(batons, closing, |stream, peer| local.serve(stream, peer)).await;
    // Those that do not end in time are cut off with the runtime.
    tokio::select! {
        () = local.all_ended() => {}
        () = time::sleep(drain_time) => {}
        () = reached(&mut stage, Stage::Over) => {}
    }
    log.flush();
}

async fn housekeeping(local: Rc<Local>) {
    let mut ticks = time::interval(HOUSEKEEPING);
    loop {
        ticks.tick().await;
        let policy = local.gateway.shared.policy.snapshot();
        local.gateway.forwarder.close_idle(policy.upstream.timeouts.idle);
    }
}

impl Local {
    fn new(parts: Parts, place: Place) -> Self {
        let clock = parts.shared.clock.clone();
        let observer = Observer {
            metrics: parts.metrics,
            log: RequestLog::new(parts.log),
            clock: clock.clone(),
            journal: parts.journal,
            tally: parts.top.tally(),
            tracer: parts.tracer,
        };
        let forwarder = Forwarder::new(clock, parts.upstream_counters);
        let store = parts.shared.store.as_ref().map(Arc::clone);
        let links = store.map(|store| Rc::new(Links::new(store, parts.shared.clock.clone())));
        Self {
            door: parts.door,
            gateway: Gateway { shared: parts.shared, forwarder, observer, links },
            workbench: Rc::default(),
            http2: http2::builder(),
            stage: parts.stage,
            place,
            left: Cell::new(0),
            emptied: Notify::new(),
        }
    }

    fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let connection = OpenConnection::new(Rc::clone(self));
        task::spawn_local(async move {
            if let Err(error) = connection.serve(stream, peer).await {
                // Expected: clients leave, time out, or speak no HTTP.
                tracing::debug!(%error, "a client connection ended");
            }
        });
    }

    async fn all_ended(&self) {
        while self.left.get() > 0 {
            self.emptied.notified().await;
        }
    }
}
