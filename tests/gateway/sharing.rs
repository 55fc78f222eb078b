//! Several gateways and one Redis: what they admit together.
//!
//! Time is real here, as it is the server's that decides. What has to pass is waited for; nothing
//! is asserted that a slow machine could not do.

use std::time::Duration;

use maskgate::time::Clock;

use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;
use crate::support::upstream::Behaviour;

/// The API's own.
const WINDOW: Duration = Duration::from_secs(5);

/// A gateway that shares `limits` with two others, with more time for the store than anybody
/// should give it: the machine may be slow.
async fn sharing(redis: &Server, upstream: &Upstream, more: &str) -> Gateway {
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 3, deadline: 500ms{more} }} }}\n",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    Gateway::toward(&url, &yaml, Clock::system()).await
}

/// Waits until the gateway's store stands so.
pub(crate) async fn stands(gateway: &Gateway, condition: &str) {
    let series = format!("maskgate_store_condition{{condition=\"{condition}\"}}");
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        while gateway.metric(&series).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "never {condition}");
}

async fn three(redis: &Server, upstream: &Upstream, more: &str) -> [Gateway; 3] {
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(sharing(redis, upstream, more).await);
    }
    gateways.try_into().unwrap_or_else(|_| panic!("three"))
}

/// How many of `count` requests each of the gateways admits, all at once.
async fn admitted(gateways: &[Gateway], request: &Request, count: usize) -> usize {
    let sent: Vec<_> = gateways
        .iter()
        .map(|gateway| {
            let (address, request) = (gateway.address, request.clone());
            tokio::spawn(async move { client::statuses(address, &request, count).await })
        })
        .collect();
    let mut admitted = Vec::new();
    for statuses in sent {
        admitted.extend(statuses.await.unwrap().into_iter().filter(|status| *status == 200));
    }
    admitted.len()
}

#[tokio::test]
async fn three_gateways_admit_together_what_one_would() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(200, "{}")));
    let gateways = three(&redis, &upstream, "").await;
    for gateway in &gateways {
        stands(gateway, "trusted").await;
    }
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    let together = admitted(&gateways, &request, 100).await;
    assert!(together == 150 || clock.now().since(begun) > WINDOW, "{together}");
    assert_eq!(upstream.received().len(), together);
    let mut by_store = 0.0;
    for gateway in &gateways {
        by_store += gateway.metric("maskgate_store_decisions_total{result=\"admitted\"}").await;
    }
    assert!(by_store > 140.0, "{by_store}");
}

#[tokio::test]
async fn without_the_store_each_admits_its_share_and_after_it_nobody_starts_anew() {
    let mut redis = Server::start(Engine::Redis);
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let gateways = three(&redis, &upstream, "").await;
    for gateway in &gateways {
        stands(gateway, "trusted").await;
    }
    redis.kill();
    for gateway in &gateways {
        stands(gateway, "lost").await;
        assert_eq!(gateway.page("/readyz").await.status, 200);
    }
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    let alone = admitted(&gateways, &request, 70).await;
    assert!(alone == 150 || clock.now().since(begun) > WINDOW, "{alone}");
    redis.start_again();
    for gateway in &gateways {
        stands(gateway, "sharing").await;
    }
    let more = admitted(&gateways, &request, 70).await;
    assert!(more == 0 || clock.now().since(begun) > WINDOW, "{more}");
    for gateway in &gateways {
        stands(gateway, "trusted").await;
    }
    let clock = Clock::system();
    let begun = clock.now();
    let again = admitted(&gateways, &request, 100).await;
    assert!(again == 150 || clock.now().since(begun) > WINDOW, "{again}");
}

#[tokio::test]
async fn what_is_left_over_when_a_limit_is_divided_is_admitted_too() {
    let mut redis = Server::start(Engine::Redis);
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 3, deadline: 500ms }} }}\n\
         limits: {{ rate: {{ requests_per_second: 1, window: 5s }} }}\n",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(Gateway::toward(&url, &yaml, Clock::system()).await);
    }
    let mut places = Vec::new();
    for gateway in &gateways {
        places.push(placed(gateway).await);
    }
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    redis.kill();
    for gateway in &gateways {
        stands(gateway, "lost").await;
    }
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    // 5 = 2 + 2 + 1
    let alone = admitted(&gateways, &request, 6).await;
    assert!(alone == 5 || clock.now().since(begun) > WINDOW, "{alone}");
}

/// Waits until the gateway uses its place among the replicas.
async fn placed(gateway: &Gateway) -> u64 {
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            let policy = gateway.page("/policy").await.json();
            match policy["store"]["place"].as_u64() {
                Some(place) => return place,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    waited.await.unwrap()
}

#[tokio::test]
async fn a_store_that_forgot_everything_is_believed_again_a_window_after_that_is_found() {
    let redis = Server::start(Engine::Redis);
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let gateway = sharing(&redis, &upstream, "").await;
    stands(&gateway, "trusted").await;
    redis::cmd("FLUSHALL").query::<String>(&mut redis.connect()).unwrap();
    // Nobody asks for anything: a sign of life a second goes to one bucket of 256.
    stands(&gateway, "sharing").await;
    stands(&gateway, "trusted").await;
    let place = gateway.page("/policy").await.json()["store"]["place"].clone();
    assert_eq!(place, 0, "it has kept its place");
}

/// The value of an item's parameter in the `RateLimit` field.
fn remaining(reply: &Reply) -> u32 {
    let field = reply.header("ratelimit").unwrap();
    field.split(";r=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_is_told_what_is_left_of_the_shared_window() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(200, "{}")));
    let [one, other, third] = three(&redis, &upstream, "").await;
    for gateway in [&one, &other, &third] {
        stands(gateway, "trusted").await;
    }
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    for expected in [149, 148, 147] {
        let left = remaining(&one.send(&request).await);
        assert!(left == expected || clock.now().since(begun) > WINDOW, "{left}");
    }
    let left = remaining(&other.send(&request).await);
    assert!(left == 146 || clock.now().since(begun) > WINDOW, "{left}");
    let policy = third.page("/policy").await.json();
    assert_eq!(policy["store"]["condition"], "trusted");
    assert_eq!(policy["store"]["replicas"], 3);
    assert_eq!(policy["store"]["on_loss"], "local_share");
}

#[tokio::test]
async fn what_the_upstream_refuses_a_stranger_is_given_back_to_all() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(401, "{}")));
    let one = sharing(&redis, &upstream, "").await;
    stands(&one, "trusted").await;
    let request = Request::get(service_path("/Sessions"));
    assert_eq!(one.send(&request).await.status, 401);
    one.assert_metric("maskgate_given_back_total{reason=\"unauthorized\"}", 1.0).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let emptied = async {
        loop {
            let mut windows = redis::cmd("KEYS");
            windows.arg("mg1:*:w:*");
            let windows: Vec<String> = windows.query_async(&mut connection).await.unwrap();
            if windows.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(WINDOW, emptied).await.is_ok(), "a charge is left");
}

#[tokio::test]
async fn closed_admits_nobody_without_the_store_and_says_so() {
    let mut redis = Server::start(Engine::Redis);
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let gateway = sharing(&redis, &upstream, ", on_loss: closed").await;
    stands(&gateway, "trusted").await;
    let request = Request::get(service_path("/Sessions"));
    assert_eq!(gateway.send(&request).await.status, 200);
    redis.kill();
    stands(&gateway, "lost").await;
    let reply = gateway.send(&request).await;
    assert_eq!((reply.status, reply.code()), (503, 20503));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(gateway.page("/readyz").await.status, 200);
    let policy = gateway.page("/policy").await.json();
    assert_eq!(policy["store"]["condition"], "lost");
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_rule_on_trial_forwards_where_the_store_is_lost_and_closed() {
    let mut redis = Server::start(Engine::Redis);
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 1, deadline: 500ms, on_loss: closed }} }}\n\
         limits: {{ mode: shadow }}\n",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let gateway = Gateway::toward(&url, &yaml, Clock::system()).await;
    stands(&gateway, "trusted").await;
    redis.kill();
    stands(&gateway, "lost").await;
    assert_eq!(gateway.send(&Request::get(service_path("/Sessions"))).await.status, 200);
}

#[tokio::test]
async fn reminders_without_end_put_off_no_sign_of_life() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(401, "{}")));
    let gateway = sharing(&redis, &upstream, "").await;
    stands(&gateway, "trusted").await;
    redis::cmd("FLUSHALL").query::<String>(&mut redis.connect()).unwrap();
    // Each answer gives a charge back, of which the keeper is reminded; the place is asked for with
    // the signs of life.
    let mut connection = redis.connect();
    let mut services = 0_u32..;
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        let mut exists = redis::cmd("EXISTS");
        exists.arg("mg1:{mg0}:places");
        while !exists.query::<bool>(&mut connection).unwrap() {
            let path = format!("/v1/Services/KS{:032x}/Sessions", services.next().unwrap());
            assert_eq!(gateway.send(&Request::get(path)).await.status, 401);
        }
    });
    assert!(asked.await.is_ok(), "no sign of life");
}

#[tokio::test]
async fn beside_the_library_of_another_version_a_gateway_has_its_own() {
    const OTHER: &str = "#!lua name=maskgate_1\n\
        redis.register_function('maskgate_1_epoch', function() return redis.error_reply('ERR') end)";
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(200, "{}")));
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg(OTHER).query::<String>(&mut redis.connect()).unwrap();
    let gateway = sharing(&redis, &upstream, "").await;
    stands(&gateway, "trusted").await;
    assert_eq!(gateway.send(&Request::get(service_path("/Sessions"))).await.status, 200);
    gateway.assert_metric("maskgate_store_decisions_total{result=\"admitted\"}", 1.0).await;
}

#[tokio::test]
async fn every_offer_is_charged_where_offers_count() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(200, "{}")));
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 1, deadline: 500ms }} }}\n\
         limits: {{ rate: {{ requests_per_second: 1, window: 5s, count: offered }} }}\n",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let gateway = Gateway::toward(&url, &yaml, Clock::system()).await;
    stands(&gateway, "trusted").await;
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    let statuses = client::statuses(gateway.address, &request, 20).await;
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    assert!(admitted == 5 || clock.now().since(begun) > WINDOW, "{admitted}");
    gateway.reaches("maskgate_store_decisions_total{result=\"denied\"}", 15.0).await;
}

#[tokio::test]
async fn a_rule_on_trial_asks_the_store_and_forwards() {
    let (redis, upstream) =
        (Server::start(Engine::Redis), Upstream::behaving(Behaviour::Answer(200, "{}")));
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 1, deadline: 500ms }} }}\n\
         limits: {{ mode: shadow, rate: {{ requests_per_second: 1, window: 5s }} }}\n",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let gateway = Gateway::toward(&url, &yaml, Clock::system()).await;
    stands(&gateway, "trusted").await;
    let request = Request::get(service_path("/Sessions"));
    assert_eq!(gateway.admitted(&request, 20).await, 20);
    let refused =
        gateway.metric("maskgate_shadow_refusals_total{endpoint=\"ListSession\"}").await;
    assert!(refused > 0.0, "{refused}");
}
