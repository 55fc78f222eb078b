//! Rates of certain accounts, services and endpoints; modes; ways of counting.

use std::time::Duration;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::OTHER_SERVICE;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::service_path;

fn sessions() -> Request {
    Request::get(service_path("/Sessions"))
}

#[tokio::test]
async fn the_first_override_that_matches_wins() {
    let upstream = Upstream::start();
    let yaml = format!(
        "limits:\n  overrides:\n\
         \x20   - {{ match: {{ service: {SERVICE}, endpoint: ListSession }}, rate: {{ requests_per_second: 2 }} }}\n\
         \x20   - {{ match: {{ service: {SERVICE} }}, rate: {{ requests_per_second: 4 }} }}\n\
         \x20   - {{ match: {{ account: {ACCOUNT} }}, rate: {{ requests_per_second: 6 }} }}\n"
    );
    let gateway = Gateway::with(&yaml, &upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 40).await, 10);
    assert_eq!(gateway.admitted(&Request::get(service_path("/PhoneNumbers")), 40).await, 20);
    let other = Request::get(format!("/v1/Services/{OTHER_SERVICE}/Sessions"));
    assert_eq!(gateway.admitted(&other, 40).await, 30);
    let reply = gateway.send(&sessions()).await;
    assert_eq!(reply.header("ratelimit-policy"), Some("\"endpoint\";q=10;w=5"));
}

#[tokio::test]
async fn a_burst_below_the_window_bites_in_each_second() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { rate: { burst: 2 } }", &upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 70).await, 60);
    let reply = gateway.send(&sessions()).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), Some("1"));
    let policy = "\"endpoint\";q=150;w=5, \"burst\";q=60;w=1";
    assert_eq!(reply.header("ratelimit-policy"), Some(policy));
    assert_eq!(reply.header("ratelimit"), Some("\"endpoint\";r=90;t=5, \"burst\";r=0;t=1"));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(gateway.admitted(&sessions(), 70).await, 60);
    gateway.advance(Duration::from_secs(1));
    assert_eq!(gateway.admitted(&sessions(), 70).await, 30, "150 in the window");
}

#[tokio::test]
async fn shadow_mode_decides_counts_and_logs_but_forwards() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { mode: shadow }", &upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 160).await, 160);
    assert_eq!(upstream.count(), 160);
    let series = "maskgate_shadow_refusals_total{endpoint=\"ListSession\"}";
    assert!((gateway.metric(series).await - 10.0).abs() < f64::EPSILON);
    let line = gateway.line();
    assert_eq!(line["mode"], "shadow");
    assert_eq!(line["decision"], "forwarded");
    assert_eq!(line["allowed"], 150);
}

#[tokio::test]
async fn mode_off_limits_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { mode: off }", &upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 200).await, 200);
    assert_eq!(gateway.send(&sessions()).await.header("ratelimit"), None);
}

#[tokio::test]
async fn counting_what_is_offered_refuses_a_client_that_does_not_wait() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { rate: { count: offered } }", &upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    let mut admitted = 0;
    for _ in 0..35 * 20 {
        let reply = connection.send(&sessions()).await;
        admitted += usize::from(reply.status == 200);
        gateway.advance(Duration::from_micros(28_571));
    }
    assert_eq!(admitted, 150, "20 s at 35 a second: 150, then nothing for ever");
    gateway.advance(Duration::from_secs(5));
    assert_eq!(gateway.admitted(&sessions(), 1).await, 1);
}

#[tokio::test]
async fn rate_limit_fields_can_be_left_out_and_retry_after_stays() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { headers: off }", &upstream).await;
    assert_eq!(gateway.send(&sessions()).await.header("ratelimit"), None);
    gateway.admitted(&sessions(), 150).await;
    let reply = gateway.send(&sessions()).await;
    assert_eq!(reply.status, 429);
    assert_eq!((reply.header("ratelimit"), reply.header("ratelimit-policy")), (None, None));
    assert_eq!(reply.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn keys_of_one_account_share_its_window() {
    let upstream = Upstream::start();
    let key = "SK00000000000000000000000000000009";
    let yaml = format!("accounts: {{ {key}: {ACCOUNT} }}");
    let gateway = Gateway::with(&yaml, &upstream).await;
    let list = Request::get("/v1/Services");
    let by_key = list
        .clone()
        .without("authorization")
        .with("authorization", &crate::support::client::basic(key, "secret"));
    assert_eq!(gateway.admitted(&list, 100).await, 100);
    assert_eq!(gateway.admitted(&by_key, 100).await, 50);
    let unknown = list.without("authorization").with(
        "authorization",
        &crate::support::client::basic("SK00000000000000000000000000000008", "secret"),
    );
    assert_eq!(gateway.admitted(&unknown, 100).await, 100, "an unknown key stands for itself");
}

/// A window that could not be made was forwarded without a word.
#[tokio::test]
async fn shadow_mode_tells_of_windows_above_the_cap_too() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { mode: shadow, max_keys: 1 }", &upstream).await;
    gateway.send(&sessions()).await;
    assert_eq!(gateway.send(&Request::get(service_path("/PhoneNumbers"))).await.status, 200);
    let line = gateway.line();
    assert_eq!((&line["mode"], &line["limit"]), (&"shadow".into(), &"keys".into()));
}
