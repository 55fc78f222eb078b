//! What the admin listener says.

use std::time::Duration;

use serde_json::json;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::service_path;

#[tokio::test]
async fn health_and_readiness_are_told_apart_from_what_is_not_there() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.page("/healthz").await.status, 200);
    assert_eq!(gateway.page("/readyz").await.status, 200);
    assert_eq!(gateway.page("/").await.status, 200);
    assert_eq!(gateway.page("/other").await.status, 404);
    let control = gateway.page("/backend/received").await;
    assert_eq!(control.status, 404, "there is no embedded backend behind it");
    let post = Connection::open(gateway.admin).await.send(&Request::post("/policy", "")).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn the_public_address_has_no_admin_page() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/policy",
        "/pools",
        "/windows",
        "/numbers",
        "/explain",
        "/top",
        "/status",
        "/status/main.js",
    ] {
        assert_eq!(gateway.send(&Request::get(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_policy_in_force_is_shown_with_what_set_it() {
    let upstream = Upstream::start();
    let yaml = format!(
        "limits:\n  rate: {{ requests_per_second: 40 }}\n  overrides:\n\
         \x20   - {{ match: {{ service: {SERVICE} }}, mode: shadow }}\n"
    );
    let gateway = Gateway::with(&yaml, &upstream).await;
    let policy = gateway.page("/policy").await.json();
    assert_eq!(policy["generation"], 1);
    assert_eq!(policy["upstream"]["url"][0], upstream.url());
    assert_eq!(policy["limits"]["rate"]["admissions_in_window"], 200);
    let set_by = policy["limits"]["rate"]["set_by"].as_str().unwrap();
    assert!(set_by.ends_with("maskgate.yaml:8"), "{set_by}");
    let first = &policy["limits"]["overrides"][0];
    assert_eq!(
        (&first["service"], &first["rate"]["mode"]),
        (&SERVICE.into(), &"shadow".into())
    );
    gateway.reload("").await;
    // The file's watcher may have seen the change too.
    assert!(gateway.page("/policy").await.json()["generation"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn the_rules_of_pools_are_shown_with_what_set_them() {
    let upstream = Upstream::start();
    let yaml = format!(
        "limits:\n  mode: shadow\n  pools: {{ reserved: 40 }}\n  overrides:\n\
         \x20   - match: {{ service: {SERVICE} }}\n      pools: {{ mode: enforce, warn_at: 0.5 }}\n"
    );
    let gateway = Gateway::with(&yaml, &upstream).await;
    let limits = &gateway.page("/policy").await.json()["limits"];
    let (pools, rule) = (&limits["pools"], &limits["pools"]["rule"]);
    assert_eq!((&rule["reserved"], &rule["unreserved"]), (&40.into(), &500.into()));
    assert_eq!((&rule["mode"], &rule["warn_at"]), (&"shadow".into(), &0.85.into()));
    assert_eq!(
        (&pools["recount_seconds"], &pools["short_codes"]),
        (&300.0.into(), &true.into())
    );
    let first = &pools["overrides"][0];
    assert_eq!(first["service"], SERVICE);
    assert_eq!(
        (&first["rule"]["mode"], &first["rule"]["reserved"]),
        (&"enforce".into(), &40.into())
    );
    let set_by = first["rule"]["set_by"].as_str().unwrap();
    assert!(set_by.ends_with("maskgate.yaml:12"), "{set_by}");
    assert_eq!(limits["overrides"].as_array().map(Vec::len), Some(0), "none of rates");
}

#[tokio::test]
async fn the_pools_of_a_service_that_was_never_counted_show_what_may_be_in_them() {
    let upstream = Upstream::start();
    let yaml = format!(
        "limits:\n  pools: {{ reserved: 5 }}\n  overrides:\n\
         \x20   - {{ match: {{ service: {SERVICE} }}, mode: shadow, pools: {{ unreserved: 3 }} }}\n"
    );
    let gateway = Gateway::with(&yaml, &upstream).await;
    assert_eq!(
        gateway.page("/pools").await.json()["fullest"].as_array().map(Vec::len),
        Some(0)
    );
    let view = gateway.page(&format!("/pools?service={SERVICE}")).await.json();
    assert_eq!((&view["service"], &view["state"]), (&SERVICE.into(), &"uncounted".into()));
    assert_eq!((&view["mode"], &view["counting"]), (&"shadow".into(), &false.into()));
    let limits = [&view["pools"][0], &view["pools"][1]].map(|pool| pool["limit"].as_u64());
    assert_eq!(limits, [Some(5), Some(3)]);
    assert_eq!(gateway.page("/pools?service=nonsense").await.status, 400);
}

#[tokio::test]
async fn the_windows_of_a_service_show_their_fill_and_when_there_is_room() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 151).await;
    gateway.admitted(&Request::get(service_path("/PhoneNumbers")), 7).await;
    gateway.advance(Duration::from_millis(1500));
    let view = gateway.page(&format!("/windows?service={SERVICE}")).await.json();
    assert_eq!(view["service"], SERVICE);
    let windows = view["windows"].as_array().unwrap();
    let of = |endpoint: &str| windows.iter().find(|each| each["endpoint"] == endpoint).unwrap();
    let full = of("ListSession");
    assert_eq!(
        (full["admissions_in_window"].as_u64(), full["remaining"].as_u64()),
        (Some(150), Some(0))
    );
    assert_eq!(full["free_in_seconds"], 3.5);
    assert_eq!(of("ListPhoneNumber")["remaining"], 143);
    assert_eq!(of("ListPhoneNumber")["free_in_seconds"], 0.0);
    assert_eq!(gateway.page("/windows?service=nonsense").await.status, 400);
}

#[tokio::test]
async fn the_numbers_of_a_service_are_shown_beside_what_is_advised_which_a_reload_changes() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let page = format!("/numbers?service={SERVICE}");
    let view = gateway.page(&page).await.json();
    assert_eq!(
        (&view["service"], &view["participants_advised"]),
        (&SERVICE.into(), &100.into())
    );
    assert_eq!((&view["numbers"], &view["left_out"]), (&json!([]), &0.into()));
    for (limits, advise) in [
        ("participants_per_number: { advise: 5 }", json!(5)),
        ("participants_per_number: { advise: null }", json!(null)),
    ] {
        gateway.reload(&format!("limits: {{ {limits} }}")).await;
        assert_eq!(gateway.page(&page).await.json()["participants_advised"], advise);
        let policy = gateway.page("/policy").await.json();
        assert_eq!(policy["limits"]["participants_per_number"]["advise"], advise);
    }
    let missing = gateway.page("/numbers").await;
    assert_eq!(missing.status, 400);
    let usage = b"say which service: /numbers?service=KS and 32 hexadecimal digits\n";
    assert_eq!(missing.body, &usage[..]);
}

#[tokio::test]
async fn requests_are_counted_by_endpoint_and_decision() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 153).await;
    gateway.send(&Request::get("/nothing")).await;
    for (decision, endpoint, count) in [
        ("forwarded", "ListSession", 150.0),
        ("limited", "ListSession", 3.0),
        ("unroutable", "none", 1.0),
    ] {
        let series = format!(
            "maskgate_requests_total{{decision=\"{decision}\",endpoint=\"{endpoint}\"}}"
        );
        assert!((gateway.metric(&series).await - count).abs() < f64::EPSILON, "{series}");
    }
    let count = "maskgate_request_duration_seconds_count{decision=\"forwarded\"}";
    assert!((gateway.metric(count).await - 150.0).abs() < f64::EPSILON);
    let count = "maskgate_upstream_duration_seconds_count";
    assert!((gateway.metric(count).await - 150.0).abs() < f64::EPSILON);
    assert!((gateway.metric("maskgate_live_keys").await - 1.0).abs() < f64::EPSILON);
}

/// The labels of the first series of a metric, but for a histogram's own.
fn labels(metrics: &str, name: &str) -> Vec<String> {
    let series = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    let labels = series.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let labels = labels.map_or("", |(labels, _)| labels).split(',');
    let names = labels.filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    let mut names: Vec<_> = names.filter(|name| *name != "le").map(str::to_owned).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_metrics_are_those_of_the_documentation() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let text = String::from_utf8(gateway.page("/metrics").await.body.to_vec()).unwrap();
    let mut exported = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        exported.push((name.to_owned(), kind.to_owned(), labels(&text, name)));
    }
    exported.sort();
    let mut documented: Vec<_> = include_str!("../../docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `maskgate_"))
        .map(|rest| {
            let mut cells = rest.split('|');
            let name = cells.next().unwrap().trim().trim_end_matches('`');
            let kind = cells.next().unwrap().trim().to_owned();
            let labels =
                cells.next().unwrap().split(',').map(|label| label.trim().replace('`', ""));
            let mut labels: Vec<_> = labels.filter(|label| !label.is_empty()).collect();
            labels.sort();
            (format!("maskgate_{name}"), kind, labels)
        })
        .collect();
    documented.sort();
    assert_eq!(exported, documented);
    for (name, ..) in &exported {
        let help = text.lines().find(|line| line.starts_with(&format!("# HELP {name} ")));
        assert!(
            help.is_some_and(|help| help.len() > name.len() + 15),
            "{name} has a help text"
        );
    }
}

#[tokio::test]
async fn raw_bytes_are_answered_in_http_and_json() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for bytes in
        [&b"\x16\x03\x01garbage\r\n\r\n"[..], b"GET\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n"]
    {
        let answer = client::raw(gateway.address, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505"));
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains("\"message\":"), "{answer}");
    }
    assert_eq!(upstream.count(), 0);
}
