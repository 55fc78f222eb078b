//! `maskgate run`: the gateway until it is told to stop.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use maskgate::config::ConfigErrors;
use maskgate::config::Configuration;
use maskgate::config::Flags;
use maskgate::config::Sources;
use maskgate::config::Watch;
use maskgate::control::Control;
use maskgate::isolate;
use maskgate::observe::events::EventLog;
use maskgate::observe::journal::Journal;
use maskgate::observe::request_log::LogSink;
use maskgate::reload::Reloader;
use maskgate::server::Parts;
use maskgate::server::Server;
use maskgate::server::StartError;
use maskgate::systemd::ServiceManager;
use maskgate::systemd::Sockets;
use maskgate::time::Clock;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::oneshot;

use crate::cli::RunArgs;

/// How long the writer of request lines has after the last worker has ended.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Why the gateway did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The configuration has mistakes.
    #[error("the configuration has mistakes")]
    Configuration(ConfigErrors),
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where the configuration of `maskgate run` comes from.
pub(crate) fn sources(args: RunArgs) -> Sources {
    let RunArgs { config, upstream, listen, admin, admin_allow_remote } = args;
    // A variable whose name or value is no text cannot be meant.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags = Flags { upstream, listen, admin, admin_allow_remote };
    Sources { file: config, variables, flags }
}

/// A configuration without mistakes, and what watches it.
pub(crate) struct Loaded {
    watch: Watch,
    pub(crate) configuration: Configuration,
}

/// Reads the configuration.
pub(crate) fn load(sources: Sources) -> Result<Loaded, RunError> {
    let mut watch = Watch::new(sources);
    let configuration = watch.force().map_err(RunError::Configuration)?;
    Ok(Loaded { watch, configuration })
}

/// What a gateway is given beside its configuration.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// What windows and durations are measured by.
    pub(crate) clock: Clock,
    /// What tests may do, where the upstream is the embedded backend.
    pub(crate) control: Option<Control>,
    /// What a client does that is being tested.
    pub(crate) journal: Option<Arc<Journal>>,
    /// Whoever wants to know how this process is.
    pub(crate) manager: ServiceManager,
    /// Sockets that are open already.
    pub(crate) sockets: Sockets,
}

impl Surroundings {
    /// Those of a gateway in front of any upstream. Call it before there is another thread.
    pub(crate) fn of_a_service() -> io::Result<Self> {
        Ok(Self {
            clock: Clock::system(),
            control: None,
            journal: None,
            manager: ServiceManager::of_environment(),
            sockets: Sockets::of_environment()?,
        })
    }
}

/// Runs a gateway until SIGTERM or SIGINT, whose second does not wait; `announce` is called once it
/// listens.
pub(crate) async fn serve(
    loaded: Loaded,
    surroundings: Surroundings,
    announce: impl FnOnce(&Server) -> io::Result<()>,
) -> Result<(), RunError> {
    let Loaded { watch, configuration } = loaded;
    let gateway = Gateway::bind(configuration, surroundings)?;
    let (reloader, _request) = gateway.server.reloader(watch)?;
    // Before anybody is told where it is, and could ask it to stop.
    let (stop, hurry) = stop_signals()?;
    announce(&gateway.server)?;
    gateway.run(Some(reloader), stop, hurry).await
}

/// A gateway whose sockets are bound, and who writes its request lines.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) server: Server,
    written: Receiver<()>,
}

impl Gateway {
    /// Binds the sockets; nothing is accepted yet.
    pub(crate) fn bind(
        configuration: Configuration,
        surroundings: Surroundings,
    ) -> Result<Self, RunError> {
        let events = EventLog::default();

        events.apply(&configuration.policy.log);
        let (log, lines) = LogSink::new();
        events.install(&log);
        isolate::log_panics();
        let written = write_lines(lines)?;
        let Surroundings { clock, control, journal, manager, sockets } = surroundings;
        let (digest_key, names_key) = (key()?, key()?);
        let parts = Parts {
            configuration,
            clock,
            log,
            events,
            digest_key,
            names_key,
            control,
            journal,
            manager,
            sockets,
        };
        Ok(Self { server: Server::bind(parts)?, written })
    }

    /// Serves until `stop`, then drains until `hurry` and writes the last request lines.
    pub(crate) async fn run(
        self,
        reloader: Option<Reloader>,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        self.server.run(reloader, stop, hurry).await?;
        // The last lines: written as soon as the last worker has let go of the log.
        let _written = self.written.recv_timeout(LAST_LINES);
        Ok(())
    }
}

/// Writes request lines to standard error as they come, on a thread of its own; what it answers
/// is disconnected when the last has been written.
fn write_lines(lines: Receiver<String>) -> io::Result<Receiver<()>> {
    let (end, written) = mpsc::channel();
    thread::Builder::new().name("request-log".to_owned()).spawn(move || {
        for buffer in lines {
            // There is nobody to tell when standard error is closed.
            drop(io::stderr().lock().write_all(buffer.as_bytes()));
        }
        drop::<mpsc::Sender<()>>(end);
    })?;
    Ok(written)
}

fn key() -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut key).map_err(|_| io::Error::other("no random bytes"))?;
    Ok(key)
}

/// What ends with the first SIGTERM or SIGINT, and what ends with the second. Needs a runtime.
pub(crate) fn stop_signals() -> io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)>
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell_first, first) = oneshot::channel::<()>();
    let (tell_second, second) = oneshot::channel::<()>();
    tokio::spawn(async move {
        for tell in [tell_first, tell_second] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Dropping it tells whoever waits.
            drop(tell);
        }
    });
    Ok((async { drop(first.await) }, async { drop(second.await) }))
}
