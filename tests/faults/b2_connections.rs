//! B2: connections that do nothing cost little, and too many of them cost nobody else anything.

use std::time::Duration;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time;

use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::ms;
use crate::support::request::get;
use crate::support::scale;

/// The most that an idle connection may cost, in kB; a build that is not optimised has larger
/// futures, and is no part of the promise.
const MAX_IDLE_COST: f64 = if cfg!(debug_assertions) { 32.0 } else { 24.0 };
/// Connections that are opened in one go.
const BATCH: u32 = 200;

/// Opens connections; each asks `asks` times.
async fn open(gateway: &Gateway, count: u32, asks: u32) -> Vec<Connection> {
    let mut connections = Vec::new();
    while connections.len() < usize::try_from(count).unwrap() {
        let opening = (0..BATCH).map(|_| {
            let address = gateway.address;
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                for _ in 0..asks {
                    assert_eq!(connection.ask(&get(1, "idle")).await.unwrap().status, 200);
                }
                connection
            })
        });
        for opening in opening.collect::<Vec<_>>() {
            connections.push(opening.await.unwrap());
        }
    }
    connections
}

/// What an idle connection costs, in kB, when it has asked so many times.
async fn cost(count: u32, asks: u32) -> f64 {
    let upstream = Upstream::plain();
    let yaml = "listen: { address: '127.0.0.1:0', max_connections: 20000 }\n\
                limits: { mode: off }\n";
    let gateway = Gateway::start(yaml, upstream.address);
    // What the first request takes is no connection's.
    let mut first = Connection::open(gateway.address).await.unwrap();
    assert_eq!(first.ask(&get(1, "first")).await.unwrap().status, 200);
    drop(first);
    let before = gateway.resident();
    let _idle = open(&gateway, count, asks).await;
    gateway.reaches("maskgate_connections", f64::from(count), HANGS).await;
    let cost = (gateway.resident() - before) / f64::from(count);
    gateway.assert_no_panic();
    cost
}

#[tokio::test]
async fn b2_ten_thousand_idle_connections_are_held_at_24_kb_each() {
    let _alone = alone().await;
    let count = scale(1_000, 10_000);
    let (silent, served) = (cost(count, 0).await, cost(count, 1).await);
    println!(
        "B2: {count} idle held at {silent:.1} kB each unasked, {served:.1} kB each after an answer"
    );
    assert!(silent <= MAX_IDLE_COST && served <= MAX_IDLE_COST);
}

#[tokio::test]
async fn b2_at_max_connections_one_more_waits_and_is_served_when_another_closes() {
    let _alone = alone().await;
    let count = scale(1_000, 10_000);
    let upstream = Upstream::plain();
    let yaml = format!(
        "listen: {{ address: '127.0.0.1:0', max_connections: {count} }}\nlimits: {{ mode: off }}\n"
    );
    let gateway = Gateway::start(&yaml, upstream.address);
    let mut idle = open(&gateway, count, 1).await;
    let mut one_more = Connection::open(gateway.address).await.unwrap();
    one_more.write(&get(1, "late")).await.unwrap();
    let early = time::timeout(Duration::from_millis(300), one_more.answer()).await;
    assert!(early.is_err(), "served beyond the cap: {early:?}");
    assert_eq!(
        idle[0].ask(&get(1, "held")).await.unwrap().status,
        200,
        "the others are served"
    );
    let closed = Instant::now();
    drop(idle.pop());
    let answer = time::timeout(HANGS, one_more.answer()).await.unwrap().unwrap();
    let waited = closed.elapsed();
    println!(
        "B2: with {count} connections one more waits, served {} after a close",
        ms(waited)
    );
    assert_eq!(answer.body, b"late");
    assert!(waited < Duration::from_secs(1));
}

#[tokio::test]
async fn b2_without_descriptors_accepting_backs_off_and_recovers() {
    let _alone = alone().await;
    let upstream = Upstream::plain();
    let yaml = "limits: { mode: off }\nlog: { access: off }\n";
    let gateway = Gateway::with_descriptors("256", yaml, upstream.address);
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    let full = async || gateway.descriptors() == 256;
    crate::support::within(HANGS, "all descriptors are in use", full).await;
    let (begun, before) = (Instant::now(), gateway.cpu_seconds());
    time::sleep(scale(Duration::from_secs(1), Duration::from_secs(10))).await;
    let share = (gateway.cpu_seconds() - before) / begun.elapsed().as_secs_f64();
    let freed = Instant::now();
    drop(held);
    let mut connection = Connection::open(gateway.address).await.unwrap();
    let answer = time::timeout(HANGS, connection.ask(&get(1, "back"))).await.unwrap().unwrap();
    let recovered = freed.elapsed();
    let errors = gateway.metric("maskgate_accept_errors_total").await;
    println!(
        "B2: without descriptors {:.1} % of a core, {errors} errors, served again after {}",
        share * 100.0,
        ms(recovered)
    );
    assert_eq!(answer.body, b"back");
    assert!(share < 0.2 && errors > 0.0 && recovered < Duration::from_secs(1));
    gateway.assert_no_panic();
}
