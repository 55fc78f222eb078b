//! `maskgate demo` and `maskgate backend`: the embedded backend, with the gateway in front of it
//! or alone.

use std::io;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use maskgate::admin::Admin;
use maskgate::admin::Pages;
use maskgate::backend::Backend;
use maskgate::backend::Options;
use maskgate::config::StateFile;
use maskgate::control::Control;
use maskgate::server::Server;

use crate::cli::BackendArgs;
use crate::cli::DemoArgs;
use crate::cli::RunArgs;
use crate::embedded;
use crate::embedded::Behind;
use crate::reachable::reachable;
use crate::run;
use crate::run::RunError;

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
    let mut loaded = run::load(sources)?;
    loaded.configuration.settings.state_file = StateFile::Off;
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
    let clock = embedded::clock(args.load.clock);
    let options = Options {
        // Counted only where somebody can ask for it.
        count_received: args.admin.is_some(),
        ..embedded::options(args.load, args.public_url, clock.clone())
    };
    let backend = Arc::new(Backend::new(options));
    let server = embedded::start(&listener, &backend)?;
    let mut line = format!("maskgate backend: http://{} (no limits)", server.address());
    if let Some(address) = args.admin {
        let admin = bind(address)?;
        line.push_str(", admin http://");
        line.push_str(&admin.local_addr()?.to_string());
        let control = Arc::new(Control::new(backend, clock));
        tokio::spawn(Admin::new(admin, Pages::Backend(control))?.serve(std::future::pending()));
    }
    // Before anybody is told where it is, and could ask it to stop.
    let (stop, _hurry) = run::stop_signals()?;
    writeln!(io::stdout().lock(), "{line}")?;
    stop.await;
    server.stop(DRAIN);
    Ok(())
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
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
