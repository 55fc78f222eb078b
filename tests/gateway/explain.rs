//! What `/explain` says of the decision that would be taken now.

use std::time::Duration;

use maskgate::time::Clock;

use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::service_path;
use crate::support::upstream::Behaviour;

const ACCOUNT: &str = "AC00000000000000000000000000000009";

fn page(query: &str) -> String {
    format!("/explain?{query}")
}

fn sessions() -> String {
    page(&format!("service={SERVICE}&endpoint=ListSession"))
}

#[tokio::test]
async fn a_full_window_says_which_limit_what_holds_it_and_when_each_slot_frees() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let request = Request::get(service_path("/Sessions"));
    gateway.admitted(&request, 100).await;
    gateway.advance(Duration::from_millis(1500));
    gateway.admitted(&request, 50).await;
    for _ in 0..3 {
        let view = gateway.page(&sessions()).await.json();
        assert_eq!((&view["service"], &view["account"]), (&SERVICE.into(), &().into()));
        assert_eq!((&view["decision"], &view["limit"]), (&"limited".into(), &"rate".into()));
        assert_eq!(view["retry_after_seconds"], 3.5);
        let why = view["why"].as_str().unwrap();
        assert_eq!(why, "at most 150 requests in any 5s are admitted; retry in 3.5s");
        let window = &view["window"];
        assert_eq!(
            (&window["admissions_in_window"], &window["remaining"]),
            (&150.into(), &0.into())
        );
        let charges = window["charges"].as_array().unwrap();
        assert_eq!((charges.len(), &window["left_out"]), (150, &0.into()));
        assert_eq!(
            (&charges[0]["age_seconds"], &charges[0]["frees_in_seconds"]),
            (&1.5.into(), &3.5.into())
        );
        assert_eq!(
            (&charges[149]["age_seconds"], &charges[149]["frees_in_seconds"]),
            (&0.0.into(), &5.0.into())
        );
    }
    assert_eq!(gateway.admitted(&request, 1).await, 0, "nothing has changed by it");
    gateway.advance(Duration::from_millis(3500));
    let view = gateway.page(&sessions()).await.json();
    assert_eq!((&view["decision"], &view["limit"]), (&"forwarded".into(), &().into()));
    assert_eq!(view["window"]["remaining"], 100);
    assert_eq!(gateway.admitted(&request, 101).await, 100, "and nothing was charged");
}

#[tokio::test]
async fn what_no_window_counts_yet_is_explained_without_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let view = gateway.page(&sessions()).await.json();
    assert_eq!(
        (&view["decision"], &view["window"]["remaining"]),
        (&"forwarded".into(), &150.into())
    );
    assert!(view["rule"]["override"].is_null());
    assert_eq!(view["rule"]["rate"]["set_by"], "default");
    gateway.assert_metric("maskgate_live_keys", 0.0).await;
}

#[tokio::test]
async fn the_override_that_applies_is_named_with_its_line() {
    let upstream = Upstream::start();
    let yaml = format!(
        "limits:\n  overrides:\n    - match: {{ account: {ACCOUNT} }}\n      mode: shadow\n\
         \x20   - match: {{ service: {SERVICE}, endpoint: ListSession }}\n\
         \x20     rate: {{ requests_per_second: 1, window: 2s }}\n"
    );
    let gateway = Gateway::with(&yaml, &upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 2).await;
    let view = gateway.page(&sessions()).await.json();
    assert_eq!(view["decision"], "limited");
    let rule = &view["rule"];
    assert_eq!(
        (&rule["override"]["service"], &rule["override"]["account"]),
        (&SERVICE.into(), &().into())
    );
    assert_eq!(rule["rate"]["admissions_in_window"], 2);
    assert!(rule["rate"]["set_by"].as_str().unwrap().contains("maskgate.yaml:"), "{rule}");
    assert_eq!(rule["depends_on_account"], true);
    let view = gateway.page(&format!("{}&account={ACCOUNT}", sessions())).await.json();
    assert_eq!((&view["decision"], &view["on_trial"]), (&"forwarded".into(), &().into()));
    assert_eq!(
        (&view["account"], &view["rule"]["rate"]["mode"]),
        (&ACCOUNT.into(), &"shadow".into())
    );
}

#[tokio::test]
async fn the_window_of_an_account_is_asked_for_by_its_account() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let view = gateway.page(&page(&format!("account={ACCOUNT}&endpoint=ListService"))).await;
    assert_eq!((view.status, &view.json()["service"]), (200, &().into()));
}

#[tokio::test]
async fn a_query_that_cannot_be_answered_gets_a_400_that_says_why_and_never_echoes_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for (query, says) in [
        ("", "say which endpoint"),
        ("endpoint=ListSession", "say which, ?service=KS"),
        ("service=KS1&endpoint=ListSession", "32 hexadecimal digits"),
        ("service=+15005550006&endpoint=ListSession", "32 hexadecimal digits"),
        ("endpoint=ListSessions", "there is no such endpoint; there are"),
        ("endpoint=ListService", "say which, ?account=AC"),
        ("endpoint=ListSession&phone=15005550006", "and nothing else"),
    ] {
        let reply = gateway.page(&page(query)).await;
        assert_eq!(reply.status, 400, "{query}");
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(says) && !text.contains("15005550006"), "{query}: {text}");
    }
}

/// The names of all fields, in order, each behind those of what it is in.
fn fields(value: &serde_json::Value, within: &str, found: &mut Vec<String>) {
    if let Some(first) = value.as_array().and_then(|list| list.first()) {
        fields(first, within, found);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = format!("{within}.{name}");
        fields(value, &name, found);
        found.push(name);
    }
}

#[tokio::test]
async fn the_operations_guide_shows_the_fields_that_there_are() {
    let guide = include_str!("../../docs/operations.md");
    let (_, shown) = guide.split_once("&endpoint=ListSession'\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let shown = serde_json::from_str(&shown.replace(", … ]", " ]")).unwrap();
    let upstream = Upstream::start();
    let yaml = "limits: { overrides: [{ match: { endpoint: ListSession }, mode: enforce }] }";
    let gateway = Gateway::with(yaml, &upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 151).await;
    let view = gateway.page(&sessions()).await.json();
    let [mut documented, mut found] = [Vec::new(), Vec::new()];
    fields(&shown, "", &mut documented);
    fields(&view, "", &mut found);
    assert_eq!(documented, found);
    for name in ["decision", "limit", "on_trial", "guard"] {
        assert_eq!(shown[name], view[name], "{name}");
    }
}

#[tokio::test]
async fn where_windows_are_shared_the_store_has_its_say_and_is_charged_nothing() {
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let redis = Server::start(Engine::Redis);
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 2, deadline: 500ms }} }}",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let one = Gateway::toward(&url, &yaml, Clock::system()).await;
    let other = Gateway::toward(&url, &yaml, Clock::system()).await;
    for gateway in [&one, &other] {
        gateway.reaches("maskgate_store_condition{condition=\"trusted\"}", 1.0).await;
    }
    let clock = Clock::system();
    let begun = clock.now();
    assert_eq!(one.admitted(&Request::get(service_path("/Sessions")), 150).await, 150);
    for _ in 0..2 {
        let view = other.page(&sessions()).await.json();
        let is_over = clock.now().since(begun) > Duration::from_secs(5);
        assert!(is_over || view["decision"] == "limited", "{view}");
        assert!(is_over || view["store"]["admissions_in_window"] == 150, "{view}");
        assert_eq!(view["store"]["decides"], "store");
        assert_eq!(view["window"]["admissions_in_window"], 0, "none of its own");
    }
}

#[tokio::test]
async fn without_the_store_a_replica_explains_by_its_share() {
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let mut redis = Server::start(Engine::Redis);
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 2, deadline: 500ms }} }}",
        redis.url()
    );
    let url = format!("url: {}", upstream.url());
    let gateway = Gateway::toward(&url, &yaml, Clock::system()).await;
    gateway.reaches("maskgate_store_condition{condition=\"trusted\"}", 1.0).await;
    redis.kill();
    gateway.reaches("maskgate_store_condition{condition=\"lost\"}", 1.0).await;
    let view = gateway.page(&sessions()).await.json();
    assert_eq!(
        (&view["store"]["decides"], &view["decision"]),
        (&"replica".into(), &"forwarded".into())
    );
    assert_eq!(view["window"]["admissions_allowed"], 75);
    assert!(view["store"]["fault"].as_str().is_some(), "{view}");
}
