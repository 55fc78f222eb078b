//! One test for each sentence of the limits page that a gateway can keep, named after it.

use std::time::Duration;

use crate::support::Gateway;
use crate::support::OTHER_SERVICE;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;

fn fetch_session() -> Request {
    Request::get(service_path("/Sessions/KC0000000000000000000000000000000c"))
}

/// "The Proxy limits are enforced at the Service instance level"
#[tokio::test]
async fn limits_are_enforced_at_the_service_instance_level() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&fetch_session(), 160).await, 150);
    // Another session of the same service, and another account's credentials: no new budget.
    let other_session = service_path("/Sessions/KC0000000000000000000000000000000d");
    assert_eq!(gateway.admitted(&Request::get(other_session), 5).await, 0);
    let other_account = client::basic("AC000000000000000000000000000000ff", "x");
    let stranger =
        fetch_session().without("authorization").with("authorization", &other_account);
    assert_eq!(gateway.admitted(&stranger, 5).await, 0);
    // Another service has its own.
    let other =
        format!("/v1/Services/{OTHER_SERVICE}/Sessions/KC0000000000000000000000000000000c");
    assert_eq!(gateway.admitted(&Request::get(other), 160).await, 150);
    assert_eq!(upstream.count(), 300);
}

/// "(except for Service list limits which are enforced at the Account level)"
#[tokio::test]
async fn service_list_limits_are_enforced_at_the_account_level() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let list = Request::get("/v1/Services");
    assert_eq!(gateway.admitted(&list, 155).await, 150);
    let create = Request::post("/v1/Services", "UniqueName=a");
    assert_eq!(gateway.admitted(&create, 155).await, 150);
    let other = client::basic("AC000000000000000000000000000000ff", "x");
    let list = list.without("authorization").with("authorization", &other);
    assert_eq!(gateway.admitted(&list, 155).await, 150);
}

/// "RPS is the guaranteed Requests Per Second against a given endpoint"
#[tokio::test]
async fn requests_per_second_are_guaranteed_against_a_given_endpoint() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&fetch_session(), 155).await, 150);
    let list = Request::get(service_path("/Sessions"));
    assert_eq!(gateway.admitted(&list, 155).await, 150);
    let create = Request::post(service_path("/Sessions"), "");
    assert_eq!(gateway.admitted(&create, 155).await, 150);
}

/// "All Service instances have a baseline of 30 RPS per endpoint."
#[tokio::test]
async fn a_service_has_a_baseline_of_30_rps_per_endpoint() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut connection = client::Connection::open(gateway.address).await;
    for request in 0..30 * 20 {
        let reply = connection.send(&fetch_session()).await;
        assert_eq!(reply.status, 200, "request {request} at 30 a second");
        gateway.advance(Duration::from_micros(33_334));
    }
}

/// "Proxy will allow short bursts above the baseline RPS - up to 5x the baseline."
#[tokio::test]
async fn short_bursts_of_up_to_5_times_the_baseline_pass() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&fetch_session(), 150).await, 150);
}

/// "If the bursts become sustained throughput, the Service will start rejecting requests."
#[tokio::test]
async fn sustained_bursts_are_rejected() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut admitted = 0;
    for _ in 0..20 {
        admitted += gateway.admitted(&fetch_session(), 60).await;
        gateway.advance(Duration::from_secs(1));
    }
    assert_eq!(admitted, 600, "20 s at 60 a second pass as 30 a second");
}

/// "The request limit is based on the average request rate in 5s sliding window."
#[tokio::test]
async fn the_limit_is_the_average_rate_in_a_sliding_window_of_5_s() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let request = fetch_session();
    assert_eq!(gateway.admitted(&request, 1).await, 1);
    gateway.advance(Duration::from_millis(4950));
    assert_eq!(gateway.admitted(&request, 160).await, 149);
    gateway.advance(Duration::from_millis(49));
    assert_eq!(gateway.admitted(&request, 10).await, 0, "4.999 s after the first");
    gateway.advance(Duration::from_millis(1));
    assert_eq!(gateway.admitted(&request, 10).await, 1, "the first has left: one place");
    gateway.advance(Duration::from_millis(4949));
    assert_eq!(gateway.admitted(&request, 10).await, 0);
    gateway.advance(Duration::from_millis(1));
    assert_eq!(gateway.admitted(&request, 200).await, 149);
}

/// "For example, for 30 req/s limit we allow bursts up to 150 req/s. After this, your application
/// client request logic needs to wait until the average goes below the threshold"
#[tokio::test]
async fn a_151st_request_within_five_seconds_is_refused_with_429() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let statuses = client::statuses(gateway.address, &fetch_session(), 151).await;
    assert!(statuses[..150].iter().all(|status| *status == 200));
    assert_eq!(statuses[150], 429);
    gateway.advance(Duration::from_secs(5));
    assert_eq!(gateway.admitted(&fetch_session(), 151).await, 150);
    assert_eq!(upstream.count(), 300);
}

/// "Requests that go over the RPS threshold are rejected with HTTP status code 429 Too Many
/// Requests."
#[tokio::test]
async fn the_rejection_is_429_too_many_requests_in_the_apis_form() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&fetch_session(), 150).await;
    gateway.advance(Duration::from_millis(3200));
    let reply = gateway.send(&fetch_session()).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.code(), 20429);
    assert_eq!(reply.json()["status"], 429);
    assert_eq!(reply.json()["more_info"], "https://www.twilio.com/docs/errors/20429");
    let message = reply.message();
    for part in
        ["Too Many Requests", "FetchSession", crate::support::SERVICE, "150", "5s", "2 s"]
    {
        assert!(message.contains(part), "{message:?} says {part:?}");
    }
    assert_eq!(reply.header("retry-after"), Some("2"));
    assert_eq!(reply.header("ratelimit-policy"), Some("\"endpoint\";q=150;w=5"));
    assert_eq!(reply.header("ratelimit"), Some("\"endpoint\";r=0;t=2"));
    assert_eq!(reply.header("x-maskgate-decision"), Some("limited"));
}

/// "it should repeat the request several times, using a good exponential back-off algorithm"
#[tokio::test]
async fn a_client_that_waits_as_long_as_it_is_told_succeeds() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut connection = client::Connection::open(gateway.address).await;
    for _ in 0..151 {
        connection.send(&fetch_session()).await;
        gateway.advance(Duration::from_millis(7));
    }
    let refused = connection.send(&fetch_session()).await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    gateway.advance(Duration::from_secs(wait));
    assert_eq!(connection.send(&fetch_session()).await.status, 200);
}

/// "Limits for user provided data in UTF-8 characters." The rows of the table: see `fields`.
#[tokio::test]
async fn limits_of_user_data_count_characters_and_not_bytes() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let name = |count: usize| format!("UniqueName={}", "%F0%9F%9A%95".repeat(count));
    let create = |form: String| Request::post(service_path("/Sessions"), form);
    assert_eq!(gateway.send(&create(name(191))).await.status, 200);
    let reply = gateway.send(&create(name(192))).await;
    assert_eq!((reply.status, reply.code()), (400, 80701));
}

#[tokio::test]
async fn four_hundred_requests_at_once_pass_exactly_150_times_over_and_over() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for _ in 0..5 {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let address = gateway.address;
                let task = async move { client::statuses(address, &fetch_session(), 20).await };
                tokio::spawn(task)
            })
            .collect();
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.extend(task.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 150);
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 250);
        gateway.advance(Duration::from_secs(5));
    }
    assert_eq!(upstream.count(), 750);
}

#[tokio::test]
async fn admitted_answers_say_how_much_room_is_left() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let reply = gateway.send(&fetch_session()).await;
    assert_eq!(reply.header("ratelimit-policy"), Some("\"endpoint\";q=150;w=5"));
    assert_eq!(reply.header("ratelimit"), Some("\"endpoint\";r=149;t=5"));
}
