//! B9: a stop loses no request, and comes to its end whatever clients do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::time;

use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::ms;
use crate::support::request::form_head;
use crate::support::request::get;
use crate::support::request::post;
use crate::support::scale;
use crate::support::within;

const CLIENTS: usize = 50;
/// For how long after the stop clients may still connect: the default of `linger`, less what the
/// news of the stop may take.
const LINGER: Duration = Duration::from_millis(900);
/// How often a client asks, so that the requests of all last beyond the linger.
const PACE: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// Answers with another status or another request's body.
    wrong: AtomicUsize,
    /// Requests to which no whole answer came.
    lost: AtomicUsize,
    /// Clients that found the port closed, after the linger.
    turned_away: AtomicUsize,
    /// Clients that found it closed before.
    turned_away_early: AtomicUsize,
    stopped: AtomicBool,
}

impl Tally {
    fn count(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn of(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::Relaxed)
    }
}

/// Asks every few milliseconds over one connection after the other until nobody listens any more,
/// or it has asked often enough. A connection that has said that it closes is not used again.
async fn client(address: SocketAddr, number: usize, asks: usize, tally: Arc<Tally>) {
    let mut connection = None;
    let mut stopped = None;
    for ask in 0..asks {
        if tally.stopped.load(Ordering::Relaxed) {
            stopped.get_or_insert_with(Instant::now);
        }
        let open = match connection.take() {
            Some(kept) => Ok(kept),
            None => Connection::open(address).await,
        };
        let Ok(mut open) = open else {
            let lingers = stopped.is_none_or(|at| at.elapsed() < LINGER);
            return Tally::count(if lingers {
                &tally.turned_away_early
            } else {
                &tally.turned_away
            });
        };
        let id = format!("{number}-{ask}");
        let request = if ask % 2 == 0 { get(number, &id) } else { post(number, &id) };
        match time::timeout(HANGS, open.ask(&request)).await {
            Ok(Ok(answer)) if answer.status == 200 && answer.body == id.as_bytes() => {
                Tally::count(&tally.answered);
                connection = (!answer.closes).then_some(open);
            }
            Ok(Ok(_)) => Tally::count(&tally.wrong),
            _ => Tally::count(&tally.lost),
        }
        time::sleep(PACE).await;
    }
}

#[tokio::test]
async fn b9_a_stop_under_load_loses_no_request() {
    let _alone = alone().await;
    let total = scale(500 * 40, 10_000 * 8);
    let upstream = Upstream::start(|asked| {
        let number: u64 = asked.id.rsplit('-').next().unwrap().parse().unwrap();
        Reply::to(asked).after(Duration::from_millis(number % 5))
    });
    let mut gateway =
        Gateway::start("limits: { mode: off }\nlog: { access: off }\n", upstream.address);
    let tally = Arc::new(Tally::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let tally = Arc::clone(&tally);
            tokio::spawn(client(gateway.address, number, total / CLIENTS, tally))
        })
        .collect();
    let before = scale(250, 8_000);
    within(HANGS, "the load has begun", async || Tally::of(&tally.answered) >= before).await;
    gateway.signal(Signal::TERM);
    let (begun, answered) = (Instant::now(), Tally::of(&tally.answered));
    tally.stopped.store(true, Ordering::Relaxed);
    let unready = async || gateway.page("/readyz").await.0 == 503;
    let unready = within(HANGS, "it is not ready any more", unready).await;
    for client in clients {
        client.await.unwrap();
    }
    let status = gateway.ended(HANGS).await;
    println!(
        "B9: not ready after {}, {} answered after SIGTERM, {tally:?}, exit {:?} after {}",
        ms(unready),
        Tally::of(&tally.answered) - answered,
        status.code(),
        ms(begun.elapsed())
    );
    assert_eq!(status.code(), Some(0));
    assert_eq!((Tally::of(&tally.lost), Tally::of(&tally.wrong)), (0, 0));
    assert_eq!(Tally::of(&tally.turned_away_early), 0);
    gateway.assert_no_panic();
}

/// Half heads, half bodies, idle connections and clients that do not read.
async fn stubborn(address: SocketAddr, each: usize) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..each {
        for part in [&get(1, "half")[..40], form_head(1, "half", 9).as_bytes(), b""] {
            let mut connection = Connection::open(address).await.unwrap();
            connection.write(part).await.unwrap();
            connections.push(connection);
        }
        let socket = TcpSocket::new_v4().unwrap();
        SockRef::from(&socket).set_recv_buffer_size(4096).unwrap();
        let mut connection = Connection::over(socket.connect(address).await.unwrap());
        connection.write(&get(1, "large")).await.unwrap();
        connections.push(connection);
    }
    connections
}

/// A gateway whose clients do what they can to keep it.
async fn held_up(upstream: &Upstream, drain: &str) -> (Gateway, Vec<Connection>) {
    let yaml = format!("drain: {drain}\nlinger: 500ms\nlimits: {{ mode: off }}\n");
    let gateway = Gateway::start(&yaml, upstream.address);
    let each = scale(20, 200);
    let stubborn = stubborn(gateway.address, each).await;
    let count = f64::from(u32::try_from(stubborn.len()).unwrap());
    gateway.reaches("maskgate_connections", count, HANGS).await;
    // Those whose bodies are still to come are not under way.
    let under_way = f64::from(u32::try_from(each).unwrap());
    gateway.reaches("maskgate_in_flight_requests", under_way, HANGS).await;
    (gateway, stubborn)
}

fn large() -> Upstream {
    let large = Reply::with(&vec![b'x'; 4 << 20]);
    Upstream::start(move |_| large.clone())
}

#[tokio::test]
async fn b9_a_stop_ends_in_its_time_whatever_clients_do() {
    let _alone = alone().await;
    let upstream = large();
    let limit = scale(Duration::from_secs(2), Duration::from_secs(4));
    let (mut gateway, stubborn) = held_up(&upstream, &format!("{limit:?}")).await;
    let begun = Instant::now();
    gateway.signal(Signal::TERM);
    let status = gateway.ended(HANGS).await;
    let ended = begun.elapsed();
    println!(
        "B9: {} clients that do not go: exit {:?} after {} (drain {limit:?})",
        stubborn.len(),
        status.code(),
        ms(ended)
    );
    assert_eq!(status.code(), Some(0));
    assert!(ended < limit + Duration::from_secs(1));
}

#[tokio::test]
async fn b9_a_second_signal_does_not_wait() {
    let _alone = alone().await;
    let upstream = large();
    for second in [Signal::TERM, Signal::INT] {
        let (mut gateway, _stubborn) = held_up(&upstream, "15s").await;
        gateway.signal(Signal::TERM);
        let draining = async || !gateway.lines_with("\"draining\"").is_empty();
        within(HANGS, "it drains", draining).await;
        let begun = Instant::now();
        gateway.signal(second);
        let status = gateway.ended(HANGS).await;
        let ended = begun.elapsed();
        println!("B9: exit {:?} {} after a second signal", status.code(), ms(ended));
        assert_eq!(status.code(), Some(0));
        assert!(ended < Duration::from_secs(1));
    }
}
