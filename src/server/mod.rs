//! Wires the parts together, runs them, and ends them in order.

mod export;
mod sockets;
mod succession;

use std::future;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

use crate::admin::Admin;
use crate::admin::Pages;
use crate::advise::Seats;
use crate::config::Configuration;
use crate::config::Settings;
use crate::config::TlsFault;
use crate::config::TlsWatch;
use crate::config::Watch;
use crate::control::Control;
use crate::door;
use crate::door::Certificate;
use crate::door::Door;
use crate::gateway::Shared;
use crate::listen::Roster;
use crate::observe;
use crate::observe::events::EventLog;
use crate::observe::journal::Journal;
use crate::observe::metrics::Metrics;
use crate::observe::request_log::LogSink;
use crate::observe::traces::Tracer;
use crate::policy::PolicyHandle;
use crate::policy::upstream::Scheme;
use crate::pool::Pools;
use crate::reload::ReloadRequest;
use crate::reload::Reloader;
use crate::state::State;
use crate::store;
use crate::store::Store;
use crate::sweep;
use crate::systemd::ServiceManager;
use crate::systemd::Sockets;
use crate::time::Clock;
use crate::watchdog;
use crate::worker;
use crate::worker::Stage;
use crate::worker::Worker;
use succession::Beginning;
use succession::Keys;
use succession::Legacy;

/// For what the store has not been told when the last worker has ended.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// The configuration to begin with.
    pub configuration: Configuration,
    /// What windows and durations are measured by.
    pub clock: Clock,
    /// Where request lines go.
    pub log: Arc<LogSink>,
    /// The log of events, for reloads to change.
    pub events: EventLog,
    /// 16 random bytes, for passwords.
    pub digest_key: [u8; 16],
    /// 16 others, for names; a state file may have its own.
    pub names_key: [u8; 16],
    /// Where the upstream is the embedded backend: what tests may do to it.
    pub control: Option<Control>,
    /// Where a client is being tested: what it does.
    pub journal: Option<Arc<Journal>>,
    /// Whoever wants to know how this process is.
    pub manager: ServiceManager,
    /// Sockets that are open already; what is missing is bound.
    pub sockets: Sockets,
}

/// A gateway whose sockets are bound.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin_listener: TcpListener,
    settings: Settings,
    door: Arc<Door>,
    tls_watch: Option<TlsWatch>,
    state: Arc<State>,
    control: Option<Arc<Control>>,
    journal: Option<Arc<Journal>>,
    /// What the next process takes over.
    legacy: Option<Legacy>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The admin listener was handed over on an address that nobody has allowed.
    #[error(
        "the admin listener was handed over at {address}, which is open to other machines: \
         `admin.address` with `allow_remote: true` has to say so too"
    )]
    Open {
        /// Where.
        address: SocketAddr,
    },
    /// A thread or a runtime could not be made.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
    /// The files of the certificate are others than a moment ago.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The metrics contradict each other.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Server {
    /// Binds the sockets; nothing is accepted yet.
    pub fn bind(parts: Parts) -> Result<Self, StartError> {
        let Configuration { settings, policy, warnings } = parts.configuration;
        parts.events.apply(&policy.log);
        if !warnings.is_empty() {
            tracing::warn!(%warnings, "the configuration may not be what was meant");
        }
        let certificate = settings.tls.as_ref().map(Certificate::load).transpose()?;
        let (certificate, tls_watch) = certificate.unzip();
        let (listener, admin_listener) = sockets::open(&settings, parts.sockets)?;
        let keys = Keys { passwords: &parts.digest_key, names: &parts.names_key };
        let file = succession::file(&settings, &parts.manager);
        let Beginning { admission, digests, outcome, legacy } =
            succession::begin(file, &policy, &keys, parts.clock.now());
        let shared = Shared {
            policy: PolicyHandle::new(policy),
            admission,
            seats: Seats::new(),
            pools: Pools::new(),
            store: settings.store.clone().map(Store::new).map(Arc::new),
            bodies: Arc::default(),
            readings: Arc::default(),
            digests,
            clock: parts.clock,
        };
        let metrics = Metrics::new(crate::time::wall_clock())?;
        metrics.limit_connections(settings.max_connections.get());
        if let Some(outcome) = outcome {
            metrics.count_state_read(outcome);
        }
        let logs = (parts.log, parts.events);
        let state = State::new(shared, metrics, logs, parts.manager, settings.clone());
        let door = Door {
            certificate,
            proxies: settings.proxies.clone(),
            metrics: Arc::clone(&state.metrics),
        };
        Ok(Self {
            listener,
            admin_listener,
            settings,
            door: Arc::new(door),
            tls_watch,
            state: Arc::new(state),
            control: parts.control.map(Arc::new),
            journal: parts.journal,
            legacy,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What clients speak there.
    pub fn scheme(&self) -> Scheme {
        self.door.scheme()
    }

    /// Where operators connect.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin_listener.local_addr()
    }

    /// A reloader of this server's policy, for [`run`](Self::run). Needs a runtime.
    pub fn reloader(&self, watch: Watch) -> io::Result<(Reloader, ReloadRequest)> {
        Reloader::new(watch, Arc::clone(&self.state), self.settings.clone())
    }

    /// Serves until `shutdown`, then lets what is under way end, for as long as `drain` says, but
    /// not beyond `hurry` and a moment. Needs a runtime of its own, which must not be a worker's.
    pub async fn run(
        self,
        reloader: Option<Reloader>,
        shutdown: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let (address, admin_address) = (self.address()?, self.admin_address()?);
        let (stage, stages) = watch::channel(Stage::Serving);
        let (tracer, export) =
            export::begin(self.settings.traces.as_ref(), &self.state.metrics);
        let (roster, workers) = self.start_workers(&stages, tracer)?;
        let gateway = Arc::clone(&self.state);
        let pages = match self.control {
            Some(control) => Pages::GatewayAndBackend(gateway, control),
            None => Pages::Gateway(gateway),
        };
        let admin = Admin::new(self.admin_listener, pages)?;
        let (stop_admin, stopped) = oneshot::channel::<()>();
        let admin = tokio::spawn(admin.serve(async { drop(stopped.await) }));
        let pulses = workers.iter().map(Worker::pulse).collect();
        let background = [
            tokio::spawn(watchdog::run(self.state.manager.clone(), pulses)),
            tokio::spawn(sweep::run(Arc::clone(&self.state))),
            tokio::spawn(keep_current(&self.door, self.tls_watch)),
            tokio::spawn(reload(reloader)),
            tokio::spawn(share(Arc::clone(&self.state))),
        ];
        roster.begin(self.listener)?;
        self.state.set_ready(true);
        tracing::info!(%address, admin = %admin_address, "serving");
        self.state.manager.ready(&format!("Serving at {address}, admin {admin_address}"));
        shutdown.await;
        self.state.set_ready(false);
        self.state.manager.stopping();
        let mut over = stage.subscribe();
        let ended = async {
            drain(&self.settings, workers, &stage).await;
            succession::leave(self.legacy, &self.state.shared);
            last_words(&self.state.shared).await;
            export.end(worker::reached(&mut over, Stage::Over)).await;
        };
        tokio::select! {
            () = ended => {}
            () = do_not_wait(hurry, &stage) => {}
        }
        // Until they have gone they hold the log, whose writer waits for the last to let go.
        drop(stop_admin);
        drop(admin.await);
        end(background).await;
        tracing::info!("stopped");
        Ok(())
    }

    fn start_workers(
        &self,
        stages: &watch::Receiver<Stage>,
        tracer: Option<Tracer>,
    ) -> io::Result<(Arc<Roster>, Vec<Worker>)> {
        let parts = worker::Parts {
            shared: Arc::clone(&self.state.shared),
            door: Arc::clone(&self.door),
            metrics: Arc::clone(&self.state.metrics),
            upstream_counters: Arc::clone(&self.state.upstream_counters),
            log: Arc::clone(&self.state.log),
            journal: self.journal.clone(),
            top: Arc::clone(&self.state.top),
            tracer,
            stage: stages.clone(),
            drain_time: self.settings.drain.saturating_sub(linger(&self.settings)),
        };
        let (roster, places) = Roster::new(
            self.settings.workers,
            self.settings.max_connections,
            Arc::clone(&self.state.metrics),
        );
        let places = places.into_iter().enumerate();
        let start = |(index, place)| Worker::start(index, place, parts.clone());
        Ok((roster, places.map(start).collect::<io::Result<_>>()?))
    }
}

/// Tells the store what it does not know yet, where there is one.
async fn last_words(shared: &Shared) {
    if let Some(store) = &shared.store {
        drop(time::timeout(LAST_WORDS, store.has_told()).await);
    }
}

/// Ends what runs beside the workers.
async fn end(background: impl IntoIterator<Item = JoinHandle<()>>) {
    for task in background {
        task.abort();
        drop(task.await);
    }
}

/// Ends the workers: new connections are served for as long as `linger` says, those that are open
/// for as long as `drain` says.
async fn drain(settings: &Settings, workers: Vec<Worker>, stage: &watch::Sender<Stage>) {
    tracing::info!(limit = ?settings.drain, "draining");
    go_on_to(stage, Stage::Draining);
    let mut stages = stage.subscribe();
    tokio::select! {
        () = time::sleep(linger(settings)) => {}
        () = worker::reached(&mut stages, Stage::Over) => {}
    }
    go_on_to(stage, Stage::Closing);
    // The workers keep to the limit themselves; this one is for a thread that hangs.
    let hang = settings.drain.saturating_add(Duration::from_secs(1));
    let ended = async {
        for worker in workers {
            worker.ended().await;
        }
    };
    drop(time::timeout(hang, ended).await);
}

/// Has the drain end when `hurry` does; never ends itself.
async fn do_not_wait(hurry: impl Future<Output = ()>, stage: &watch::Sender<Stage>) {
    hurry.await;
    tracing::info!("not waiting any longer");
    go_on_to(stage, Stage::Over);
    future::pending::<()>().await;
}

/// Tells the workers, unless they are further already.
fn go_on_to(stage: &watch::Sender<Stage>, next: Stage) {
    stage.send_if_modified(|now| {
        let is_further = next > *now;
        *now = next.max(*now);
        is_further
    });
}

/// Keeps to the configuration file, where there is one.
async fn reload(reloader: Option<Reloader>) {
    match reloader {
        Some(reloader) => reloader.run().await,
        None => future::pending().await,
    }
}

/// Keeps to the files of the certificate, where there is one.
fn keep_current(
    door: &Door,
    watch: Option<TlsWatch>,
) -> impl Future<Output = ()> + Send + 'static {
    let metrics = Arc::clone(&door.metrics);
    let kept = door.certificate.clone().zip(watch);
    async move {
        match kept {
            Some((certificate, watch)) => {
                door::keep_current(certificate, watch, metrics).await;
            }
            None => future::pending().await,
        }
    }
}

/// Keeps the store that replicas share, where there is one.
async fn share(state: Arc<State>) {
    let Some(shared) = &state.shared.store else { return future::pending().await };
    let (metrics, on_loss) = (Arc::clone(&state.metrics), shared.config.on_loss);
    let tell = move |event| observe::store::report(&metrics, on_loss, event);
    store::keep(Arc::clone(shared), state.shared.clock.clone(), tell).await;
}

/// For how long of a drain new connections are served.
fn linger(settings: &Settings) -> Duration {
    settings.linger.min(settings.drain)
}
