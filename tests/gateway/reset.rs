//! Windows that are emptied by hand.

use std::time::Duration;

use maskgate::time::Clock;

use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::service_path;
use crate::support::upstream::Behaviour;

fn reset() -> String {
    format!("/windows/reset?service={SERVICE}")
}

fn series(result: &str) -> String {
    format!("maskgate_window_resets_total{{result=\"{result}\"}}")
}

async fn allowing(upstream: &Upstream) -> Gateway {
    Gateway::administered("allow_reset: true", upstream, "", Clock::manual()).await
}

#[tokio::test]
async fn a_gateway_that_does_not_allow_it_empties_nothing_and_counts_the_wish() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let request = Request::get(service_path("/Sessions"));
    gateway.admitted(&request, 150).await;
    let reply = gateway.post(&reset()).await;
    assert_eq!(reply.status, 403);
    assert!(reply.body.starts_with(b"windows are not reset here: `admin: { allow_reset"));
    assert_eq!(gateway.admitted(&request, 1).await, 0);
    gateway.assert_metric(&series("refused"), 1.0).await;
}

#[tokio::test]
async fn one_endpoint_of_a_service_begins_anew_and_the_others_do_not() {
    let upstream = Upstream::start();
    let gateway = allowing(&upstream).await;
    let (sessions, numbers) =
        (Request::get(service_path("/Sessions")), Request::get(service_path("/PhoneNumbers")));
    gateway.admitted(&sessions, 150).await;
    gateway.admitted(&numbers, 150).await;
    let reply = gateway.post(&format!("{}&endpoint=ListSession", reset())).await;
    let view = reply.json();
    assert_eq!(
        (reply.status, &view["service"], &view["store"]),
        (200, &SERVICE.into(), &().into())
    );
    let windows = view["windows"].as_array().unwrap();
    assert_eq!((windows.len(), &windows[0]["endpoint"]), (1, &"ListSession".into()));
    assert_eq!(windows[0]["admissions_forgotten"], 150);
    assert_eq!(gateway.admitted(&sessions, 151).await, 150);
    assert_eq!(gateway.admitted(&numbers, 1).await, 0);
    gateway.assert_metric(&series("done"), 1.0).await;
}

#[tokio::test]
async fn all_windows_of_a_service_are_emptied_at_once() {
    let upstream = Upstream::start();
    let gateway = allowing(&upstream).await;
    let (sessions, numbers) =
        (Request::get(service_path("/Sessions")), Request::get(service_path("/PhoneNumbers")));
    gateway.admitted(&sessions, 3).await;
    gateway.admitted(&numbers, 150).await;
    let view = gateway.post(&reset()).await.json();
    assert_eq!(view["windows"].as_array().map(Vec::len), Some(2));
    assert_eq!(gateway.admitted(&numbers, 151).await, 150);
    let none = gateway.post("/windows/reset?service=KS00000000000000000000000000000000").await;
    assert_eq!((none.status, none.json()["windows"].as_array().map(Vec::len)), (200, Some(0)));
}

#[tokio::test]
async fn neither_a_get_nor_a_page_in_a_browser_resets_anything() {
    let upstream = Upstream::start();
    let gateway = allowing(&upstream).await;
    let request = Request::get(service_path("/Sessions"));
    gateway.admitted(&request, 150).await;
    let get = gateway.page(&reset()).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for origin in ["http://evil.example", "null", &format!("http://{}", gateway.admin)] {
        let post = Request::post(reset(), "").with("origin", origin);
        let reply = Connection::open(gateway.admin).await.send(&post).await;
        assert_eq!(reply.status, 403, "{origin}");
    }
    for query in ["", "?endpoint=ListSession", "?service=KS1", "?service"] {
        let reply = gateway.post(&format!("/windows/reset{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
    }
    assert_eq!(gateway.admitted(&request, 1).await, 0);
    assert_eq!(gateway.send(&Request::post(reset(), "")).await.status, 404, "nor a client");
}

/// Waits until the gateway's store stands so.
async fn stands(gateway: &Gateway, condition: &str) {
    gateway
        .reaches(&format!("maskgate_store_condition{{condition=\"{condition}\"}}"), 1.0)
        .await;
}

/// With a window that does not end within the test.
async fn sharing(redis: &Server, upstream: &Upstream) -> Gateway {
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 1, deadline: 500ms }} }}\n\
         limits: {{ rate: {{ requests_per_second: 1, window: 10s, burst: 10 }} }}\n",
        redis.url()
    );
    Gateway::administered("allow_reset: true", upstream, &yaml, Clock::system()).await
}

#[tokio::test]
async fn the_window_in_the_store_is_emptied_too_and_the_answer_says_what_is_not() {
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let mut redis = Server::start(Engine::Redis);
    let gateway = sharing(&redis, &upstream).await;
    stands(&gateway, "trusted").await;
    let request = Request::get(service_path("/Sessions"));
    let clock = Clock::system();
    let begun = clock.now();
    let is_over = || clock.now().since(begun) > Duration::from_secs(10);
    let first = gateway.admitted(&request, 20).await;
    assert!(first == 10 || is_over(), "{first}");
    let view = gateway.post(&reset()).await.json();
    assert_eq!((&view["store"]["reset"], &view["store"]["fault"]), (&true.into(), &().into()));
    assert!(view["store"]["other_replicas"].as_str().is_some());
    let again = gateway.admitted(&request, 20).await;
    assert!(again == 10 || is_over(), "{again}: it is empty in both");
    redis.kill();
    stands(&gateway, "lost").await;
    let reply = gateway.post(&reset()).await;
    let view = reply.json();
    assert_eq!((reply.status, &view["store"]["reset"]), (503, &false.into()));
    assert_eq!(view["store"]["fault"], "it cannot be reached");
    gateway.assert_metric(&series("store_failed"), 1.0).await;
}
