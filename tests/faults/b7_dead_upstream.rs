//! B7: an upstream that is not there is said to be at once, or at the limit.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time;

use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::alone;
use crate::support::ms;
use crate::support::percentile;
use crate::support::request::get;
use crate::support::scale;
use crate::support::within;

const CONNECT: Duration = Duration::from_secs(1);
/// What keeps the promise is 50 ms; a machine that is shared cannot fail a test for it.
const MAX_REFUSED: Duration = Duration::from_millis(250);
/// Likewise 100 ms.
const MAX_LATE: Duration = Duration::from_millis(500);

/// Asks once: the status, and how long it took.
async fn asked(address: SocketAddr) -> (u16, Duration) {
    let mut connection = Connection::open(address).await.unwrap();
    let begun = Instant::now();
    let answer = time::timeout(HANGS, connection.ask(&get(1, "dead"))).await.unwrap().unwrap();
    (answer.status, begun.elapsed())
}

/// Asks so many times at once; all have this status. How long each took.
async fn all(address: SocketAddr, count: usize, status: u16) -> Vec<Duration> {
    let asking: Vec<_> = (0..count).map(|_| tokio::spawn(asked(address))).collect();
    let mut durations = Vec::new();
    for asked in asking {
        let (found, duration) = asked.await.unwrap();
        assert_eq!(found, status);
        durations.push(duration);
    }
    durations
}

/// Descriptors and threads of a gateway that has answered: all it starts with has started, which
/// its word that it serves does not wait for. The connection that asked may still be among them.
async fn kept(gateway: &Gateway, status: u16) -> (usize, usize) {
    all(gateway.address, 1, status).await;
    (gateway.descriptors(), gateway.threads())
}

async fn assert_nothing_is_left(gateway: &Gateway, before: (usize, usize)) {
    // The first sweep of the windows brings a thread with it.
    let nothing =
        async || gateway.descriptors() <= before.0 && gateway.threads() <= before.1 + 1;
    within(HANGS, "as many descriptors and threads as before", nothing).await;
    gateway.reaches("maskgate_in_flight_requests", 0.0, HANGS).await;
    gateway.assert_no_panic();
}

#[tokio::test]
async fn b7_a_refused_connection_is_answered_at_once() {
    let _alone = alone().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::start("limits: { mode: off }\n", free);
    let before = kept(&gateway, 502).await;
    let mut durations = Vec::new();
    for _ in 0..scale(20, 200) {
        durations.extend(all(gateway.address, 5, 502).await);
    }
    let (p50, max) = (percentile(&mut durations, 50), percentile(&mut durations, 100));
    println!(
        "B7: refused, {} times: 502 within {} (p50 {})",
        durations.len(),
        ms(max),
        ms(p50)
    );
    assert!(max < MAX_REFUSED);
    assert_nothing_is_left(&gateway, before).await;
}

/// A socket that listens and whose queue is full: the kernel drops what comes.
async fn black_hole() -> (socket2::Socket, Vec<TcpStream>) {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    let wait = Duration::from_millis(200);
    while let Ok(stream) = time::timeout(wait, TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    (socket, queued)
}

#[tokio::test]
async fn b7_a_black_hole_is_answered_at_the_connect_limit() {
    let _alone = alone().await;
    let (hole, _queued) = black_hole().await;
    let address = hole.local_addr().unwrap().as_socket().unwrap();
    let gateway = Gateway::start("limits: { mode: off }\n", address);
    let before = kept(&gateway, 504).await;
    let count = scale(20, 500);
    let mut durations = all(gateway.address, count, 504).await;
    let (min, max) = (percentile(&mut durations, 0), percentile(&mut durations, 100));
    println!("B7: a black hole, {count} at once: 504 after {} to {}", ms(min), ms(max));
    assert!(min >= CONNECT && max < CONNECT + MAX_LATE);
    assert_nothing_is_left(&gateway, before).await;
}
