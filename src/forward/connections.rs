//! The worker's own connections to the upstream. Never shared between threads, so never locked.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::forward::UpstreamError;
use crate::forward::connection::Connection;
use crate::forward::transport::Transport;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::time::Clock;
use crate::time::Tick;

/// How long an origin that could not be reached is asked last.
const UNREACHABLE_TIME: Duration = Duration::from_secs(1);
/// The most unused connections that one worker keeps.
const MAX_IDLE: usize = 256;

/// What became of connections, over all workers.
#[derive(Debug, Default)]
pub struct Counters {
    opened: AtomicU64,
    idle: AtomicU64,
    retries: AtomicU64,
}

// Statistics only: no other memory is read by what they say, so `Relaxed` is enough.
impl Counters {
    /// Connections opened since the start.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that wait for a request.
    pub fn idle(&self) -> u64 {
        self.idle.load(Ordering::Relaxed)
    }

    /// Requests that were sent a second time.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(super) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
}

struct Idle {
    connection: Box<Connection>,
    since: Tick,
}

/// The unused connections, the most recently used last.
pub(super) struct Connections {
    idle: RefCell<Vec<Idle>>,
    /// Origins that could not be reached lately, and when.
    unreachable: RefCell<Vec<(Origin, Tick)>>,
    clock: Clock,
    counters: Arc<Counters>,
}

impl Connections {
    pub(super) const fn new(clock: Clock, counters: Arc<Counters>) -> Self {
        let unreachable = RefCell::new(Vec::new());
        Self { idle: RefCell::new(Vec::new()), unreachable, clock, counters }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A connection to the origin whose turn it is, or else to the next that can be reached:
    /// nothing has been written to those before. An unused one is preferred to a new one.
    pub(super) async fn any(
        &self,
        upstream: &Upstream,
        turn: usize,
    ) -> Result<Box<Connection>, UpstreamError> {
        let first = self.candidates(upstream, turn).next();
        match first.and_then(|origin| self.reuse(origin, upstream)) {
            Some(reused) => Ok(reused),
            // Boxed, here and below: it is large, and a request seldom needs it.
            None => {
                Box::pin(self.find(upstream, turn, |origin| self.reuse(origin, upstream))).await
            }
        }
    }

    /// The same, but a new one in any case.
    pub(super) async fn fresh(
        &self,
        upstream: &Upstream,
        turn: usize,
    ) -> Result<Box<Connection>, UpstreamError> {
        Box::pin(self.find(upstream, turn, |_| None)).await
    }

    async fn find(
        &self,
        upstream: &Upstream,
        turn: usize,
        unused: impl Fn(&Origin) -> Option<Box<Connection>>,
    ) -> Result<Box<Connection>, UpstreamError> {
        // Settled now: one that fails below would come up a second time, as unreachable.
        let candidates: Vec<_> = self.candidates(upstream, turn).collect();
        let mut failure = UpstreamError::Connect(io::Error::other("there is no origin"));
        for (nth, origin) in candidates.into_iter().enumerate() {
            if nth > 0 {
                self.counters.count_retry();
            }
            if let Some(connection) = unused(origin) {
                return Ok(connection);
            }
            match self.open(origin, upstream).await {
                Ok(connection) => return Ok(Box::new(connection)),
                Err(error) => failure = error,
            }
            self.note_unreachable(origin);
        }
        Err(failure)
    }

    /// Every origin, in turn; those that could not be reached lately come last.
    fn candidates<'u>(
        &self,
        upstream: &'u Upstream,
        turn: usize,
    ) -> impl Iterator<Item = &'u Origin> + use<'_, 'u> {
        let origins = || upstream.origins.from_turn(turn);
        let reachable = origins().filter(|origin| !self.is_unreachable(origin));
        reachable.chain(origins().filter(|origin| self.is_unreachable(origin)))
    }

    fn is_unreachable(&self, origin: &Origin) -> bool {
        let unreachable = self.unreachable.borrow();
        if unreachable.is_empty() {
            return false; // as nearly always: the clock need not be asked
        }
        let now = self.clock.now();
        let recent = |since: &Tick| now.since(*since) < UNREACHABLE_TIME;
        unreachable.iter().any(|(each, since)| each == origin && recent(since))
    }

    fn note_unreachable(&self, origin: &Origin) {
        let now = self.clock.now();
        let mut unreachable = self.unreachable.borrow_mut();
        unreachable
            .retain(|(each, since)| each != origin && now.since(*since) < UNREACHABLE_TIME);
        unreachable.push((origin.clone(), now));
    }

    /// The most recently used connection to `origin` that is still good.
    fn reuse(&self, origin: &Origin, upstream: &Upstream) -> Option<Box<Connection>> {
        let now = self.clock.now();
        let mut connections = self.idle.borrow_mut();
        while let Some(index) =
            connections.iter().rposition(|idle| idle.leads_to(origin, upstream))
        {
            let mut candidate = connections.remove(index);
            self.counters.idle.fetch_sub(1, Ordering::Relaxed);
            if candidate.is_good(now, upstream.timeouts.idle) {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Takes a connection back once its answer has been read to the end.
    pub(super) fn give_back(&self, mut connection: Box<Connection>) {
        if !connection.rest() {
            return;
        }
        let mut connections = self.idle.borrow_mut();
        if connections.len() < MAX_IDLE {
            connections.push(Idle { connection, since: self.clock.now() });
            self.counters.idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Closes what has been unused for `idle` or longer, and what the upstream has closed.
    pub(super) fn close_idle(&self, idle: Duration) {
        let now = self.clock.now();
        let mut connections = self.idle.borrow_mut();
        let before = connections.len();
        connections.retain_mut(|each| each.is_good(now, idle));
        let closed = before.saturating_sub(connections.len());
        self.counters.idle.fetch_sub(u64::try_from(closed).unwrap_or(0), Ordering::Relaxed);
    }

    /// Opens a connection within the connect timeout, TLS handshake included.
    async fn open(
        &self,
        origin: &Origin,
        upstream: &Upstream,
    ) -> Result<Connection, UpstreamError> {
        let limit = upstream.timeouts.connect;
        let transport = time::timeout(limit, transport(origin, upstream))
            .await
            .map_err(|_elapsed| UpstreamError::ConnectTimeout(limit))?
            .map_err(UpstreamError::Connect)?;
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let tls = tls_of(origin, upstream).cloned();
        Ok(Connection::new(transport, origin.clone(), tls))
    }
}

impl Idle {
    /// Whether it leads to `origin`, verified by what is in force now.
    fn leads_to(&self, origin: &Origin, upstream: &Upstream) -> bool {
        let same_tls = match (&self.connection.tls, tls_of(origin, upstream)) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_tls && self.connection.origin == *origin
    }

    fn is_good(&mut self, now: Tick, idle: Duration) -> bool {
        let limit = self.connection.idle_limit.map_or(idle, |limit| limit.min(idle));
        now.since(self.since) < limit && self.connection.is_quiet()
    }
}

/// What an `https` origin is verified by.
fn tls_of<'u>(origin: &Origin, upstream: &'u Upstream) -> Option<&'u Arc<ClientConfig>> {
    match origin.scheme {
        Scheme::Http => None,
        Scheme::Https => upstream.tls.as_ref(),
    }
}

async fn transport(origin: &Origin, upstream: &Upstream) -> io::Result<Transport> {
    let stream = TcpStream::connect((origin.host.as_str(), origin.port)).await?;
    stream.set_nodelay(true)?;
    match (origin.scheme, &upstream.tls) {
        (Scheme::Http, _) => Ok(Transport::Plain(stream)),
        (Scheme::Https, Some(config)) => {
            let name = ServerName::try_from(origin.host.clone()).map_err(io::Error::other)?;
            let connector = TlsConnector::from(Arc::clone(config));
            Ok(Transport::Tls(Box::new(connector.connect(name, stream).await?)))
        }
        (Scheme::Https, None) => Err(io::Error::other("no TLS configuration")),
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("counters", &self.counters).finish_non_exhaustive()
    }
}
