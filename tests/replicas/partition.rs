//! The network between gateways and their store is cut, or slow.

use std::time::Duration;
use std::time::Instant;

use tokio::time;

use crate::fleet::Fleet;
use crate::fleet::HASTY;
use crate::fleet::Kept;
use crate::fleet::REPLICAS;
use crate::fleet::SHARE;
use crate::fleet::alone_at;
use crate::outside::LIMIT;
use crate::outside::Outside;
use crate::outside::SPAN;
use crate::relay::Line;
use crate::relay::Relay;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::alone;

const RATE: u32 = 300;
const SERVICE: usize = 1;

/// Gateways that have a line to the store each.
async fn lines(server: &Server) -> (Fleet, Vec<Relay>) {
    let mut relays = Vec::new();
    for _ in 0..REPLICAS {
        relays.push(Relay::to(server.port()).await);
    }
    let yaml = |relay: &Relay| alone_at(&relay.url(), "local_share", HASTY);
    let configurations: Vec<_> = relays.iter().map(yaml).collect();
    (Fleet::with(&configurations).await, relays)
}

fn set_all(relays: &[Relay], line: Line) {
    for relay in relays {
        relay.set(line);
    }
}

/// A load on all replicas alike, while these lines are so for ten seconds.
async fn assert_at_most(most: usize, line: Line, count: usize, what: &str) {
    let server = Server::start(Engine::Redis);
    let (fleet, relays) = lines(&server).await;
    let outside = Outside::default();
    let load = fleet.offer(SERVICE, RATE, Duration::from_secs(28), &outside);
    tokio::join!(load, async {
        time::sleep(SPAN + Duration::from_secs(1)).await;
        set_all(&relays[..count], line);
        time::sleep(Duration::from_secs(10)).await;
        set_all(&relays, Line::Open);
        println!("recovered in {:?}", fleet.recovers().await);
    });
    fleet.assert_kept(&Kept { outside: &outside, losses: 1, most, what }).await;
    fleet.assert_whole(SERVICE + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_replica_that_is_cut_off_alone_adds_its_share() {
    let _alone = alone().await;
    assert_at_most(LIMIT + SHARE, Line::Silent, 1, "one replica cut off").await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn replicas_that_are_all_cut_off_keep_to_the_limit() {
    let _alone = alone().await;
    assert_at_most(LIMIT, Line::Silent, REPLICAS, "all replicas cut off").await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_slow_store_is_like_a_lost_one() {
    let _alone = alone().await;
    let slow = Line::Slow(Duration::from_secs(2));
    assert_at_most(LIMIT, slow, REPLICAS, "a slow store").await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_replica_that_nobody_asked_while_it_was_cut_off_trusts_no_emptied_store() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let (fleet, relays) = lines(&server).await;
    let outside = Outside::default();
    fleet.burst(0, SERVICE, LIMIT, &outside).await;
    relays[2].set(Line::Silent);
    redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
    let lost = Instant::now();
    fleet.notices().await;
    relays[2].set(Line::Open);
    fleet.recovers().await;
    for gateway in 0..REPLICAS {
        fleet.burst(gateway, SERVICE, LIMIT, &outside).await;
    }
    let most = LIMIT + (REPLICAS - 1) * SHARE;
    let what = "idle and cut off";
    fleet.assert_kept(&Kept { outside: &outside, losses: 1, most, what }).await;
    assert!(outside.seen().most_after(lost) <= LIMIT);
}
