//! `maskgate demo` and `maskgate backend`: the embedded backend, with the gateway in front of it
//! or alone.

use std::io;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use maskgate::admin::Admin;
use maskgate::admin::Pages;
use maskgate::backend;
use maskgate::backend::Backend;
use maskgate::backend::Latency;
use maskgate::backend::Options;
use maskgate::config::Configuration;
use maskgate::control::Control;
use maskgate::server::Server;
use maskgate::time::Clock;

use crate::cli::BackendArgs;
use crate::cli::ClockKind;
use crate::cli::DemoArgs;
use crate::cli::LoadArgs;
use crate::cli::RunArgs;
use crate::reachable::reachable;
use crate::run;
use crate::run::RunError;
use crate::run::Surroundings;

/// The account of the lines to try.
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const LOG_FORMAT: &str = "MASKGATE_LOG__FORMAT";
/// How long a stop waits for answers that are under way.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs gateway and backend in one process.
pub(crate) async fn demo(args: DemoArgs) -> Result<(), RunError> {
    let DemoArgs { config, listen, admin, admin_allow_remote, load } = args;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    let has_file = config.is_some();
    let upstream = vec![url];
    let args = RunArgs { config, upstream, listen, admin, admin_allow_remote };
    let mut sources = run::sources(args);
    // Somebody looks at a terminal, who can still ask for something else.
    if !has_file && !sources.variables.iter().any(|(name, _)| name == LOG_FORMAT) {
        sources.variables.push((LOG_FORMAT.to_owned(), "text".to_owned()));
    }
    let loaded = run::load(sources)?;
    let behind = Behind::start(&listener, load, &loaded.configuration)?;
    run::serve(loaded, behind.surroundings(), print_lines_to_try).await?;
    behind.stop(DRAIN);
    Ok(())
}

/// Runs the backend alone.
pub(crate) async fn backend(args: BackendArgs) -> Result<(), RunError> {
    if let Some(admin) = args.admin
        && !admin.ip().to_canonical().is_loopback()
        && !args.admin_allow_remote
    {
        let message = format!("{admin} is open to other machines: add --admin-allow-remote");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
    }
    let listener = bind(args.listen)?;
    let clock = clock(args.load.clock);
    let options = Options {
        // Counted only where somebody can ask for it.
        count_received: args.admin.is_some(),
        ..options(args.load, args.public_url, clock.clone())
    };
    let backend = Arc::new(Backend::new(options));
    let server = start(&listener, &backend)?;
    let mut line = format!("maskgate backend: http://{} (no limits)", server.address());
    if let Some(address) = args.admin {
        let admin = bind(address)?;
        line.push_str(", admin http://");
        line.push_str(&admin.local_addr()?.to_string());
        let control = Arc::new(Control::new(backend, clock));
        tokio::spawn(Admin::new(admin, Pages::Backend(control))?.serve(std::future::pending()));
    }
    // Before anybody is told where it is, and could ask it to stop.
    let stop = run::stop_signal()?;
    writeln!(io::stdout().lock(), "{line}")?;
    stop.await;
    server.stop(DRAIN);
    Ok(())
}

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
        Surroundings { clock, control: Some(control), journal: None }
    }

    /// Stops it when what is under way has ended, or `drain` is over.
    pub(crate) fn stop(self, drain: Duration) {
        self.server.stop(drain);
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

fn clock(kind: ClockKind) -> Clock {
    match kind {
        ClockKind::System => Clock::system(),
        ClockKind::Manual => Clock::manual(),
    }
}

fn options(load: LoadArgs, public_url: Option<String>, clock: Clock) -> Options {
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

fn start(listener: &TcpListener, backend: &Arc<Backend>) -> io::Result<backend::Server> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    backend::Server::start(listener, backend, threads)
}

fn print_lines_to_try(server: &Server) -> io::Result<()> {
    let address = reachable(server.address()?);
    let admin = reachable(server.admin_address()?);
    let scheme = server.scheme().as_str();
    let base = format!("{scheme}://{address}/v1/Services");
    let curl = format!("curl -s -u {ACCOUNT}:demo");
    let service = "KS00000000000000000000000000000001";
    let status = "-o /dev/null -w '%{http_code}\\n'";
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "maskgate demo: {scheme}://{address} (limits as in the API), admin http://{admin}\n\n\
         Try, in another terminal:\n\n\
         a request that is forwarded (201)\n  \
         {curl} {status} -d UniqueName=shop-$(date +%s) {base}\n\n\
         a burst of 151: the last is refused (429)\n  \
         {curl} {status} '{base}?PageSize=[1-151]' | sort | uniq -c\n\n\
         a field out of range (400)\n  \
         {curl} -d Ttl=0 {base}/{service}/Sessions\n\n\
         Any account and any password will do, but the password `wrong`. Ctrl-C ends it."
    )
}
