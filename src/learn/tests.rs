//! What an answer of each kind tells, and which answers tell nothing.

use super::Facts;
use super::Lesson;
use super::NumberFact;
use super::ParticipantFact;
use super::SessionFact;
use super::Subject;
use super::read;
use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::sid::SidKind;
use serde_json::Value;
use serde_json::json;

const fn sid(kind: SidKind, number: u8) -> Sid {
    Sid::new(kind, [number; 16])
}

const ACCOUNT: Sid = sid(SidKind::Account, 1);
const SERVICE: Sid = sid(SidKind::Service, 2);
const SESSION: Sid = sid(SidKind::Session, 3);
const PARTICIPANT: Sid = sid(SidKind::Participant, 4);
const NUMBER: Sid = sid(SidKind::PhoneNumber, 5);

/// What an answer tells that is asked for by a path with every identifier above.
fn told(endpoint: Endpoint, answer: &Value) -> Option<Lesson> {
    let subject = Subject {
        endpoint,
        service: Some(SERVICE),
        session: Some(SESSION),
        participant: Some(PARTICIPANT),
        number: Some(NUMBER),
    };
    read(&subject, answer.to_string().as_bytes())
}

/// The same, of a list, whose path names no more than its session.
fn told_by_list(endpoint: Endpoint, answer: &Value) -> Option<Lesson> {
    let (service, session) = (Some(SERVICE), Some(SESSION));
    let subject = Subject { endpoint, service, session, participant: None, number: None };
    read(&subject, answer.to_string().as_bytes())
}

fn resource(sid: Sid, more: &Value) -> Value {
    let mut resource = json!({
        "sid": sid.to_string(),
        "account_sid": ACCOUNT.to_string(),
        "service_sid": SERVICE.to_string(),
        "session_sid": SESSION.to_string(),
        "url": "https://proxy.twilio.com/v1/Services",
        "links": { "sessions": null },
    });
    let fields = resource.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    resource
}

fn number(more: &Value) -> Value {
    let mut number = resource(NUMBER, &json!({ "is_reserved": true, "in_use": 7 }));
    number.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    number
}

fn page(key: &str, records: &[Value], next: Option<&str>) -> Value {
    json!({ key: records, "meta": { "key": key, "page": 0, "next_page_url": next } })
}

#[test]
fn a_service_tells_its_name_and_its_account() {
    let service = resource(SERVICE, &json!({ "unique_name": "Order \"1\" é" }));
    let lesson = told(Endpoint::FetchService, &service).unwrap();
    assert_eq!(lesson.account, Some(ACCOUNT));
    let Facts::Services(services) = lesson.facts else { panic!("{:?}", lesson.facts) };
    assert_eq!((services[0].sid, &services[0].unique_name[..]), (SERVICE, "Order \"1\" é"));
    assert!(!format!("{services:?}").contains("Order"));
}

#[test]
fn a_number_tells_its_pool_and_how_many_sessions_use_it() {
    let lesson = told(Endpoint::FetchPhoneNumber, &number(&json!({}))).unwrap();
    let fact = NumberFact { sid: NUMBER, is_reserved: true, in_use: Some(7) };
    assert_eq!(lesson.facts, Facts::Numbers(vec![fact]));
    let mut silent = number(&json!({ "is_reserved": false }));
    silent.as_object_mut().unwrap().remove("in_use");
    let lesson = told(Endpoint::UpdatePhoneNumber, &silent).unwrap();
    let fact = NumberFact { sid: NUMBER, is_reserved: false, in_use: None };
    assert_eq!(lesson.facts, Facts::Numbers(vec![fact]));
}

#[test]
fn a_session_goes_on_unless_it_is_closed_or_failed() {
    for (status, is_active) in
        [("open", true), ("in-progress", true), ("unknown", true), ("closed", false)]
    {
        let session = resource(SESSION, &json!({ "status": status }));
        let lesson = told(Endpoint::UpdateSession, &session).unwrap();
        assert_eq!(
            lesson.facts,
            Facts::Sessions(vec![SessionFact { sid: SESSION, is_active }])
        );
    }
}

#[test]
fn a_participant_tells_its_number_until_it_is_deleted() {
    let of = |number: Value, deleted: Value| {
        let fields = json!({ "proxy_identifier_sid": number, "date_deleted": deleted });
        told(Endpoint::FetchParticipant, &resource(PARTICIPANT, &fields)).unwrap().facts
    };
    let fact = |number, is_active| {
        let (sid, session) = (PARTICIPANT, SESSION);
        Facts::Participants(vec![ParticipantFact { sid, session, number, is_active }])
    };
    assert_eq!(of(json!(NUMBER.to_string()), Value::Null), fact(Some(NUMBER), true));
    assert_eq!(of(Value::Null, json!("2026-01-01T00:00:00Z")), fact(None, false));
    assert_eq!(of(json!(""), Value::Null), fact(None, true));
}

#[test]
fn a_page_tells_all_of_its_records_and_where_the_next_is() {
    let other = resource(sid(SidKind::PhoneNumber, 6), &json!({ "is_reserved": false }));
    let list = page("phone_numbers", &[number(&json!({})), other], Some("http://a/b?c"));
    let lesson = told_by_list(Endpoint::ListPhoneNumber, &list).unwrap();
    let Facts::Numbers(numbers) = &lesson.facts else { panic!("{lesson:?}") };
    assert_eq!((numbers.len(), lesson.next_page.as_deref()), (2, Some("http://a/b?c")));
    assert!(!lesson.is_whole_list);
    let empty = page("phone_numbers", &[], None);
    let lesson = told_by_list(Endpoint::ListPhoneNumber, &empty).unwrap();
    let nothing = Lesson {
        account: None,
        facts: Facts::Numbers(vec![]),
        next_page: None,
        is_whole_list: true,
    };
    assert_eq!(lesson, nothing);
}

#[test]
fn short_codes_are_numbers_of_their_own_kind() {
    let code = sid(SidKind::ShortCode, 7);
    let list = page("short_codes", &[resource(code, &json!({ "is_reserved": false }))], None);
    let lesson = told_by_list(Endpoint::ListShortCode, &list).unwrap();
    let fact = NumberFact { sid: code, is_reserved: false, in_use: None };
    assert_eq!(lesson.facts, Facts::Numbers(vec![fact]));
    assert_eq!(told_by_list(Endpoint::ListPhoneNumber, &list), None);
}

#[test]
fn an_interaction_tells_no_more_than_whose_it_is() {
    let interaction = resource(sid(SidKind::Interaction, 8), &json!({ "data": "{}" }));
    let lesson = told(Endpoint::CreateMessageInteraction, &interaction).unwrap();
    assert_eq!((lesson.account, lesson.facts), (Some(ACCOUNT), Facts::Interactions));
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_teaches_nothing() {
    let altered = [
        json!({ "sid": sid(SidKind::PhoneNumber, 9).to_string() }),
        json!({ "sid": sid(SidKind::Session, 5).to_string() }),
        json!({ "service_sid": sid(SidKind::Service, 9).to_string() }),
        json!({ "account_sid": SERVICE.to_string() }),
        json!({ "account_sid": "AC1" }),
        json!({ "account_sid": 7 }),
        json!({ "is_reserved": "true" }),
        json!({ "is_reserved": null }),
        json!({ "in_use": -1 }),
    ];
    for change in altered {
        assert_eq!(told(Endpoint::FetchPhoneNumber, &number(&change)), None, "{change}");
    }
    for field in ["sid", "account_sid", "service_sid", "is_reserved"] {
        let mut number = number(&json!({}));
        number.as_object_mut().unwrap().remove(field);
        assert_eq!(told(Endpoint::FetchPhoneNumber, &number), None, "without {field}");
    }
}

#[test]
fn a_page_of_two_accounts_teaches_nothing() {
    let theirs = number(&json!({
        "sid": sid(SidKind::PhoneNumber, 6).to_string(),
        "account_sid": sid(SidKind::Account, 9).to_string(),
    }));
    let list = page("phone_numbers", &[number(&json!({})), theirs], None);
    assert_eq!(told_by_list(Endpoint::ListPhoneNumber, &list), None);
}

#[test]
fn what_is_no_json_or_says_a_thing_twice_teaches_nothing() {
    let whole = number(&json!({})).to_string();
    let doubled = whole.replacen('{', "{\"is_reserved\":false,", 1);
    let (cut, more) = (&whole[..whole.len() - 1], format!("{whole}{{}}"));
    let subject = Subject::of(Endpoint::FetchPhoneNumber, "");
    assert!(read(&subject, whole.as_bytes()).is_some());
    for json in ["", "[]", "null", "{}", cut, &more, &doubled, "\u{ff}"] {
        assert_eq!(read(&subject, json.as_bytes()), None, "{json}");
    }
}

#[test]
fn what_has_no_body_teaches_nothing() {
    let subject = Subject::of(Endpoint::DeletePhoneNumber, "");
    assert_eq!(read(&subject, number(&json!({})).to_string().as_bytes()), None);
}
