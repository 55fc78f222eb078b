//! Who gets a new connection? Whoever has the baton accepts and serves it; the worker with the
//! fewest gets it, and the baton, when the one that has it has too many.
//!
//! **Invariant**: there is one baton, and the listening socket is only where the baton is. So a new
//! connection wakes one thread, and no two count on the same room below the cap.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::time;

use crate::observe::metrics::Metrics;

/// How long to wait after a failure to accept, such as too few file descriptors: time enough for
/// some to be freed, and no busy loop.
const BACK_OFF: Duration = Duration::from_millis(100);
/// A worker keeps the baton while it has no more than one in so many above the least: a baton that
/// changes costs a wake-up, and a few more connections cost nothing. Below so many, all are even.
const SLACK: usize = 8;

/// The right to accept.
#[derive(Debug)]
pub struct Baton {
    listener: TcpListener,
    /// For whose sake it changed hands.
    first: Option<(TcpStream, SocketAddr)>,
}

/// What the workers know of each other.
#[derive(Debug)]
pub struct Roster {
    entries: Vec<Entry>,
    max_connections: NonZeroUsize,
    metrics: Arc<Metrics>,
    /// Told when a connection has closed.
    closed: Notify,
}

#[derive(Debug)]
struct Entry {
    open: AtomicUsize,
    batons: mpsc::UnboundedSender<Baton>,
}

/// A worker's place among the others.
#[derive(Clone, Debug)]
pub struct Place {
    roster: Arc<Roster>,
    index: usize,
}

/// Where a worker is told that it has the baton.
pub type Batons = mpsc::UnboundedReceiver<Baton>;

impl Roster {
    /// A roster of so many workers, which together have at most `max_connections`; what each needs.
    pub fn new(
        workers: NonZeroUsize,
        max_connections: NonZeroUsize,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, Vec<(Place, Batons)>) {
        let (mut entries, mut batons) = (Vec::new(), Vec::new());
        for _ in 0..workers.get() {
            let (tell, told) = mpsc::unbounded_channel();
            entries.push(Entry { open: AtomicUsize::new(0), batons: tell });
            batons.push(told);
        }
        let roster =
            Arc::new(Self { entries, max_connections, metrics, closed: Notify::new() });
        let place = |index| Place { roster: Arc::clone(&roster), index };
        let places =
            batons.into_iter().enumerate().map(|(index, batons)| (place(index), batons));
        let places = places.collect();
        (roster, places)
    }

    /// Gives the first worker the baton: from now on connections are accepted.
    pub fn begin(&self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        // A worker that has ended listens no more, and neither does anybody else.
        let _ended = self.give(0, Baton { listener, first: None });
        Ok(())
    }

    /// Gives the baton to a worker; back, when that is at its end.
    fn give(&self, index: usize, baton: Baton) -> Result<(), Baton> {
        match self.entries.get(index) {
            Some(entry) => entry.batons.send(baton).map_err(|unsent| unsent.0),
            None => Err(baton),
        }
    }

    /// How many connections each has. Relaxed: who has the baton adds, and the baton is handed over
    /// by a channel; a close that is seen a moment late only makes the next choice less even.
    fn open(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.open.load(Ordering::Relaxed))
    }

    async fn room(&self) {
        while self.open().fold(0, usize::saturating_add) >= self.max_connections.get() {
            self.closed.notified().await;
        }
    }
}

impl Place {
    /// Counts a connection of this worker.
    fn opened(&self) {
        if let Some(entry) = self.roster.entries.get(self.index) {
            entry.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection that [`accept`](Self::accept) handed to `serve` has ended.
    pub fn closed(&self) {
        if let Some(entry) = self.roster.entries.get(self.index) {
            entry.open.fetch_sub(1, Ordering::Relaxed);
        }
        self.roster.closed.notify_one();
    }

    /// Who has to have the next connection, when that is another.
    fn due(&self) -> Option<usize> {
        let mine = self.roster.open().nth(self.index)?;
        let (other, least) = self.roster.open().enumerate().min_by_key(|(_, open)| *open)?;
        let slack = least / SLACK;
        (mine > least.saturating_add(slack)).then_some(other)
    }

    /// Accepts whenever it has the baton, until `closing`; then what waits in the kernel's queue,
    /// and listens no more. Each connection counts as open until [`closed`](Self::closed).
    pub async fn accept(
        &self,
        mut batons: Batons,
        closing: impl Future<Output = ()>,
        serve: impl Fn(tokio::net::TcpStream, SocketAddr),
    ) {
        let mut closing = pin!(closing);
        loop {
            let baton = tokio::select! {
                () = closing.as_mut() => break,
                baton = batons.recv() => baton,
            };
            let Some(Baton { listener, first }) = baton else { break };
            self.adopt(first, &serve);
            let (other, stream, peer) = tokio::select! {
                () = closing.as_mut() => return self.accept_rest(&listener, &serve),
                next = self.accept_own(&listener, &serve) => next,
            };
            let baton = Baton { listener, first: Some((stream, peer)) };
            if let Err(baton) = self.roster.give(other, baton) {
                self.adopt(baton.first, &serve);
                return self.accept_rest(&baton.listener, &serve);
            }
        }
        // The baton may have been given a moment ago.
        batons.close();
        while let Some(baton) = batons.recv().await {
            self.adopt(baton.first, &serve);
            self.accept_rest(&baton.listener, &serve);
        }
    }

    /// Accepts until another has to have what comes: that connection, and who.
    async fn accept_own(
        &self,
        listener: &TcpListener,
        serve: &impl Fn(tokio::net::TcpStream, SocketAddr),
    ) -> (usize, TcpStream, SocketAddr) {
        let listener = self.registered(listener).await;
        loop {
            self.roster.room().await;
            let failure = match (listener.accept().await, self.due()) {
                (Ok((stream, peer)), None) => {
                    self.opened();
                    serve(stream, peer);
                    continue;
                }
                // Taken off this thread's reactor: the other puts it on its own.
                (Ok((stream, peer)), Some(other)) => match stream.into_std() {
                    Ok(stream) => return (other, stream, peer),
                    Err(error) => error,
                },
                (Err(error), _) => error,
            };
            self.back_off(failure).await;
        }
    }

    /// The listening socket on this thread's reactor, as long as this is held.
    async fn registered(&self, listener: &TcpListener) -> tokio::net::TcpListener {
        loop {
            match listener.try_clone().and_then(tokio::net::TcpListener::from_std) {
                Ok(registered) => return registered,
                Err(error) => self.back_off(error).await,
            }
        }
    }

    async fn back_off(&self, error: io::Error) {
        self.roster.metrics.count_accept_error();
        tracing::warn!(%error, "a connection could not be accepted");
        time::sleep(BACK_OFF).await;
    }

    fn accept_rest(
        &self,
        listener: &TcpListener,
        serve: &impl Fn(tokio::net::TcpStream, SocketAddr),
    ) {
        for (stream, peer) in iter::from_fn(|| listener.accept().ok()) {
            if stream.set_nonblocking(true).is_ok() {
                self.adopt(Some((stream, peer)), serve);
            }
        }
    }

    /// Serves a connection that comes from no reactor.
    fn adopt(
        &self,
        accepted: Option<(TcpStream, SocketAddr)>,
        serve: &impl Fn(tokio::net::TcpStream, SocketAddr),
    ) {
        let Some((stream, peer)) = accepted else { return };
        match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => {
                self.opened();
                serve(stream, peer);
            }
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }
}
