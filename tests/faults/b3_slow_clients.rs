//! B3: clients that are slow on purpose cost the others nothing, and end at their limit.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time;

use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::ms;
use crate::support::percentile;
use crate::support::request::form_head;
use crate::support::request::get;
use crate::support::scale;

const HEADER: Duration = Duration::from_secs(2);
const BODY_GAP: Duration = Duration::from_secs(3);
const WRITE: Duration = Duration::from_secs(4);
/// How much later than at its limit a connection may end.
const GRACE: Duration = Duration::from_secs(1);
/// The service whose answers are larger than what the sockets hold.
const LARGE: usize = 0xa;
const LARGE_BODY: usize = 4 << 20;
/// What keeps the promise is a p99 of 50 ms; a machine that is shared cannot fail a test for it.
const MAX_P99: Duration = Duration::from_millis(250);

fn gateway(upstream: &Upstream) -> Gateway {
    let yaml = "listen:\n  address: 127.0.0.1:0\n  \
                timeouts: { header: 2s, body: 10s, body_gap: 3s, write: 4s }\n\
                limits: { mode: off }\nlog: { access: off }\n";
    Gateway::start(yaml, upstream.address)
}

/// Writes what it has and reads until the other side closes: how long that took.
fn writes_part(address: SocketAddr, part: Vec<u8>) -> JoinHandle<Duration> {
    tokio::spawn(async move {
        let begun = Instant::now();
        let mut connection = Connection::open(address).await.unwrap();
        connection.write(&part).await.unwrap();
        time::timeout(HANGS, connection.closed()).await.unwrap();
        begun.elapsed()
    })
}

/// Asks for a large answer and reads nothing of it.
async fn does_not_read(address: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    SockRef::from(&socket).set_recv_buffer_size(4096).unwrap();
    let mut connection = Connection::over(socket.connect(address).await.unwrap());
    connection.write(&get(LARGE, "large")).await.unwrap();
    connection
}

/// Asks all the time, until nobody else is there; answers with how long each answer took.
async fn asks_until_alone(gateway: &Gateway) -> (Vec<Duration>, Duration) {
    let mut connection = Connection::open(gateway.address).await.unwrap();
    let (begun, mut durations) = (Instant::now(), Vec::new());
    while gateway.metric("maskgate_connections").await > 1.0 {
        for _ in 0..10 {
            let asked = Instant::now();
            assert_eq!(connection.ask(&get(1, "whole")).await.unwrap().body, b"whole");
            durations.push(asked.elapsed());
            time::sleep(Duration::from_millis(2)).await;
        }
        assert!(begun.elapsed() < HANGS, "somebody does not end");
    }
    (durations, begun.elapsed())
}

async fn latest(ends: Vec<JoinHandle<Duration>>) -> (Duration, Duration) {
    let mut durations = Vec::new();
    for end in ends {
        durations.push(end.await.unwrap());
    }
    (*durations.iter().min().unwrap(), *durations.iter().max().unwrap())
}

#[tokio::test]
async fn b3_slow_clients_cost_others_nothing_and_end_at_their_limits() {
    let _alone = alone().await;
    let (heads, others) = scale((200, 20), (1_000, 100));
    let large = Reply::with(&vec![b'x'; LARGE_BODY]);
    let upstream = Upstream::start(move |asked| match asked.service {
        LARGE => large.clone(),
        _ => Reply::to(asked),
    });
    let gateway = gateway(&upstream);
    let before = gateway.resident();
    let half = get(1, "half")[..40].to_vec();
    let halves: Vec<_> =
        (0..heads).map(|_| writes_part(gateway.address, half.clone())).collect();
    let stalled = format!("{}Unique", form_head(1, "stalled", 100)).into_bytes();
    let stalls: Vec<_> =
        (0..others).map(|_| writes_part(gateway.address, stalled.clone())).collect();
    let mut unread = Vec::new();
    for _ in 0..others {
        unread.push(does_not_read(gateway.address).await);
    }
    let cost = async {
        time::sleep(HEADER / 2).await;
        (gateway.resident() - before) / 1024.0
    };
    let ((mut durations, all_ended), cost) = tokio::join!(asks_until_alone(&gateway), cost);
    let (first_half, last_half) = latest(halves).await;
    let (first_stall, last_stall) = latest(stalls).await;
    let cpu = gateway.cpu_seconds();
    let (count, p50) = (durations.len(), percentile(&mut durations, 50));
    let (p99, max) = (percentile(&mut durations, 99), percentile(&mut durations, 100));
    println!(
        "B3: {heads} half heads, {others} stalled bodies, {others} that do not read: {count} whole \
         requests, p50 {}, p99 {}, max {}; ended at {}-{} ({HEADER:?}), {}-{} ({BODY_GAP:?}), \
         by {} ({WRITE:?}); {cost:.1} MB and {cpu:.2} s of CPU",
        ms(p50),
        ms(p99),
        ms(max),
        ms(first_half),
        ms(last_half),
        ms(first_stall),
        ms(last_stall),
        ms(all_ended)
    );
    assert!(p99 < MAX_P99);
    // What holds up everybody, such as a busy machine, holds up these too.
    let grace = GRACE + max;
    assert!(first_half >= HEADER && last_half < HEADER + grace);
    assert!(first_stall >= BODY_GAP && last_stall < BODY_GAP + grace);
    // Those that do not read are given what the kernel's buffers take first.
    assert!(all_ended < WRITE + 2 * grace);
    gateway.assert_no_panic();
}

#[tokio::test]
async fn b3_a_head_that_comes_byte_by_byte_ends_at_the_same_limit() {
    let _alone = alone().await;
    let upstream = Upstream::plain();
    let gateway = gateway(&upstream);
    let mut connection = Connection::open(gateway.address).await.unwrap();
    let begun = Instant::now();
    let mut bytes = get(1, "drop by drop").into_iter();
    let answer = loop {
        connection.write(&[bytes.next().unwrap()]).await.unwrap();
        let piece = time::timeout(Duration::from_millis(50), connection.answer()).await;
        if let Ok(answer) = piece {
            break answer.unwrap();
        }
    };
    let ended = begun.elapsed();
    println!("B3: a head byte by byte ends at {} with {}", ms(ended), answer.status);
    assert_eq!((answer.status, answer.closes), (408, true));
    assert!(ended >= HEADER && ended < HEADER + GRACE);
}
