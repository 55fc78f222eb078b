//! Who asks most, and who is refused most.

use std::time::Duration;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::service_path;

const OTHER: &str = "KS0000000000000000000000000000000f";

#[tokio::test]
async fn services_are_shown_by_what_they_ask_and_by_what_is_refused_to_them() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 160).await;
    gateway.admitted(&Request::get(format!("/v1/Services/{OTHER}/Sessions")), 7).await;
    gateway.admitted(&Request::get("/v1/Services"), 2).await;
    gateway.advance(Duration::from_secs(10));
    for (endpoint, count) in [("ListSession", 157.0), ("ListService", 2.0)] {
        let series = format!(
            "maskgate_requests_total{{decision=\"forwarded\",endpoint=\"{endpoint}\"}}"
        );
        gateway.reaches(&series, count).await;
    }
    let top = gateway.page("/top").await.json();
    assert_eq!(top["span_seconds"], 10.0);
    let (offered, refused) = (&top["offered"], &top["refused"]);
    assert_eq!((&offered["requests"], &offered["per_second"]), (&167.into(), &16.7.into()));
    let most = &offered["services"][0];
    assert_eq!((&most["service"], &most["requests"]), (&SERVICE.into(), &160.into()));
    assert_eq!((&most["over_by_at_most"], &most["per_second"]), (&0.into(), &16.0.into()));
    assert_eq!(offered["services"][1]["service"], OTHER);
    let refusals = refused["services"].as_array().unwrap();
    assert_eq!((refusals.len(), &refusals[0]["requests"]), (1, &10.into()));
    assert_eq!(top["of_no_known_service"], 2);
}

#[tokio::test]
async fn what_was_long_ago_is_not_shown() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 3).await;
    gateway.advance(Duration::from_mins(2));
    let top = gateway.page("/top").await.json();
    assert_eq!(top["offered"]["services"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn the_fullest_windows_are_those_of_the_last_sweep() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.admitted(&Request::get(service_path("/Sessions")), 75).await;
    gateway.admitted(&Request::get("/v1/Services"), 3).await;
    let series = "maskgate_window_fill_ratio{endpoint=\"ListService\"}";
    gateway.reaches(series, 0.02).await;
    let top = gateway.page("/top").await.json();
    let [first, second] = &top["fullest"].as_array().unwrap()[..] else { panic!("{top}") };
    assert_eq!((&first["service"], &first["account"]), (&SERVICE.into(), &().into()));
    assert_eq!((&first["endpoint"], &first["fill"]), (&"ListSession".into(), &0.5.into()));
    assert_eq!(
        (&first["admissions_in_window"], &first["admissions_allowed"]),
        (&75.into(), &150.into())
    );
    assert_eq!((&second["service"], &second["endpoint"]), (&().into(), &"ListService".into()));
    assert!(second["account"].as_str().is_some_and(|sid| sid.starts_with("AC")));
}
