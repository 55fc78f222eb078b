//! The path that was classified is the path that is forwarded, and no second spelling passes.

use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;

#[tokio::test]
async fn a_second_spelling_of_a_path_gets_no_second_budget() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let sessions = service_path("/Sessions");
    assert_eq!(gateway.admitted(&Request::get(sessions.clone()), 150).await, 150);
    let upper = sessions.replace("000a", "000A");
    assert_eq!(gateway.send(&Request::get(upper)).await.status, 429, "the same key");
    for spelling in [
        format!("{sessions}/"),
        format!("/{sessions}"),
        sessions.replace("/Sessions", "//Sessions"),
        sessions.replace("/Sessions", "/%53essions"),
        sessions.replace("/Sessions", "%2FSessions"),
        sessions.replace("/Sessions", "/./Sessions"),
        sessions.replace("/v1", "/v1/../v1"),
        sessions.replace("KS", "%4BS"),
        sessions.replace("KS", "ks"),
        format!("{sessions};a=b"),
        format!("{sessions}.json"),
        sessions.replace("Sessions", "SESSIONS"),
    ] {
        let reply = gateway.send(&Request::get(spelling.clone())).await;
        assert_eq!((reply.status, reply.code()), (404, 20404), "{spelling}");
    }
    assert_eq!(upstream.count(), 150);
    // What stands behind the question mark is no part of the path.
    assert_eq!(gateway.send(&Request::get(format!("{sessions}?PageSize=5"))).await.status, 429);
}

#[tokio::test]
async fn a_unique_name_is_forwarded_as_it_was_written_and_counted_as_it_reads() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let name = "/v1/Services/100%25%20%C3%A9";
    assert_eq!(gateway.admitted(&Request::get(name), 149).await, 149);
    assert_eq!(upstream.last().target, name);
    let spelt_otherwise = "/v1/Services/%31%30%30%25%20%c3%a9";
    assert_eq!(gateway.admitted(&Request::get(spelt_otherwise), 5).await, 1);
    assert_eq!(upstream.last().target, spelt_otherwise);
    assert_eq!(gateway.admitted(&Request::get("/v1/Services/another"), 5).await, 5);
    // The same name of another account is another service.
    let other = client::basic("AC000000000000000000000000000000ff", "x");
    let request = Request::get(name).without("authorization").with("authorization", &other);
    assert_eq!(gateway.admitted(&request, 5).await, 5);
}

#[tokio::test]
async fn a_session_by_its_name_counts_for_its_service() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let by_name = Request::get(service_path("/Sessions/order%20%231"));
    assert_eq!(gateway.admitted(&by_name, 100).await, 100);
    let by_sid = Request::get(service_path("/Sessions/KC0000000000000000000000000000000c"));
    assert_eq!(gateway.admitted(&by_sid, 100).await, 50);
}

#[tokio::test]
async fn names_that_an_upstream_could_take_for_something_else_are_404() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for name in [
        "a%2Fb",
        "a%5Cb",
        "%2e%2e",
        "..",
        "a%00",
        "a%0a",
        "%ff",
        "a%",
        "a;b",
        "name.json",
        &format!("{SERVICE}%20"),
        &format!("%20{SERVICE}"),
        &SERVICE.to_lowercase(),
    ] {
        let reply = gateway.send(&Request::get(format!("/v1/Services/{name}"))).await;
        assert_eq!((reply.status, reply.code()), (404, 20404), "{name}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn what_is_no_operation_is_forwarded_only_when_that_is_asked_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { unmatched: forward }", &upstream).await;
    let other = Request::new("PUT", "/v2/Other/thing?x=1");
    assert_eq!(gateway.admitted(&other, 149).await, 149);
    assert_eq!(upstream.last().target, "/v2/Other/thing?x=1");
    assert_eq!(gateway.admitted(&Request::get("/v3"), 5).await, 1, "one endpoint an account");
    assert_eq!(gateway.send(&Request::new("TRACE", "/v3")).await.status, 404);
    let mut body = Request::post("/v3", "A=1");
    body.method = "GET";
    gateway.advance(std::time::Duration::from_secs(5));
    assert_eq!(gateway.send(&body).await.status, 400, "two parsers could frame it differently");
    for alias in [service_path("/Sessions/"), "/V1/Services".to_owned(), "/a%2Fb".to_owned()] {
        assert_eq!(gateway.send(&Request::get(alias.clone())).await.status, 404, "{alias}");
    }
}
