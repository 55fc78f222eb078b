//! What does time alone do? Dates move, sessions expire, and closed ones are forgotten.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they fail")]

use std::time::Duration;

use serde_json::Value;

use crate::support::ANN;
use crate::support::Client;
use crate::support::Fields;
use crate::support::person;

const DAY: Duration = Duration::from_hours(24);

/// A session of Ann in a service with one number, by its path.
fn session(client: &Client, fields: Fields<'_>) -> String {
    let sessions = format!("{}/Sessions", client.service_with_number());
    let ann = person(ANN);
    client.made(&sessions, &[fields, &[("Participants", ann.as_str())]].concat())
}

fn status(client: &Client, session: &str) -> Value {
    client.get(session).json()["status"].clone()
}

/// A date that far from now, as a client would write it.
fn date(client: &Client, span: Duration) -> String {
    let service = client.made("/v1/Services", &[("UniqueName", "clock")]);
    let now: jiff::Timestamp =
        client.get(&service).json()["date_created"].as_str().unwrap().parse().unwrap();
    client.delete(&service);
    now.checked_add(jiff::SignedDuration::try_from(span).unwrap()).unwrap().to_string()
}

#[test]
fn a_session_ends_when_its_ttl_is_over() {
    let client = Client::new();
    let session = session(&client, &[("Ttl", "5")]);
    client.clock.advance(Duration::from_micros(4_999_999));
    assert_eq!(status(&client, &session), "open");
    client.clock.advance(Duration::from_micros(1));
    let ended = client.get(&session).json();
    assert_eq!(
        (&ended["status"], &ended["closed_reason"]),
        (&"closed".into(), &"expired".into())
    );
    assert_eq!(ended["date_ended"], ended["date_updated"]);
}

#[test]
fn an_ended_session_uses_no_number_and_its_number_is_free() {
    let client = Client::new();
    let session = session(&client, &[("Ttl", "5")]);
    let service = session.split("/Sessions").next().unwrap();
    let numbers = format!("{service}/PhoneNumbers");
    let in_use = || client.get(&numbers).json()["phone_numbers"][0]["in_use"].clone();
    assert_eq!(in_use(), 1);
    client.clock.advance(Duration::from_secs(5));
    assert_eq!(in_use(), 0);
    let listed = client.get(&format!("{service}/Sessions")).json();
    assert_eq!(listed["sessions"][0]["status"], "closed");
    client.made(&format!("{service}/Sessions"), &[("Participants", &person(ANN))]);
}

#[test]
fn a_session_ends_on_its_date_whatever_its_ttl() {
    let client = Client::new();
    let date = date(&client, Duration::from_secs(10));
    let session = session(&client, &[("Ttl", "5"), ("DateExpiry", &date)]);
    assert_eq!(client.get(&session).json()["date_expiry"], date);
    client.clock.advance(Duration::from_secs(8));
    assert_eq!(status(&client, &session), "open");
    client.clock.advance(Duration::from_secs(2));
    assert_eq!(status(&client, &session), "closed");
}

#[test]
fn a_session_has_the_ttl_of_its_service_unless_it_has_its_own() {
    let client = Client::new();
    let service = client.made("/v1/Services", &[("UniqueName", "a"), ("DefaultTtl", "7")]);
    let sessions = format!("{service}/Sessions");
    let by_default = client.made(&sessions, &[]);
    let own = client.made(&sessions, &[("Ttl", "9")]);
    assert_eq!(client.get(&by_default).json()["ttl"], 7);
    client.clock.advance(Duration::from_secs(7));
    assert_eq!(status(&client, &by_default), "closed");
    assert_eq!(status(&client, &own), "open");
}

#[test]
fn a_session_without_an_end_never_ends() {
    let client = Client::new();
    let session = session(&client, &[]);
    client.clock.advance(DAY * 1000);
    assert_eq!(status(&client, &session), "open");
}

#[test]
fn a_session_may_end_at_the_end_of_all_dates() {
    let client = Client::new();
    for date in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999-12:00", "9999-12-31"] {
        let service = client.service(date);
        let session = client.made(&format!("{service}/Sessions"), &[("DateExpiry", date)]);
        let expiry = client.get(&session).json()["date_expiry"].clone();
        assert_eq!(expiry, "9999-12-30T22:00:00Z", "the last that there is");
    }
}

#[test]
fn closing_what_is_closed_does_nothing() {
    let client = Client::new();
    let session = session(&client, &[("Status", "open")]);
    let closed = client.post(&session, &[("Status", "closed")]).json();
    client.clock.advance(DAY);
    assert_eq!(client.post(&session, &[("Status", "closed")]).json(), closed);
}

#[test]
fn a_message_puts_the_end_off() {
    let client = Client::new();
    let session = session(&client, &[("Ttl", "5")]);
    let messages = format!("{}/MessageInteractions", client.participant(&session, ANN));
    client.clock.advance(Duration::from_secs(4));
    client.made(&messages, &[("Body", "hi")]);
    client.clock.advance(Duration::from_secs(4));
    assert_eq!(status(&client, &session), "in-progress");
    client.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&client, &session), "closed");
}

#[test]
fn a_new_ttl_counts_from_when_it_is_set() {
    let client = Client::new();
    let session = session(&client, &[]);
    client.clock.advance(DAY);
    client.post(&session, &[("Ttl", "5")]);
    assert_eq!(status(&client, &session), "open");
    client.clock.advance(Duration::from_secs(5));
    assert_eq!(status(&client, &session), "closed");
}

#[test]
fn an_ended_session_is_reopened_for_another_ttl_but_not_past_its_date() {
    let client = Client::new();
    let date = date(&client, Duration::from_secs(10));
    let session = session(&client, &[("Ttl", "5")]);
    let reopen = [("Status", "in-progress")];
    client.clock.advance(Duration::from_secs(6));
    assert_eq!(client.post(&session, &reopen).json()["status"], "in-progress");
    client.post(&session, &[("DateExpiry", &date)]);
    client.clock.advance(Duration::from_secs(6));
    assert_eq!(client.post(&session, &reopen).error(), (400, 80801));
    let without = [("Status", "in-progress"), ("DateExpiry", "")];
    assert!(client.post(&session, &without).json()["date_expiry"].is_null());
}

#[test]
fn a_session_that_has_been_closed_for_ninety_days_is_forgotten() {
    let client = Client::new();
    let session = session(&client, &[("UniqueName", "old"), ("Ttl", "5")]);
    let used = client.backend.used();
    client.clock.advance(DAY * 90 + Duration::from_secs(4));
    assert_eq!(status(&client, &session), "closed");
    client.clock.advance(Duration::from_secs(1));
    assert_eq!(client.get(&session).error(), (404, 20404));
    assert_eq!(client.backend.used(), used - 2);
    let sessions = session.rsplit_once('/').unwrap().0;
    client.made(sessions, &[("UniqueName", "old")]);
}
