//! Who got which connection, told by workers that do nothing with theirs.

use super::Batons;
use super::Place;
use super::Roster;
use crate::observe::metrics::Metrics;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task;
use tokio::task::LocalSet;
use tokio::time;

/// A worker that does nothing with its connections but keep them.
struct Keeper {
    place: Place,
    kept: Rc<RefCell<Vec<TcpStream>>>,
    served: Rc<Cell<usize>>,
    closing: Rc<Notify>,
}

impl Keeper {
    fn start((place, batons): (Place, Batons)) -> Self {
        let (kept, served) = (Rc::default(), Rc::default());
        let keeper = Self { place, kept, served, closing: Rc::default() };
        let (place, kept) = (keeper.place.clone(), Rc::clone(&keeper.kept));
        let (served, closing) = (Rc::clone(&keeper.served), Rc::clone(&keeper.closing));
        task::spawn_local(async move {
            let keep = |stream, _| {
                kept.borrow_mut().push(stream);
                served.set(served.get().saturating_add(1));
            };
            place.accept(batons, closing.notified(), keep).await;
        });
        keeper
    }

    fn close_one(&self) {
        drop(self.kept.borrow_mut().pop().unwrap());
        self.place.closed();
    }
}

struct Crew {
    address: SocketAddr,
    keepers: Vec<Keeper>,
}

impl Crew {
    fn begin(workers: usize, max_connections: usize) -> Self {
        let (listener, address) = listener();
        let keepers = keepers(workers, max_connections);
        keepers[0].place.roster.begin(listener).unwrap();
        Self { address, keepers }
    }

    fn served(&self) -> Vec<usize> {
        self.keepers.iter().map(|keeper| keeper.served.get()).collect()
    }

    /// Connects; returns when it is served.
    async fn connect(&self) -> TcpStream {
        let before = self.served().iter().sum::<usize>();
        let client = TcpStream::connect(self.address).await.unwrap();
        until(|| self.served().iter().sum::<usize>() > before).await;
        client
    }
}

fn keepers(workers: usize, max_connections: usize) -> Vec<Keeper> {
    let metrics = Arc::new(Metrics::new(Duration::ZERO).unwrap());
    let count = |count| NonZeroUsize::new(count).unwrap();
    let (_roster, places) = Roster::new(count(workers), count(max_connections), metrics);
    places.into_iter().map(Keeper::start).collect()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The queue that std asks for is too short for a test.
    socket2::SockRef::from(&listener).listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        task::yield_now().await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.unwrap(), test);
}

#[test]
fn a_few_long_lived_connections_are_spread_evenly() {
    run(async {
        let crew = Crew::begin(3, 100);
        let mut clients = Vec::new();
        for _ in 0..9 {
            clients.push(crew.connect().await);
        }
        assert_eq!(crew.served(), [3, 3, 3]);
    });
}

#[test]
fn many_long_lived_connections_differ_by_an_eighth_at_most() {
    run(async {
        let crew = Crew::begin(2, 1_000);
        let mut clients = Vec::new();
        for _ in 0..300 {
            clients.push(crew.connect().await);
        }
        let served = crew.served();
        assert!(served[0].abs_diff(served[1]) <= 300 / 2 / 8 + 1, "{served:?}");
    });
}

#[test]
fn the_baton_stays_where_it_is_while_no_worker_has_too_many() {
    run(async {
        let crew = Crew::begin(3, 100);
        for _ in 0..9 {
            let _client = crew.connect().await;
            crew.keepers[0].close_one();
        }
        assert_eq!(crew.served(), [9, 0, 0]);
    });
}

#[test]
fn at_the_cap_a_connection_waits_until_another_has_closed() {
    run(async {
        let crew = Crew::begin(2, 2);
        let (_first, _second) = (crew.connect().await, crew.connect().await);
        let third = crew.connect();
        let mut third = std::pin::pin!(third);
        assert!(time::timeout(Duration::from_millis(50), third.as_mut()).await.is_err());
        crew.keepers[0].close_one();
        third.await;
        assert_eq!(crew.served().iter().sum::<usize>(), 3);
    });
}

#[test]
fn at_the_end_all_that_waits_is_served_and_the_address_is_free() {
    run(async {
        let (listener, address) = listener();
        let mut clients = Vec::new();
        for _ in 0..300 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let keepers = keepers(1, 10_000);
        keepers[0].closing.notify_one();
        keepers[0].place.roster.begin(listener).unwrap();
        until(|| keepers[0].served.get() == 300).await;
        until_refused(address).await;
    });
}

#[test]
fn a_baton_that_nobody_takes_over_comes_back() {
    run(async {
        let crew = Crew::begin(2, 100);
        let _first = crew.connect().await;
        crew.keepers[1].closing.notify_one();
        task::yield_now().await;
        let _second = crew.connect().await;
        assert_eq!(crew.served(), [2, 0]);
        until_refused(crew.address).await;
    });
}

async fn until_refused(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        task::yield_now().await;
    }
}
