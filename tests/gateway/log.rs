//! One line for each refusal: which limit, what set it, and how to find the request again.

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::service_path;

#[tokio::test]
async fn a_refusal_is_one_line_that_names_limit_setting_and_request() {
    let upstream = Upstream::start();
    let yaml = "limits: { rate: { requests_per_second: 2 } }";
    let gateway = Gateway::with(yaml, &upstream).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::get(service_path("/Sessions"))
        .with("x-request-id", "id-1")
        .with("traceparent", trace);
    gateway.admitted(&request, 11).await;
    let line = gateway.line();
    assert_eq!(line["decision"], "limited");
    assert_eq!(line["status"], 429);
    assert_eq!(line["endpoint"], "ListSession");
    assert_eq!(line["service"], SERVICE);
    assert_eq!(line["account"], ACCOUNT.to_lowercase().replacen("ac", "AC", 1));
    assert_eq!(line["limit"], "rate");
    assert_eq!(line["allowed"], 10);
    assert_eq!(line["retry_after_ms"], 5000);
    assert!(line["set_by"].as_str().unwrap().ends_with("maskgate.yaml:7"), "{line}");
    assert_eq!(line["request_id"], "id-1");
    assert_eq!(line["traceparent"], trace);
    assert_eq!(line["client"], "127.0.0.1");
    assert!(gateway.lines.try_recv().is_err(), "admitted requests have no line");
}

#[tokio::test]
async fn every_request_is_logged_when_that_is_asked_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("log: { access: all }", &upstream).await;
    gateway.send(&Request::get(service_path("/Sessions"))).await;
    let line = gateway.line();
    assert_eq!((&line["decision"], &line["status"]), (&"forwarded".into(), &200.into()));
    assert!(line["upstream_us"].is_u64() && line["duration_us"].is_u64());
}

#[tokio::test]
async fn nothing_is_logged_when_that_is_asked_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("log: { access: off }", &upstream).await;
    gateway.send(&Request::get("/nothing")).await;
    gateway.reload("log: { access: all, format: text }").await;
    gateway.send(&Request::get("/nothing")).await;
    let text = gateway.lines.recv().unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("decision=unroutable status=404 limit=path"), "{text}");
}
