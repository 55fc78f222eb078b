//! What the parts of a running server share beside the request path.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crate::admit::busiest::Full;
use crate::config::Settings;
use crate::forward::Counters;
use crate::gateway::Shared;
use crate::observe::events::EventLog;
use crate::observe::metrics::Metrics;
use crate::observe::request_log::LogSink;
use crate::observe::top::Top;
use crate::policy::endpoint::Endpoint;
use crate::pool::Fill;
use crate::systemd::ServiceManager;
use crate::time::Tick;

/// Known to the admin listener, the reloader and the sweep.
#[derive(Debug)]
pub struct State {
    /// The request path's.
    pub shared: Arc<Shared>,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Connections to the upstream.
    pub upstream_counters: Arc<Counters>,
    /// Where request lines go.
    pub log: Arc<LogSink>,
    /// The log of events.
    pub events: EventLog,
    /// What holds until the next start.
    pub settings: Settings,
    /// Whoever wants to know how this process is.
    pub manager: ServiceManager,
    /// Who asks most, and who is refused most.
    pub top: Arc<Top>,
    /// What the last sweep saw.
    pub last_sweep: LastSweep,
    /// What became of the last attempt to reload the configuration.
    pub last_reload: LastReload,
    ready: AtomicBool,
}

impl State {
    /// The state of a server that is not ready yet.
    pub fn new(
        shared: Shared,
        metrics: Metrics,
        (log, events): (Arc<LogSink>, EventLog),
        manager: ServiceManager,
        settings: Settings,
    ) -> Self {
        Self {
            top: Arc::new(Top::new(shared.clock.now())),
            shared: Arc::new(shared),
            metrics: Arc::new(metrics),
            upstream_counters: Arc::default(),
            log,
            events,
            manager,
            settings,
            last_sweep: LastSweep::default(),
            last_reload: LastReload::default(),
            ready: AtomicBool::new(false),
        }
    }

    /// Whether new connections are welcome.
    pub fn is_ready(&self) -> bool {
        // Read alone, so it orders nothing.
        self.ready.load(Ordering::Relaxed)
    }

    /// Says whether new connections are welcome.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

/// What the last sweep saw. Read by the admin listener only.
#[derive(Debug, Default)]
pub struct LastSweep(Mutex<Seen>);

/// How full windows and pools were.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The fullest window of each endpoint that was in use, from 0 to 1.
    pub windows: Vec<(Endpoint, f64)>,
    /// The fullest windows of all.
    pub fullest: Vec<Full>,
    /// The number pools of all services.
    pub pools: Fill,
}

impl LastSweep {
    /// What it saw.
    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what was seen before.
    pub fn set(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

/// What became of the last attempt to reload the configuration. Read by the admin listener only.
#[derive(Debug, Default)]
pub struct LastReload(Mutex<Option<Reload>>);

/// An attempt to reload the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// When.
    pub at: Tick,
    /// The mistakes, as they are logged, where it was refused for them.
    pub mistakes: Option<String>,
}

impl LastReload {
    /// The last one; none where there was none since the start.
    pub fn get(&self) -> Option<Reload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// There was another one.
    pub fn set(&self, reload: Reload) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reload);
    }
}
