//! The embedded backend in this process, as its flags want it.

use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use maskgate::backend;
use maskgate::backend::Backend;
use maskgate::backend::Latency;
use maskgate::backend::Options;
use maskgate::config::Configuration;
use maskgate::control::Control;
use maskgate::systemd::ServiceManager;
use maskgate::systemd::Sockets;
use maskgate::time::Clock;

use crate::cli::ClockKind;
use crate::cli::LoadArgs;
use crate::run::Surroundings;

/// The embedded backend behind a gateway, and the clock of both.
#[derive(Debug)]
pub(crate) struct Behind {
    backend: Arc<Backend>,
    server: backend::Server,
    clock: Clock,
}

impl Behind {
    /// Serves a backend on `listener` whose API keys act for the same accounts as they do in
    /// front, by the gateway's configuration.
    pub(crate) fn start(
        listener: &TcpListener,
        load: LoadArgs,
        configuration: &Configuration,
    ) -> io::Result<Self> {
        let clock = clock(load.clock);
        let accounts = configuration.policy.accounts.clone();
        let options =
            Options { accounts, count_received: true, ..options(load, None, clock.clone()) };
        let backend = Arc::new(Backend::new(options));
        let server = start(listener, &backend)?;
        Ok(Self { backend, server, clock })
    }

    /// What the gateway in front of it is given.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let clock = self.clock.clone();
        let control = Control::new(Arc::clone(&self.backend), clock.clone());
        Surroundings {
            clock,
            control: Some(control),
            journal: None,
            manager: ServiceManager::absent(),
            sockets: Sockets::default(),
        }
    }

    /// Stops it when what is under way has ended, or `drain` is over.
    pub(crate) fn stop(self, drain: Duration) {
        self.server.stop(drain);
    }
}

/// The clock that was asked for.
pub(crate) fn clock(kind: ClockKind) -> Clock {
    match kind {
        ClockKind::System => Clock::system(),
        ClockKind::Manual => Clock::manual(),
    }
}

/// The options that were asked for.
pub(crate) fn options(load: LoadArgs, public_url: Option<String>, clock: Clock) -> Options {
    Options {
        public_url,
        latency: load.latency.unwrap_or(Latency::None),
        error_rate: load.error_rate.unwrap_or_default(),
        seed: load.seed,
        max_resources: load.max_resources,
        clock,
        ..Options::default()
    }
}

/// Serves a backend on as many threads as there are processors.
pub(crate) fn start(
    listener: &TcpListener,
    backend: &Arc<Backend>,
) -> io::Result<backend::Server> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    backend::Server::start(listener, backend, threads)
}
