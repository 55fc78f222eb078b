//! When a request is sent twice, and how long the upstream has.

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::upstream::Behaviour;
use http_body_util::BodyExt;
use maskgate::time::Clock;

const RETRIES: &str = "maskgate_upstream_retries_total";

#[tokio::test]
async fn a_get_that_met_a_closing_connection_is_sent_once_more() {
    let upstream = Upstream::behaving(Behaviour::ClosesOnReuse);
    let gateway = Gateway::start(&upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    for request in 0..20 {
        assert_eq!(
            connection.send(&Request::get("/v1/Services")).await.status,
            200,
            "{request}"
        );
    }
    assert!(gateway.metric(RETRIES).await > 0.0);
}

#[tokio::test]
async fn a_post_is_never_seen_twice() {
    let upstream = Upstream::behaving(Behaviour::ClosesOnReuse);
    let gateway = Gateway::start(&upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    let mut statuses = Vec::new();
    for number in 0..20 {
        let request = Request::post(format!("/v1/Services?n={number}"), "");
        statuses.push(connection.send(&request).await.status);
    }
    assert!(statuses.contains(&502), "the upstream closed on a reused connection");
    let targets: Vec<_> = upstream.received().into_iter().map(|each| each.target).collect();
    for number in 0..20 {
        let target = format!("/v1/Services?n={number}");
        assert_eq!(targets.iter().filter(|each| **each == target).count(), 1, "{target}");
    }
}

#[tokio::test]
async fn a_retry_spends_no_second_place_in_the_window() {
    let upstream = Upstream::behaving(Behaviour::ClosesOnReuse);
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&Request::get("/v1/Services"), 160).await, 150);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504_at_the_response_limit() {
    let upstream = Upstream::behaving(Behaviour::Stall(Vec::new()));
    let url = upstream.url();
    let timeouts = format!("url: {url}, timeouts: {{ response: 100ms }}");
    let gateway = Gateway::toward(&timeouts, "", Clock::manual()).await;
    let reply = gateway.send(&Request::get("/v1/Services")).await;
    assert_eq!((reply.status, reply.code()), (504, 20500));
    assert_eq!(upstream.count(), 1, "a slow answer is no reason to ask again");
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut_off() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    let upstream = Upstream::behaving(Behaviour::Stall(half.to_vec()));
    let timeouts = format!("url: {}, timeouts: {{ response: 100ms }}", upstream.url());
    let gateway = Gateway::toward(&timeouts, "", Clock::manual()).await;
    let mut connection = Connection::open(gateway.address).await;
    let response = connection.start(&Request::get("/v1/Services")).await;
    assert!(
        response.into_body().collect().await.is_err(),
        "no half answer passes for a whole one"
    );
    let series = "maskgate_upstream_errors_total{reason=\"stalled\"}";
    assert!((gateway.metric(series).await - 1.0).abs() < f64::EPSILON);
}

/// An address that nobody listens on.
fn dead() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_next_origin_that_can_be_reached_is_asked_over_connections_that_are_kept() {
    let upstream = Upstream::start();
    let three = format!(
        "url: ['http://{}', 'http://{}', '{}'], host: upstream",
        dead(),
        dead(),
        upstream.url()
    );
    let gateway = Gateway::toward(&three, "", Clock::manual()).await;
    let mut connection = Connection::open(gateway.address).await;
    for _ in 0..30 {
        assert_eq!(connection.send(&Request::post("/v1/Services", "A=1")).await.status, 200);
        assert_eq!(upstream.last().headers["host"], upstream.address.to_string());
    }
    assert_eq!(upstream.count(), 30);
    let opened = gateway.metric("maskgate_upstream_connections_opened_total").await;
    assert!((opened - 1.0).abs() < f64::EPSILON, "{opened} opened");
    let retries = gateway.metric(RETRIES).await;
    assert!(retries <= 2.0, "what cannot be reached is asked last for a while: {retries}");
}

#[tokio::test]
async fn unused_connections_are_not_reused_after_the_idle_time() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send(&Request::get("/v1/Services")).await;
    gateway.advance(std::time::Duration::from_secs(4));
    connection.send(&Request::get("/v1/Services")).await;
    let opened = gateway.metric("maskgate_upstream_connections_opened_total").await;
    assert!((opened - 2.0).abs() < f64::EPSILON, "{opened} opened");
}
