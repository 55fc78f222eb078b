//! B4: an upstream that dies in the middle of an answer leaves nobody with half of one, waiting, or
//! with a connection that leads nowhere.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use tokio::time;

use crate::support::Answer;
use crate::support::Asked;
use crate::support::Connection;
use crate::support::Cut;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::ms;
use crate::support::request::get;
use crate::support::scale;
use crate::support::within;

/// Clients at once.
const CLIENTS: usize = 10;
const BODY: &[u8] = &[b'x'; 40_000];
const YAML: &str = "limits: { mode: off }\nlog: { access: off }\n";

/// The id says whether it dies, how its answer is framed, and after how many bytes.
fn script(asked: &Asked) -> Reply {
    let mut words = asked.id.split('-');
    let framed = match words.next() {
        Some("chunks") => Reply::chunked(BODY),
        Some("length") => Reply::with(BODY),
        _ => return Reply::to(asked),
    };
    framed.killed_after(words.next().unwrap().parse().unwrap())
}

/// After how many bytes a kill comes: half of them in or just behind the head.
const fn position(kill: usize) -> usize {
    if kill % 4 < 2 { kill * 7 % 80 } else { kill * 37 % BODY.len() }
}

#[derive(Debug, Default)]
struct Tally {
    /// Answers that say what they do not have.
    taken_for_whole: usize,
    broken_off: usize,
    refused: usize,
    hung: usize,
    /// Requests in between that were not answered as they should.
    harmed: usize,
}

impl Tally {
    fn add(&mut self, killed: Result<Result<Answer, Cut>, time::error::Elapsed>) {
        match killed {
            Err(_elapsed) => self.hung += 1,
            Ok(Err(_cut)) => self.broken_off += 1,
            Ok(Ok(answer)) if answer.status == 502 => self.refused += 1,
            Ok(Ok(_)) => self.taken_for_whole += 1,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            taken_for_whole: self.taken_for_whole + other.taken_for_whole,
            broken_off: self.broken_off + other.broken_off,
            refused: self.refused + other.refused,
            hung: self.hung + other.hung,
            harmed: self.harmed + other.harmed,
        }
    }
}

/// Lives through `kills`, each followed by a request that is answered.
async fn client(address: SocketAddr, kills: std::ops::Range<usize>) -> Tally {
    let mut tally = Tally::default();
    let mut connection = Connection::open(address).await.unwrap();
    for kill in kills {
        let framing = ["chunks", "length"][kill % 2];
        let id = format!("{framing}-{}-{kill}", position(kill));
        let killed = time::timeout(HANGS, connection.ask(&get(1, &id))).await;
        if !matches!(&killed, Ok(Ok(answer)) if !answer.closes) {
            connection = Connection::open(address).await.unwrap();
        }
        tally.add(killed);
        let id = format!("good-{kill}");
        match time::timeout(HANGS, connection.ask(&get(2, &id))).await {
            Ok(Ok(answer)) if answer.body == id.as_bytes() => {}
            _ => tally.harmed += 1,
        }
    }
    tally
}

#[tokio::test]
async fn b4_a_thousand_kills_mid_answer_harm_nobody_else() {
    let _alone = alone().await;
    let kills: usize = scale(100, 1_000);
    let upstream = Upstream::start(script);
    let yaml = format!(
        "{YAML}upstream: {{ url: 'http://{}', timeouts: {{ idle: 500ms }} }}\n",
        upstream.address
    );
    let gateway = Gateway::start(&yaml, upstream.address);
    let before = gateway.descriptors_at_work().await;
    let each = kills / CLIENTS;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let range = n * each..(n + 1) * each;
            tokio::spawn(client(gateway.address, range))
        })
        .collect();
    let mut tally = Tally::default();
    for client in clients {
        tally = tally.plus(&client.await.unwrap());
    }
    let leaked = async || gateway.descriptors() <= before;
    let closed = within(HANGS, "as many descriptors as before", leaked).await;
    println!("B4: {kills} kills: {tally:?}, all descriptors back after {}", ms(closed));
    assert_eq!((tally.taken_for_whole, tally.hung, tally.harmed), (0, 0, 0));
    gateway.reaches("maskgate_in_flight_requests", 0.0, HANGS).await;
    gateway.assert_no_panic();
}

#[tokio::test]
async fn b4_when_the_upstream_is_back_so_are_its_answers_within_a_second() {
    let _alone = alone().await;
    let mut upstream = Upstream::start(script);
    let address = upstream.address;
    let gateway = Gateway::start(YAML, address);
    let mut connection = Connection::open(gateway.address).await.unwrap();
    let mut longest = Duration::ZERO;
    for _ in 0..scale(3, 20) {
        assert_eq!(connection.ask(&get(1, "up")).await.unwrap().status, 200);
        upstream.kill();
        assert_eq!(connection.ask(&get(1, "down")).await.unwrap().status, 502);
        upstream = Upstream::at(address, 1, script);
        let back = Instant::now();
        while connection.ask(&get(1, "back")).await.unwrap().status != 200 {}
        longest = longest.max(back.elapsed());
    }
    println!("B4: the first good answer comes {} after the upstream's return", ms(longest));
    assert!(longest < Duration::from_secs(1));
}
