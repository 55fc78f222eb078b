//! While the store is well: exactly the limit, whoever asks.

use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use tokio::time;

use crate::fleet::Fleet;
use crate::fleet::Kept;
use crate::fleet::PATIENT;
use crate::fleet::REPLICAS;
use crate::fleet::alone_at;
use crate::outside::LIMIT;
use crate::outside::Outside;
use crate::outside::SPAN;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::alone;

/// What the store was asked, as far as it costs a call.
const CALLS: [&str; 5] = ["admitted", "denied", "other_epoch", "late", "failed"];

/// A hundred at once to each, and how long it took.
async fn bursts(fleet: &Fleet, service: usize, to: &Outside) -> Duration {
    let begun = Instant::now();
    let each = (0..fleet.gateways.len()).map(|gateway| fleet.burst(gateway, service, 100, to));
    crate::fleet::futures_join(each).await;
    begun.elapsed()
}

#[tokio::test]
async fn bursts_to_three_gateways_get_150_together() {
    let _alone = alone().await;
    for engine in Engine::installed() {
        let server = Server::start(engine);
        let fleet = Fleet::alike(&alone_at(&server.url(), "local_share", PATIENT)).await;
        let outside = Outside::default();
        for round in 1..=2 {
            let took = bursts(&fleet, 1, &outside).await;
            let (admitted, _) = outside.seen().counts();
            println!("{engine:?}: {admitted} of {} in {took:?}", round * 300);
            assert!(admitted >= round * LIMIT);
            time::sleep(SPAN).await;
        }
        let kept = Kept { outside: &outside, losses: 0, most: LIMIT, what: "bursts" };
        fleet.assert_kept(&kept).await;
    }
}

#[tokio::test]
async fn steady_loads_get_their_rate_and_no_more() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let fleet = Fleet::alike(&alone_at(&server.url(), "local_share", PATIENT)).await;
    let span = Duration::from_secs(12);
    let outsides = tokio::join!(
        fleet.steadily(29, 29, span),
        fleet.steadily(30, 30, span),
        fleet.steadily(31, 31, span),
        fleet.steadily(300, 300, span),
    );
    for (rate, outside) in [29, 30, 31, 300].into_iter().zip(<[Outside; 4]>::from(outsides)) {
        let what = format!("{rate} a second");
        let kept = Kept { outside: &outside, losses: 0, most: LIMIT, what: &what };
        fleet.assert_kept(&kept).await;
    }
}

#[tokio::test]
async fn at_ten_times_the_limit_the_store_is_asked_for_little_more_than_is_admitted() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let fleet = Fleet::alike(&alone_at(&server.url(), "local_share", PATIENT)).await;
    let outside = fleet.steadily(1, 300, SPAN).await;
    let before = (fleet.decisions(&CALLS).await, outside.seen().counts());
    fleet.offer(1, 300, SPAN * 3, &outside).await;
    let calls = fleet.decisions(&CALLS).await - before.0;
    let (admitted, refused) = outside.seen().counts();
    let offered = admitted + refused - before.1.0 - before.1.1;
    println!("{calls} calls for {offered} requests, {} admitted", admitted - before.1.0);
    // Of ten one is admitted, and each slot that becomes free is asked for by somebody.
    let offered = f64::from(u32::try_from(offered).unwrap());
    assert!(calls <= 0.15 * offered, "{calls} for {offered}");
}

#[tokio::test]
async fn a_reload_and_replicas_that_join_and_leave_change_nothing() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let yaml = alone_at(&server.url(), "local_share", PATIENT);
    let mut fleet = Fleet::alike(&yaml).await;
    let outside = Outside::default();
    // A third of the limit, and the replica that has admitted it is gone.
    fleet.burst(REPLICAS - 1, 1, LIMIT / 3, &outside).await;
    fleet.gateways.pop();
    fleet.join(&yaml);
    fleet.recovers().await;
    let reload = async {
        let changed = format!("{yaml}drain: 9s\n");
        for round in 0..10 {
            time::sleep(Duration::from_millis(500)).await;
            let text = if round % 2 == 0 { &changed } else { &yaml };
            fleet.gateways[0].rewrite(&fleet.configuration(text));
            fleet.gateways[0].signal(Signal::HUP);
        }
    };
    tokio::join!(reload, async {
        for _ in 0..3 {
            bursts(&fleet, 1, &outside).await;
            time::sleep(Duration::from_millis(2_500)).await;
        }
    });
    let kept = Kept { outside: &outside, losses: 0, most: LIMIT, what: "joins and leaves" };
    fleet.assert_kept(&kept).await;
}

/// What has a program think that it is so much later or earlier.
fn set_clock(offset: &str) -> String {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let library = libraries
        .map(|directory| directory.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
        .expect("faketime has to be installed (tests/store/install)");
    format!("export FAKETIME={offset} LD_PRELOAD={}", library.display())
}

#[tokio::test]
async fn clocks_that_disagree_by_a_day_change_nothing() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let yaml = alone_at(&server.url(), "local_share", PATIENT);
    let mut fleet = Fleet::alike(&yaml).await;
    for offset in ["+1d", "-1h"] {
        fleet.gateways.remove(0);
        fleet.join_after(&set_clock(offset), &yaml);
    }
    fleet.recovers().await;
    let outside = Outside::default();
    for _ in 0..2 {
        bursts(&fleet, 1, &outside).await;
        fleet.offer(1, 60, SPAN, &outside).await;
    }
    let kept = Kept { outside: &outside, losses: 0, most: LIMIT, what: "clocks apart" };
    fleet.assert_kept(&kept).await;
}
