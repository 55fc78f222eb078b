//! B5 and B6: an upstream that closes its connections whenever it likes loses no GET and sees no
//! POST twice, and a request that is sent again is counted once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time;

use crate::support::Asked;
use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::request::get;
use crate::support::request::post;
use crate::support::scale;
use crate::support::upstream::Then;

const CLIENTS: usize = 8;

/// How often each id was seen.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

/// Closes after every answer, in one of four ways: at once, a moment later, by a reset, or on the
/// next request.
fn closing(asked: &Asked) -> Reply {
    let number: u64 = asked.id.rsplit('-').next().unwrap().parse().unwrap();
    let moment = Duration::from_micros(number * 7 % 2000);
    match (asked.nth, number % 4) {
        (0, 0) => Reply::to(asked).then(Then::Close(Duration::ZERO)),
        (0, 1) => Reply::to(asked).then(Then::Close(moment)),
        (0, 2) => Reply::to(asked).then(Then::Reset),
        (0, _) => Reply::to(asked),
        _ => Reply::with(b"").killed_after(0),
    }
}

fn upstream(seen: &Seen) -> Upstream {
    let seen = Arc::clone(seen);
    Upstream::start(move |asked| {
        *seen.lock().unwrap().entry(asked.id.clone()).or_default() += 1;
        closing(asked)
    })
}

/// Sends requests one behind the other; answers with how often it got which status.
async fn client(
    address: SocketAddr,
    request: fn(usize, &str) -> Vec<u8>,
    ids: std::ops::Range<usize>,
) -> HashMap<u16, usize> {
    let mut statuses = HashMap::new();
    let mut connection = Connection::open(address).await.unwrap();
    for number in ids {
        let id = format!("id-{number}");
        let asked = time::timeout(HANGS, connection.ask(&request(1, &id))).await;
        let answer = asked.unwrap().unwrap();
        assert!(answer.status != 200 || answer.body == id.as_bytes(), "somebody else's answer");
        if answer.closes {
            connection = Connection::open(address).await.unwrap();
        }
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

async fn clients(
    address: SocketAddr,
    request: fn(usize, &str) -> Vec<u8>,
    count: usize,
) -> HashMap<u16, usize> {
    let each = count / CLIENTS;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(client(address, request, n * each..(n + 1) * each)))
        .collect();
    let mut total = HashMap::new();
    for client in clients {
        for (status, count) in client.await.unwrap() {
            *total.entry(status).or_default() += count;
        }
    }
    total
}

#[tokio::test]
async fn b5_an_upstream_that_closes_after_every_answer_fails_no_get() {
    let _alone = alone().await;
    let count = scale(1_000, 10_000);
    let seen = Seen::default();
    let upstream = upstream(&seen);
    let gateway = Gateway::start("limits: { mode: off }\n", upstream.address);
    let statuses = clients(gateway.address, get, count).await;
    let retries = gateway.metric("maskgate_upstream_retries_total").await;
    println!("B5: {count} GET to an upstream that closes: {statuses:?}, {retries} retries");
    assert_eq!(statuses, HashMap::from([(200, count)]));
    gateway.assert_no_panic();
}

#[tokio::test]
async fn b5_an_upstream_that_closes_after_every_answer_sees_no_post_twice() {
    let _alone = alone().await;
    let count = scale(1_000, 10_000);
    let seen = Seen::default();
    let upstream = upstream(&seen);
    let gateway = Gateway::start("limits: { mode: off }\n", upstream.address);
    let statuses = clients(gateway.address, post, count).await;
    let twice = seen.lock().unwrap().values().filter(|times| **times > 1).count();
    let unseen = count - seen.lock().unwrap().len();
    println!(
        "B5: {count} POST to an upstream that closes: {statuses:?}, {twice} twice, {unseen} not seen"
    );
    assert_eq!(twice, 0);
    let answered: usize = [200, 502].iter().filter_map(|status| statuses.get(status)).sum();
    assert_eq!(answered, count);
}

#[tokio::test]
async fn b6_a_retry_spends_no_quota() {
    let _alone = alone().await;
    let seen = Seen::default();
    let upstream = upstream(&seen);
    let gateway = Gateway::start("log: { access: off }\n", upstream.address);
    let statuses = client(gateway.address, get, 0..200).await;
    let sent: usize = seen.lock().unwrap().values().sum();
    println!("B6: 200 GET in one window: {statuses:?}, the upstream was asked {sent} times");
    assert_eq!(statuses, HashMap::from([(200, 150), (429, 50)]));
    assert!(sent > 150, "nothing was sent again");
}
