//! Who gets a new connection? The worker with the fewest, so that a few long-lived ones do not
//! all land on one thread.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::coop;
use tokio::time;

use crate::observe::metrics::Metrics;
use crate::worker::Worker;

/// How long to wait after a failure to accept, such as too few file descriptors: time enough for
/// some to be freed, and no busy loop.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts connections and hands them out.
#[derive(Debug)]
pub struct Acceptor {
    listener: tokio::net::TcpListener,
    max_connections: NonZeroUsize,
    metrics: Arc<Metrics>,
    /// Told when a connection has closed.
    closed: Arc<Notify>,
}

impl Acceptor {
    /// An acceptor on a bound socket; needs a runtime.
    pub fn new(
        listener: TcpListener,
        max_connections: NonZeroUsize,
        metrics: Arc<Metrics>,
        closed: Arc<Notify>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(Self { listener, max_connections, metrics, closed })
    }

    /// Hands out connections as long as it is polled. At the cap it stops accepting: those who
    /// come then wait in the kernel's queue until a connection closes.
    pub async fn hand_out(&self, workers: &[Worker]) {
        loop {
            self.room(workers).await;
            match self.accept().await {
                Ok((stream, peer)) => hand(workers, stream, peer),
                Err(error) => {
                    self.metrics.count_accept_error();
                    tracing::warn!(%error, "a connection could not be accepted");
                    time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Hands out what waits in the kernel's queue already, and stops listening.
    pub async fn hand_out_rest(self, workers: &[Worker]) {
        // As many as there are: the runtime would have it rest in between, which looks like the end.
        let mut next = pin!(coop::unconstrained(self.accept()));
        while let Poll::Ready(Ok((stream, peer))) =
            future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await
        {
            hand(workers, stream, peer);
            next.set(coop::unconstrained(self.accept()));
        }
    }

    async fn room(&self, workers: &[Worker]) {
        let open = || workers.iter().map(Worker::open).fold(0, usize::saturating_add);
        while open() >= self.max_connections.get() {
            self.closed.notified().await;
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        // Taken off this thread's reactor: the worker puts it on its own.
        Ok((stream.into_std()?, peer))
    }
}

fn hand(workers: &[Worker], stream: TcpStream, peer: SocketAddr) {
    if let Some(worker) = workers.iter().min_by_key(|worker| worker.open()) {
        worker.hand(stream, peer);
    }
}

#[cfg(test)]
mod tests {
    use super::Acceptor;
    use crate::admit::Admission;
    use crate::advise::Seats;
    use crate::classify::DigestKey;
    use crate::door::Door;
    use crate::gateway::Shared;
    use crate::observe::metrics::Metrics;
    use crate::observe::request_log::LogSink;
    use crate::policy::Policy;
    use crate::policy::PolicyHandle;
    use crate::policy::networks::Networks;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use crate::policy::upstream::Upstream;
    use crate::pool::Pools;
    use crate::time::Clock;
    use crate::worker::Parts;
    use crate::worker::Stage;
    use crate::worker::Worker;
    use std::net::SocketAddr;
    use std::net::TcpListener;
    use std::num::NonZeroUsize;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;
    use tokio::sync::watch;

    struct Listening {
        acceptor: Acceptor,
        workers: Vec<Worker>,
        address: SocketAddr,
        _stages: watch::Sender<Stage>,
    }

    impl Listening {
        fn with(workers: usize, max_connections: usize) -> Self {
            let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 1 };
            let policy = Policy::for_upstream(Upstream::plain(origin));
            let shared = Shared {
                policy: PolicyHandle::new(policy),
                admission: Admission::new(),
                seats: Seats::new(),
                pools: Pools::new(),
                store: None,
                bodies: Arc::default(),
                readings: Arc::default(),
                digests: DigestKey::new(&[7; 16]),
                clock: Clock::manual(),
            };
            let metrics = Arc::new(Metrics::new(Duration::ZERO).unwrap());
            let closed = Arc::new(Notify::new());
            let (stages, stage) = watch::channel(Stage::Serving);
            let parts = Parts {
                shared: Arc::new(shared),
                door: Arc::new(Door {
                    certificate: None,
                    proxies: Networks::default(),
                    metrics: Arc::clone(&metrics),
                }),
                metrics: Arc::clone(&metrics),
                upstream_counters: Arc::default(),
                log: LogSink::new().0,
                journal: None,
                stage,
                drain_time: Duration::ZERO,
                closed: Arc::clone(&closed),
            };
            let workers = (0..workers).map(|n| Worker::start(n, parts.clone()).unwrap());
            let workers = workers.collect();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            // The queue that std asks for is too short for a test.
            socket2::SockRef::from(&listener).listen(1024).unwrap();
            let address = listener.local_addr().unwrap();
            let max = NonZeroUsize::new(max_connections).unwrap();
            let acceptor = Acceptor::new(listener, max, metrics, closed).unwrap();
            Self { acceptor, workers, address, _stages: stages }
        }

        fn open(&self) -> Vec<usize> {
            self.workers.iter().map(Worker::open).collect()
        }

        /// Hands out until the workers have `total` connections between them.
        async fn hand_out_until(&self, total: usize) {
            let reached = async {
                while self.open().iter().sum::<usize>() != total {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = self.acceptor.hand_out(&self.workers) => {}
                () = reached => {}
            }
        }
    }

    #[tokio::test]
    async fn a_few_long_lived_connections_are_spread_evenly() {
        let listening = Listening::with(3, 100);
        let mut clients = Vec::new();
        for count in 1..=9 {
            clients.push(TcpStream::connect(listening.address).await.unwrap());
            listening.hand_out_until(count).await;
        }
        assert_eq!(listening.open(), [3, 3, 3]);
    }

    #[tokio::test]
    async fn the_rest_is_all_that_waits() {
        let listening = Listening::with(1, 10_000);
        let mut clients = Vec::new();
        for _ in 0..300 {
            clients.push(TcpStream::connect(listening.address).await.unwrap());
        }
        listening.acceptor.hand_out_rest(&listening.workers).await;
        assert_eq!(listening.workers[0].open(), 300);
    }

    #[tokio::test]
    async fn at_the_cap_a_connection_waits_until_another_has_closed() {
        let listening = Listening::with(1, 2);
        let first = TcpStream::connect(listening.address).await.unwrap();
        let _second = TcpStream::connect(listening.address).await.unwrap();
        listening.hand_out_until(2).await;
        let _third = TcpStream::connect(listening.address).await.unwrap();
        let waiting = listening.hand_out_until(3);
        assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
        drop(first);
        let accepted = || {
            let text = listening
                .acceptor
                .metrics
                .render(&crate::observe::metrics::Readings::default());
            text.unwrap().contains("maskgate_connections_accepted_total 3")
        };
        let third = async {
            while !accepted() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = listening.acceptor.hand_out(&listening.workers) => {}
            () = third => {}
        }
        assert_eq!(listening.open(), [2]);
    }
}
