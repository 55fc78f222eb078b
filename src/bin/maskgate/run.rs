//! `maskgate run`: the gateway until it is told to stop.

use std::io;
use std::io::Write;
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
use maskgate::observe::events::EventLog;
use maskgate::observe::request_log::LogSink;
use maskgate::server::Parts;
use maskgate::server::Server;
use maskgate::server::StartError;
use maskgate::time::Clock;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

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
    let RunArgs { config, upstream, listen, admin } = args;
    // A variable whose name or value is no text cannot be meant.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Sources { file: config, variables, flags: Flags { upstream, listen, admin } }
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

/// Runs a gateway until SIGTERM or SIGINT; `announce` is called once it listens. There is a
/// `control` where the upstream is the embedded backend.
pub(crate) async fn serve(
    loaded: Loaded,
    clock: Clock,
    control: Option<Control>,
    announce: impl FnOnce(&Server) -> io::Result<()>,
) -> Result<(), RunError> {
    let Loaded { watch, configuration } = loaded;
    let events = EventLog::default();
    events.apply(&configuration.policy.log);
    events.install();
    let (log, lines) = LogSink::new();
    let written = write_lines(lines)?;
    let parts = Parts { configuration, clock, log, events, digest_key: key()?, control };
    let server = Server::bind(parts)?;
    let (reloader, _request) = server.reloader(watch)?;
    // Before anybody is told where it is, and could ask it to stop.
    let stop = stop_signal()?;
    announce(&server)?;
    server.run(Some(reloader), stop).await?;
    // The last lines: written as soon as the last worker has let go of the log.
    let _written = written.recv_timeout(LAST_LINES);
    Ok(())
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

/// Ends with SIGTERM or SIGINT.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
