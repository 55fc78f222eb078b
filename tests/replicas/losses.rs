//! The store is gone, or has lost what it knew.

use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
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
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::alone;

/// Ten times what is allowed.
const RATE: u32 = 300;
const SERVICE: usize = 1;

fn process_of(server: &Server) -> Pid {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("server").query(&mut server.connect()).unwrap();
    let id = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    Pid::from_raw(id.trim().parse().unwrap()).unwrap()
}

fn flush(server: &Server) {
    redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
}

async fn fleet(server: &Server, on_loss: &str) -> Fleet {
    Fleet::alike(&alone_at(&server.url(), on_loss, HASTY)).await
}

/// The limit in any window that is wholly after the loss.
fn assert_after(outside: &Outside, lost: Instant) {
    let after = outside.seen().most_after(lost);
    println!("at most {after} after the loss");
    assert!(after <= LIMIT, "{after} after the loss");
}

fn kept<'o>(outside: &'o Outside, losses: u32, most: usize, what: &'o str) -> Kept<'o> {
    Kept { outside, losses, most, what }
}

/// A load on all replicas alike while `fault` goes on.
async fn under_load(fleet: &Fleet, seconds: u64, fault: impl Future<Output = ()>) -> Outside {
    let outside = Outside::default();
    let load = fleet.offer(SERVICE, RATE, Duration::from_secs(seconds), &outside);
    tokio::join!(load, async {
        time::sleep(SPAN + Duration::from_secs(1)).await;
        fault.await;
    });
    outside
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_store_that_is_killed_and_comes_back_empty_admits_no_burst() {
    let _alone = alone().await;
    let mut server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "local_share").await;
    let outside = under_load(&fleet, 25, async {
        server.kill();
        println!("noticed in {:?}", fleet.notices().await);
        time::sleep(SPAN).await;
        server.start_again();
        println!("recovered in {:?}", fleet.recovers().await);
    })
    .await;
    fleet.assert_kept(&kept(&outside, 1, LIMIT, "killed, back empty")).await;
    fleet.assert_whole(SERVICE + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_store_that_stands_still_for_ten_seconds_admits_no_burst() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "local_share").await;
    let process = process_of(&server);
    let outside = under_load(&fleet, 30, async {
        kill_process(process, Signal::STOP).unwrap();
        println!("noticed in {:?}", fleet.notices().await);
        time::sleep(Duration::from_secs(10)).await;
        kill_process(process, Signal::CONT).unwrap();
        println!("recovered in {:?}", fleet.recovers().await);
    })
    .await;
    fleet.assert_kept(&kept(&outside, 1, LIMIT, "stopped for ten seconds")).await;
    fleet.assert_whole(SERVICE + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_store_that_forgets_everything_admits_no_burst() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "local_share").await;
    let outside = under_load(&fleet, 22, async {
        flush(&server);
        println!("noticed in {:?}", fleet.notices().await);
        println!("recovered in {:?}", fleet.recovers().await);
    })
    .await;
    fleet.assert_kept(&kept(&outside, 1, LIMIT, "flushed under load")).await;
    fleet.assert_whole(SERVICE + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_store_that_forgets_everything_in_the_middle_of_a_burst_admits_no_second_one() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "local_share").await;
    let outside = Outside::default();
    let bursts = (0..REPLICAS).map(|gateway| fleet.burst(gateway, SERVICE, 100, &outside));
    tokio::join!(crate::fleet::futures_join(bursts), async {
        time::sleep(Duration::from_millis(10)).await;
        flush(&server);
    });
    let lost = Instant::now();
    fleet.offer(SERVICE, RATE, SPAN * 3, &outside).await;
    fleet
        .assert_kept(&kept(&outside, 1, LIMIT + (REPLICAS - 1) * SHARE, "flushed in a burst"))
        .await;
    assert_after(&outside, lost);
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn idle_replicas_add_their_shares_once_when_the_store_of_a_busy_one_is_lost() {
    let _alone = alone().await;
    let mut server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "local_share").await;
    let outside = Outside::default();
    fleet.burst(0, SERVICE, LIMIT * 2, &outside).await;
    assert_eq!(outside.seen().counts().0, LIMIT);
    server.kill();
    let lost = Instant::now();
    println!("noticed in {:?}", fleet.notices().await);
    for gateway in 1..REPLICAS {
        fleet.burst(gateway, SERVICE, LIMIT, &outside).await;
    }
    fleet.offer(SERVICE, RATE, SPAN * 3, &outside).await;
    fleet
        .assert_kept(&kept(&outside, 1, LIMIT + (REPLICAS - 1) * SHARE, "all on one replica"))
        .await;
    assert_after(&outside, lost);
    server.start_again();
    println!("recovered in {:?}", fleet.recovers().await);
    fleet.assert_whole(SERVICE).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn without_the_store_a_closed_gateway_admits_nothing() {
    let _alone = alone().await;
    let mut server = Server::start(Engine::Redis);
    let fleet = fleet(&server, "closed").await;
    let outside = Outside::default();
    fleet.burst(0, SERVICE, LIMIT, &outside).await;
    server.kill();
    fleet.notices().await;
    let before = outside.seen().counts();
    for gateway in 0..REPLICAS {
        fleet.burst(gateway, SERVICE, LIMIT, &outside).await;
    }
    let unavailable = outside.seen().others.clone();
    assert_eq!((outside.seen().counts(), unavailable), (before, [(503, 450)].into()));
    server.start_again();
    println!("recovered in {:?}", fleet.recovers().await);
    fleet.offer(SERVICE, RATE, SPAN * 2, &outside).await;
    let seen = outside.seen();
    println!("closed: {:?}, {:?}, at most {}", seen.counts(), seen.others, seen.most());
    assert!(seen.most() <= LIMIT, "{}", seen.most());
}
