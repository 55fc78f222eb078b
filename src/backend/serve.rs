//! How is the backend reached? A listening socket that several threads accept from.
//!
//! Each worker is a thread with its own single-threaded runtime and its own connections;
//! nothing but the backend is shared.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Backend;

/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long accepting rests when the machine has no more to give, such as file descriptors.
const REST: Duration = Duration::from_millis(50);

/// A backend that listens. Dropping it stops it without waiting for its threads.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Carries how long the requests under way may still take, once it is to stop.
    stop: watch::Sender<Option<Duration>>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves `backend` on `listener` with `workers` threads.
    ///
    /// Fails where the socket or a thread is refused by the system.
    pub fn start(
        listener: &TcpListener,
        backend: &Arc<Backend>,
        workers: NonZeroUsize,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(None);
        let address = listener.local_addr()?;
        let mut server = Self { address, stop, workers: Vec::new() };
        for index in 0..workers.get() {
            let (listener, backend) = (listener.try_clone()?, Arc::clone(backend));
            let stopped = stopped.clone();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let worker =
                thread::Builder::new().name(format!("backend-{index}")).spawn(move || {
                    runtime.block_on(work(listener, backend, stopped));
                })?;
            server.workers.push(worker);
        }
        Ok(server)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, lets the requests under way take up to `drain`, and
    /// returns when all threads have ended.
    pub fn stop(mut self, drain: Duration) {
        self.stop.send_replace(Some(drain));
        for worker in self.workers.drain(..) {
            // A worker that panicked has ended as well.
            let _ended = worker.join();
        }
    }
}

async fn work(
    listener: TcpListener,
    backend: Arc<Backend>,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    // Registering a socket fails only where the system has no room for one more.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&backend), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    let drain = stopped.borrow().unwrap_or_default();
    let all = async { while connections.join_next().await.is_some() {} };
    // Those that are late are cut off.
    let _late = tokio::time::timeout(drain, all).await;
}

/// Answers the requests of one connection until it ends or the server stops.
async fn converse(
    stream: TcpStream,
    backend: Arc<Backend>,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    // Without it the last part of an answer may wait for an acknowledgement.
    let _refused = stream.set_nodelay(true);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let backend = Arc::clone(&backend);
        async move { Ok::<_, std::convert::Infallible>(backend.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    // How a connection ends is the client's affair.
    let _ended = connection.await;
}
