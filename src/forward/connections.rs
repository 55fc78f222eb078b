//! The worker's own connections to the upstream. Never shared between threads, so never locked.

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task;
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::forward::UpstreamError;
use crate::forward::stream::Transport;
use crate::forward::stream::UpstreamStream;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::time::Clock;
use crate::time::Tick;

/// How long an origin that could not be reached is asked last.
const UNREACHABLE_TIME: Duration = Duration::from_secs(1);
/// The most unused connections that one worker keeps.
const MAX_IDLE: usize = 256;
/// How long a connection may take, after its answer was read, to be ready for the next request.
const MAX_WIND_DOWN: Duration = Duration::from_secs(1);
/// The largest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;

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

/// One HTTP/1.1 connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    origin: Origin,
    /// What the origin was verified by; none for plain HTTP.
    tls: Option<Arc<ClientConfig>>,
    read: Rc<Cell<u64>>,
    was_used: bool,
}

impl Connection {
    /// Bytes read from the upstream since the connection was opened.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// Whether an answer has been read from it before.
    pub(super) const fn was_used(&self) -> bool {
        self.was_used
    }

    /// Whether it leads to `origin`, verified by what is in force now.
    fn leads_to(&self, origin: &Origin, upstream: &Upstream) -> bool {
        let same_tls = match (&self.tls, tls_of(origin, upstream)) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_tls && self.origin == *origin
    }

    /// Sends a request. An error holds the request where nothing of it was written.
    pub(super) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>>
    {
        self.sender.try_send_request(request)
    }
}

struct Idle {
    connection: Connection,
    since: Tick,
    /// What the upstream said in `Keep-Alive: timeout=`, less a second for the way.
    limit: Option<Duration>,
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
    pub(super) async fn any<'u>(
        &self,
        upstream: &'u Upstream,
        turn: usize,
    ) -> Result<(Connection, &'u Origin), UpstreamError> {
        let first = self.candidates(upstream, turn).next();
        match first.and_then(|origin| Some((self.reuse(origin, upstream)?, origin))) {
            Some(reused) => Ok(reused),
            None => self.find(upstream, turn, |origin| self.reuse(origin, upstream)).await,
        }
    }

    /// The same, but a new one in any case.
    pub(super) async fn fresh<'u>(
        &self,
        upstream: &'u Upstream,
        turn: usize,
    ) -> Result<(Connection, &'u Origin), UpstreamError> {
        self.find(upstream, turn, |_| None).await
    }

    async fn find<'u>(
        &self,
        upstream: &'u Upstream,
        turn: usize,
        unused: impl Fn(&Origin) -> Option<Connection>,
    ) -> Result<(Connection, &'u Origin), UpstreamError> {
        // Settled now: one that fails below would come up a second time, as unreachable.
        let candidates: Vec<_> = self.candidates(upstream, turn).collect();
        let mut failure = UpstreamError::Connect(io::Error::other("there is no origin"));
        for (nth, origin) in candidates.into_iter().enumerate() {
            if nth > 0 {
                self.counters.count_retry();
            }
            if let Some(connection) = unused(origin) {
                return Ok((connection, origin));
            }
            match self.open(origin, upstream).await {
                Ok(connection) => return Ok((connection, origin)),
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
    fn reuse(&self, origin: &Origin, upstream: &Upstream) -> Option<Connection> {
        let now = self.clock.now();
        let mut connections = self.idle.borrow_mut();
        while let Some(index) =
            connections.iter().rposition(|i| i.connection.leads_to(origin, upstream))
        {
            let candidate = connections.remove(index);
            self.counters.idle.fetch_sub(1, Ordering::Relaxed);
            if candidate.is_good(now, upstream.timeouts.idle) {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Takes a connection back once its answer has been read to the end.
    pub(super) fn give_back(self: &Rc<Self>, connection: Connection, limit: Option<Duration>) {
        if connection.sender.is_ready() {
            self.keep(connection, limit);
        } else if !connection.sender.is_closed() {
            // The answer ended before the connection has seen that itself.
            let connections = Rc::clone(self);
            task::spawn_local(async move {
                let mut connection = connection;
                let ready = time::timeout(MAX_WIND_DOWN, connection.sender.ready()).await;
                if matches!(ready, Ok(Ok(()))) {
                    connections.keep(connection, limit);
                }
            });
        }
    }

    fn keep(&self, mut connection: Connection, limit: Option<Duration>) {
        connection.was_used = true;
        let mut connections = self.idle.borrow_mut();
        if connections.len() < MAX_IDLE {
            connections.push(Idle { connection, since: self.clock.now(), limit });
            self.counters.idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Closes what has been unused for `idle` or longer.
    pub(super) fn close_idle(&self, idle: Duration) {
        let now = self.clock.now();
        let mut connections = self.idle.borrow_mut();
        let before = connections.len();
        connections.retain(|each| each.is_good(now, idle));
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
        let read = Rc::new(Cell::new(0));
        let stream = UpstreamStream::new(transport, Rc::clone(&read));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(UpstreamError::Broken)?;
        // Its errors reach whoever waits for an answer; nobody else has to know.
        task::spawn_local(async move { drop(connection.await) });
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let tls = tls_of(origin, upstream).cloned();
        Ok(Connection { sender, origin: origin.clone(), tls, read, was_used: false })
    }
}

impl Idle {
    fn is_good(&self, now: Tick, idle: Duration) -> bool {
        let limit = self.limit.map_or(idle, |limit| limit.min(idle));
        !self.connection.sender.is_closed() && now.since(self.since) < limit
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
