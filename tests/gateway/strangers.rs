//! Who has no right password cannot spend the window of those who have one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::task::JoinHandle;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::client::basic;
use crate::support::service_path;
use crate::support::upstream::Behaviour;
use crate::support::upstream::Received;

const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000002";
/// Passwords that begin so are never answered.
const HOLD: &str = "hold";
/// Of those that begin so the upstream sees something else first, and answers 400.
const ODD: &str = "odd";
const TICK: Duration = Duration::from_millis(100);

/// The API's own order: a wrong password is 401, another account's service 404, and so is a
/// session that does not exist.
fn judge(received: &Received) -> Option<u16> {
    let field = received.headers["authorization"].to_str().unwrap();
    let decoded = STANDARD.decode(field.strip_prefix("Basic ").unwrap()).unwrap();
    let credentials = String::from_utf8(decoded).unwrap();
    let is_missing = |part| received.target.contains(part);
    let (user, password) = credentials.split_once(':').unwrap();
    match (user, password) {
        (ACCOUNT, "password") => Some(if is_missing("/KC") { 404 } else { 200 }),
        (OTHER_ACCOUNT, "password") => Some(if is_missing("/KS") { 404 } else { 200 }),
        _ if password.starts_with(HOLD) => None,
        _ if password.starts_with(ODD) => Some(400),
        _ => Some(401),
    }
}

fn upstream() -> Upstream {
    Upstream::behaving(Behaviour::Judge(judge))
}

fn sessions() -> Request {
    Request::get(service_path("/Sessions"))
}

fn with_password(request: &Request, account: &str, password: &str) -> Request {
    request.clone().without("authorization").with("authorization", &basic(account, password))
}

/// How many of `count` requests come back with this status.
async fn count(gateway: &Gateway, request: &Request, count: usize, status: u16) -> usize {
    let statuses = client::statuses(gateway.address, request, count).await;
    statuses.iter().filter(|each| **each == status).count()
}

/// Sends `request` as fast as it is answered, until it is stopped.
fn flood(gateway: &Gateway, request: &Request) -> JoinHandle<()> {
    let (address, request) = (gateway.address, request.clone());
    tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        loop {
            connection.send(&request).await;
        }
    })
}

/// How many with a wrong password the upstream has seen.
fn refused(upstream: &Upstream) -> usize {
    upstream.received().iter().filter(|received| judge(received) == Some(401)).count()
}

#[tokio::test]
async fn an_owner_that_is_known_keeps_its_whole_limit_during_an_attack_and_after_it() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    gateway.advance(Duration::from_secs(5));
    let attack = with_password(&sessions(), ACCOUNT, "guess");
    // Ten seconds at 200 tries a second beside the owner's 30.
    for _ in 0..100 {
        count(&gateway, &attack, 20, 401).await;
        assert_eq!(count(&gateway, &sessions(), 3, 200).await, 3);
        gateway.advance(TICK);
    }
    gateway.advance(Duration::from_secs(5));
    count(&gateway, &attack, 20, 401).await;
    assert_eq!(count(&gateway, &sessions(), 200, 200).await, 150, "a whole burst at once");
    assert!(gateway.metric("maskgate_refusals_total{limit=\"guard\"}").await > 1000.0);
}

#[tokio::test]
async fn an_owner_that_nobody_knows_yet_gets_in_while_the_attack_runs() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let attack = with_password(&sessions(), ACCOUNT, "guess");
    count(&gateway, &attack, 20, 401).await;
    let attackers: Vec<_> = (0..4).map(|_| flood(&gateway, &attack)).collect();
    let mut served = 0;
    for _ in 0..50 {
        served += count(&gateway, &sessions(), 2, 200).await;
        gateway.advance(TICK);
    }
    assert!(served >= 85, "{served} of 100");
    for attacker in attackers {
        attacker.abort();
        assert!(attacker.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn whichever_password_is_tried_the_right_one_gets_in_within_two_windows() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let mut outcasts = 0;
    for guess in 0..40 {
        let service = format!("/v1/Services/KS{guess:032x}/Sessions");
        let own = Request::get(service);
        let attack = with_password(&own, ACCOUNT, &format!("guess {guess}"));
        count(&gateway, &attack, 20, 401).await;
        if count(&gateway, &own, 1, 200).await == 0 {
            outcasts += 1;
            gateway.advance(Duration::from_secs(5));
            count(&gateway, &attack, 20, 401).await;
            assert_eq!(count(&gateway, &own, 1, 200).await, 1, "guess {guess}");
        }
    }
    // One in sixteen shares its cell with the wrong password, and never two cells in a row.
    assert!(outcasts <= 8, "{outcasts} of 40");
}

#[tokio::test]
async fn the_upstream_sees_no_more_than_144_wrong_passwords_in_a_window() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let attack = |guess: usize| with_password(&sessions(), ACCOUNT, &format!("guess {guess}"));
    count(&gateway, &attack(0), 1, 401).await;
    for _ in 0..3 {
        let before = refused(&upstream);
        for guess in 0..400 {
            count(&gateway, &attack(guess), 2, 401).await;
        }
        let seen = refused(&upstream) - before;
        assert!((100..=144).contains(&seen), "{seen}");
        gateway.advance(Duration::from_secs(5));
    }
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
}

#[tokio::test]
async fn a_place_that_is_given_back_is_free_again_exactly() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let attack = with_password(&sessions(), ACCOUNT, "guess");
    assert_eq!(count(&gateway, &sessions(), 100, 200).await, 100);
    assert_eq!(count(&gateway, &attack, 5, 401).await, 5);
    assert_eq!(count(&gateway, &sessions(), 60, 200).await, 50);
    let unauthorized = "maskgate_given_back_total{reason=\"unauthorized\"}";
    assert!((gateway.metric(unauthorized).await - 5.0).abs() < f64::EPSILON);
    assert!((gateway.metric("maskgate_guarded_windows").await - 1.0).abs() < f64::EPSILON);
    assert!((gateway.metric("maskgate_known_credentials").await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn another_account_cannot_spend_the_window_of_a_service_that_is_not_its_own() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let foreign = with_password(&sessions(), OTHER_ACCOUNT, "password");
    // Its password is right, and known where it belongs.
    let own = with_password(&Request::get("/v1/Services"), OTHER_ACCOUNT, "password");
    assert_eq!(count(&gateway, &own, 1, 200).await, 1);
    assert_eq!(count(&gateway, &foreign, 200, 404).await, 9);
    assert_eq!(count(&gateway, &sessions(), 200, 200).await, 150);
    let not_found = "maskgate_given_back_total{reason=\"not_found\"}";
    assert!((gateway.metric(not_found).await - 9.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_session_that_the_owner_does_not_find_costs_it_a_place_and_guards_nothing() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    let missing = Request::get(service_path("/Sessions/KC0000000000000000000000000000000c"));
    assert_eq!(count(&gateway, &missing, 200, 404).await, 150);
    assert!(gateway.metric("maskgate_guarded_windows").await.abs() < f64::EPSILON);
}

#[tokio::test]
async fn the_list_of_services_is_guarded_for_the_account() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let list = Request::get("/v1/Services");
    assert_eq!(count(&gateway, &list, 1, 200).await, 1);
    assert_eq!(count(&gateway, &with_password(&list, ACCOUNT, "guess"), 200, 401).await, 9);
    assert_eq!(count(&gateway, &list, 200, 200).await, 149);
}

#[tokio::test]
async fn a_stranger_is_told_which_limit_it_was_and_when_to_come_again() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let attack = with_password(&sessions(), ACCOUNT, "guess");
    assert_eq!(count(&gateway, &attack, 9, 401).await, 9);
    gateway.advance(Duration::from_secs(1));
    let reply = gateway.send(&attack).await;
    assert_eq!((reply.status, reply.code()), (429, 20429));
    assert_eq!(reply.header("x-maskgate-decision"), Some("limited"));
    assert_eq!(reply.header("ratelimit"), Some("\"endpoint\";r=0;t=4"));
    assert_eq!(
        reply.message(),
        format!(
            "Too Many Requests: ListSession of service {SERVICE} is limited to 9 requests in any \
             5s of credentials that were not accepted here lately; retry after 4 s"
        )
    );
    let line = gateway.line();
    assert_eq!((&line["limit"], &line["allowed"]), (&"guard".into(), &9.into()));
    assert_eq!(line["retry_after_ms"], 4000);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    gateway.advance(Duration::from_secs(wait));
    assert_eq!(gateway.send(&attack).await.status, 401);
}

#[tokio::test]
async fn strangers_hold_no_more_than_a_tenth_of_the_limit_without_an_answer() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    let guess = |number: usize| with_password(&sessions(), ACCOUNT, &format!("guess {number}"));
    assert_eq!(count(&gateway, &guess(0), 1, 401).await, 1);
    let mut held = Vec::new();
    for number in 0..15 {
        held.push(held_by_upstream(&gateway, &upstream, number).await);
    }
    let reply = gateway.send(&guess(1)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    assert!(reply.message().contains("limited to 15 unanswered requests"), "{reply:?}");
    assert_eq!(unanswered(&gateway).await, 15);
    assert_eq!(count(&gateway, &sessions(), 20, 200).await, 20, "the owner does not wait");
    // One that leaves has spent its place until its charge leaves the window.
    let leaving = held.remove(3);
    leaving.abort();
    drop(leaving.await);
    let mut looks = 0;
    while unanswered(&gateway).await > 14 {
        looks += 1;
        assert!(looks < 10_000, "the gateway never saw it leave");
    }
    assert_eq!(gateway.send(&guess(1)).await.status, 429);
    assert_eq!(count(&gateway, &sessions(), 200, 200).await, 150 - 15 - 21, "the owner's rest");
    gateway.advance(Duration::from_secs(5));
    assert_eq!(count(&gateway, &guess(1), 1, 401).await, 1);
}

#[tokio::test]
async fn strangers_that_the_upstream_answers_otherwise_spend_a_tenth_of_the_limit_and_no_more()
{
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    let mut admitted = 0;
    for number in 0..200 {
        let odd = with_password(&sessions(), ACCOUNT, &format!("{ODD} {number}"));
        admitted += count(&gateway, &odd, 1, 400).await;
    }
    assert_eq!(admitted, 15);
    assert_eq!(count(&gateway, &sessions(), 200, 200).await, 134, "the owner's rest");
}

#[tokio::test]
async fn a_few_refused_forms_are_no_reason_to_guard_a_window_and_a_tenth_of_it_is() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let form = |form: &'static str| Request::post(service_path("/Sessions"), form);
    assert_eq!(count(&gateway, &form("Ttl=0"), 14, 400).await, 14);
    gateway.assert_metric("maskgate_guarded_windows", 0.0).await;
    gateway.advance(Duration::from_secs(5));
    assert_eq!(count(&gateway, &form("Ttl=0"), 15, 400).await, 15);
    gateway.reaches("maskgate_guarded_windows", 1.0).await;
    assert_eq!(gateway.send(&form("Ttl=5")).await.status, 429, "fifteen places are spent");
    gateway.advance(Duration::from_secs(5));
    assert_eq!(gateway.send(&form("Ttl=5")).await.status, 200);
    assert_eq!(count(&gateway, &form("Ttl=0"), 149, 400).await, 149, "it is known now");
}

/// A request with a password that the upstream never answers, when it has been asked.
async fn held_by_upstream(
    gateway: &Gateway,
    upstream: &Upstream,
    number: usize,
) -> JoinHandle<u16> {
    let (address, before) = (gateway.address, upstream.count());
    let request = with_password(&sessions(), ACCOUNT, &format!("{HOLD} {number}"));
    let task =
        tokio::spawn(
            async move { Connection::open(address).await.send(&request).await.status },
        );
    while upstream.count() == before {
        tokio::task::yield_now().await;
    }
    task
}

async fn unanswered(gateway: &Gateway) -> u64 {
    let view = gateway.page(&format!("/windows?service={SERVICE}")).await.json();
    view["windows"][0]["guard"]["strangers_unanswered"].as_u64().unwrap()
}

#[tokio::test]
async fn an_operator_sees_that_a_window_is_guarded_and_until_when() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let page = format!("/windows?service={SERVICE}");
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    let view = gateway.page(&page).await.json();
    assert_eq!(view["windows"][0]["guard"], serde_json::Value::Null);
    let attack = with_password(&sessions(), ACCOUNT, "guess");
    assert_eq!(count(&gateway, &attack, 1, 401).await, 1);
    gateway.advance(Duration::from_secs(2));
    let view = gateway.page(&page).await.json();
    let window = &view["windows"][0];
    assert_eq!(window["guard"]["ends_in_seconds"], 58.0);
    assert_eq!(window["guard"]["strangers_unanswered"], 0);
    assert_eq!(window["admissions_in_window"], 1);
}

#[tokio::test]
async fn no_password_is_in_a_page_or_a_metric() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let attack = with_password(&sessions(), ACCOUNT, "s3cr3t-guess");
    let mut connection = Connection::open(gateway.address).await;
    let mut seen = String::new();
    for _ in 0..10 {
        let reply = connection.send(&attack).await;
        seen.push_str(&String::from_utf8_lossy(&reply.body));
    }
    seen.push_str(&gateway.line().to_string());
    for page in ["/metrics", "/policy", "/windows?service=KS0000000000000000000000000000000a"] {
        seen.push_str(&String::from_utf8_lossy(&gateway.page(page).await.body));
    }
    assert!(!seen.contains("s3cr3t") && !seen.contains(&basic(ACCOUNT, "s3cr3t-guess")[6..]));
}

#[tokio::test]
async fn strangers_that_leave_before_the_answer_cannot_spend_the_window() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(count(&gateway, &sessions(), 1, 200).await, 1);
    let abandoned = "maskgate_requests_total{decision=\"abandoned\",endpoint=\"ListSession\"}";
    for number in 0..160 {
        let (address, before) = (gateway.address, gateway.metric(abandoned).await);
        let request = with_password(&sessions(), ACCOUNT, &format!("{HOLD} {number}"));
        let asked = upstream.count();
        let task =
            tokio::spawn(
                async move { Connection::open(address).await.send(&request).await.status },
            );
        while upstream.count() == asked && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task.abort();
        let has_left = task.await.is_err();
        while has_left && gateway.metric(abandoned).await <= before {
            tokio::task::yield_now().await;
        }
    }
    assert!(count(&gateway, &sessions(), 150, 200).await >= 128);
}

#[tokio::test]
async fn strangers_with_forms_that_are_refused_cannot_spend_the_window() {
    let upstream = upstream();
    let gateway = Gateway::start(&upstream).await;
    let path = service_path("/Sessions");
    let create = Request::post(path.clone(), "UniqueName=x");
    assert_eq!(count(&gateway, &create, 1, 200).await, 1);
    let bad = Request::post(path, format!("UniqueName={}", "x".repeat(192)));
    count(&gateway, &with_password(&bad, ACCOUNT, "guess"), 160, 400).await;
    assert!(count(&gateway, &create, 150, 200).await >= 128);
}
