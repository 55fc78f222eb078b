//! Has every answer the API's keys and types? A table of them, from the API's own description.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they fail")]

use serde_json::Value;

use crate::support::ANN;
use crate::support::Client;
use crate::support::HOST;

/// What stands at a key.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sid(&'static str),
    Text,
    Number,
    Flag,
    Date,
    Null,
    Or(&'static Kind, &'static Kind),
    /// An address on the host that was asked.
    Url,
    Object(Keys),
}

type Keys = &'static [(&'static str, Kind)];

const OR_NULL_TEXT: Kind = Kind::Or(&Kind::Text, &Kind::Null);
const OR_NULL_DATE: Kind = Kind::Or(&Kind::Date, &Kind::Null);

const SERVICE: Keys = &[
    ("sid", Kind::Sid("KS")),
    ("account_sid", Kind::Sid("AC")),
    ("chat_instance_sid", Kind::Or(&Kind::Sid("IS"), &Kind::Null)),
    ("unique_name", Kind::Text),
    ("default_ttl", Kind::Number),
    ("callback_url", OR_NULL_TEXT),
    ("geo_match_level", Kind::Text),
    ("number_selection_behavior", Kind::Text),
    ("intercept_callback_url", OR_NULL_TEXT),
    ("out_of_session_callback_url", OR_NULL_TEXT),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
    ("links", Kind::Object(&[("sessions", Kind::Url), ("phone_numbers", Kind::Url)])),
];

const CAPABILITIES: Keys =
    &[("fax", Kind::Flag), ("mms", Kind::Flag), ("sms", Kind::Flag), ("voice", Kind::Flag)];

const PHONE_NUMBER: Keys = &[
    ("sid", Kind::Sid("PN")),
    ("account_sid", Kind::Sid("AC")),
    ("service_sid", Kind::Sid("KS")),
    ("phone_number", Kind::Text),
    ("friendly_name", Kind::Text),
    ("iso_country", Kind::Text),
    ("capabilities", Kind::Object(CAPABILITIES)),
    ("is_reserved", Kind::Flag),
    ("in_use", Kind::Number),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
];

const SHORT_CODE: Keys = &[
    ("sid", Kind::Sid("SC")),
    ("account_sid", Kind::Sid("AC")),
    ("service_sid", Kind::Sid("KS")),
    ("short_code", Kind::Text),
    ("iso_country", Kind::Text),
    ("capabilities", Kind::Object(CAPABILITIES)),
    ("is_reserved", Kind::Flag),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
];

const SESSION: Keys = &[
    ("sid", Kind::Sid("KC")),
    ("service_sid", Kind::Sid("KS")),
    ("account_sid", Kind::Sid("AC")),
    ("status", Kind::Text),
    ("unique_name", OR_NULL_TEXT),
    ("date_started", OR_NULL_DATE),
    ("date_ended", OR_NULL_DATE),
    ("date_last_interaction", OR_NULL_DATE),
    ("date_expiry", OR_NULL_DATE),
    ("ttl", Kind::Number),
    ("mode", Kind::Text),
    ("closed_reason", Kind::Text),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
    ("links", Kind::Object(&[("interactions", Kind::Url), ("participants", Kind::Url)])),
];

const PARTICIPANT: Keys = &[
    ("sid", Kind::Sid("KP")),
    ("session_sid", Kind::Sid("KC")),
    ("service_sid", Kind::Sid("KS")),
    ("account_sid", Kind::Sid("AC")),
    ("identifier", Kind::Text),
    ("proxy_identifier", Kind::Text),
    ("proxy_identifier_sid", Kind::Sid("PN")),
    ("friendly_name", OR_NULL_TEXT),
    ("date_deleted", OR_NULL_DATE),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
    ("links", Kind::Object(&[("message_interactions", Kind::Url)])),
];

const INTERACTION: Keys = &[
    ("sid", Kind::Sid("KI")),
    ("session_sid", Kind::Sid("KC")),
    ("service_sid", Kind::Sid("KS")),
    ("account_sid", Kind::Sid("AC")),
    ("type", Kind::Text),
    ("data", Kind::Text),
    ("inbound_participant_sid", Kind::Null),
    ("inbound_resource_sid", Kind::Null),
    ("inbound_resource_status", Kind::Null),
    ("inbound_resource_type", Kind::Null),
    ("inbound_resource_url", Kind::Null),
    ("outbound_participant_sid", Kind::Sid("KP")),
    ("outbound_resource_sid", Kind::Or(&Kind::Sid("SM"), &Kind::Sid("MM"))),
    ("outbound_resource_status", Kind::Text),
    ("outbound_resource_type", Kind::Text),
    ("outbound_resource_url", Kind::Null),
    ("date_created", Kind::Date),
    ("date_updated", Kind::Date),
    ("url", Kind::Url),
];

const META: Keys = &[
    ("first_page_url", Kind::Url),
    ("key", Kind::Text),
    ("next_page_url", Kind::Or(&Kind::Url, &Kind::Null)),
    ("page", Kind::Number),
    ("page_size", Kind::Number),
    ("previous_page_url", Kind::Or(&Kind::Url, &Kind::Null)),
    ("url", Kind::Url),
];

/// Whether the value is of that kind; says where it is not.
fn check(value: &Value, kind: Kind, at: &str) -> Result<(), String> {
    let text = value.as_str();
    let fits = match kind {
        Kind::Sid(prefix) => text.is_some_and(|text| {
            let hex = text.strip_prefix(prefix).unwrap_or_default();
            hex.len() == 32 && hex.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        }),
        Kind::Text => text.is_some(),
        Kind::Number => value.is_u64(),
        Kind::Flag => value.is_boolean(),
        Kind::Null => value.is_null(),
        Kind::Date => text.is_some_and(|text| {
            let pattern: String =
                text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            pattern == "0000-00-00T00:00:00Z"
        }),
        Kind::Or(one, other) => check(value, *one, at).or(check(value, *other, at)).is_ok(),
        Kind::Url => text.is_some_and(|text| text.starts_with(&format!("http://{HOST}/v1/"))),
        Kind::Object(keys) => return check_keys(value, keys, at),
    };
    if fits { Ok(()) } else { Err(format!("{at}: {value} is not {kind:?}")) }
}

fn check_keys(value: &Value, keys: Keys, at: &str) -> Result<(), String> {
    let object = value.as_object().ok_or(format!("{at}: no object"))?;
    if object.len() != keys.len() {
        return Err(format!("{at}: {:?}", object.keys().collect::<Vec<_>>()));
    }
    keys.iter().try_for_each(|(key, kind)| {
        check(object.get(*key).unwrap_or(&Value::Null), *kind, &format!("{at}.{key}"))
    })
}

/// Makes one of a list, and checks it as it is answered, fetched and listed.
fn made(client: &Client, list: &str, key: &str, keys: Keys, fields: &[(&str, &str)]) -> String {
    let answer = client.post(list, fields);
    assert_eq!(answer.status, 201, "{list}: {}", answer.text());
    let made = answer.json();
    assert_eq!(check_keys(&made, keys, key), Ok(()));
    let path = format!("{list}/{}", made["sid"].as_str().unwrap());
    assert_eq!(made["url"], format!("http://{HOST}{path}"));

    let fetched = client.get(&path);
    assert_eq!((fetched.status, fetched.json()), (200, made.clone()), "{path}");

    let listed = client.get(list);
    assert_eq!(listed.status, 200);
    assert_eq!(listed.header("content-type"), "application/json;charset=utf-8");
    let listed = listed.json();
    assert_eq!(listed.as_object().unwrap().len(), 2, "{listed}");
    assert_eq!(listed[key], Value::Array(vec![made]), "{listed}");
    assert_eq!(check_keys(&listed["meta"], META, "meta"), Ok(()));
    assert_eq!(listed["meta"]["key"], key);
    path
}

/// Updates it, and checks it as it is answered.
fn updated(client: &Client, path: &str, keys: Keys, fields: &[(&str, &str)]) {
    let answer = client.post(path, fields);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(check_keys(&answer.json(), keys, path), Ok(()));
    assert_eq!(client.get(path).json(), answer.json());
}

/// Deletes it: nothing is answered, and it is gone.
fn deleted(client: &Client, path: &str) {
    let answer = client.delete(path);
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
    assert_eq!(answer.header("content-type"), "");
    assert_eq!(client.get(path).error(), (404, 20404), "{path}");
    assert_eq!(client.delete(path).error(), (404, 20404), "{path}");
}

#[test]
fn all_thirty_operations_answer_with_the_status_and_the_shape_of_the_api() {
    let client = Client::new();
    let service = made(
        &client,
        "/v1/Services",
        "services",
        SERVICE,
        &[("UniqueName", "a"), ("ChatInstanceSid", "IS0123456789abcdef0123456789abcdef")],
    );
    updated(&client, &service, SERVICE, &[("CallbackUrl", "http://example.com/")]);

    let list = format!("{service}/PhoneNumbers");
    let fields = [("PhoneNumber", "+14155559999")];
    let number = made(&client, &list, "phone_numbers", PHONE_NUMBER, &fields);
    updated(&client, &number, PHONE_NUMBER, &[("IsReserved", "false")]);

    let list = format!("{service}/ShortCodes");
    let fields = [("Sid", "SC0123456789abcdef0123456789abcdef")];
    let short_code = made(&client, &list, "short_codes", SHORT_CODE, &fields);
    updated(&client, &short_code, SHORT_CODE, &[("IsReserved", "true")]);

    let list = format!("{service}/Sessions");
    let session = made(&client, &list, "sessions", SESSION, &[("UniqueName", "Order #1234")]);
    updated(&client, &session, SESSION, &[("Ttl", "3600")]);

    let list = format!("{session}/Participants");
    let fields = [("Identifier", ANN), ("FriendlyName", "Ann")];
    let participant = made(&client, &list, "participants", PARTICIPANT, &fields);

    let list = format!("{participant}/MessageInteractions");
    let keys = [INTERACTION, &[("participant_sid", Kind::Sid("KP"))]].concat().leak();
    let message = made(&client, &list, "interactions", keys, &[("Body", "hello")]);

    let sid = message.rsplit('/').next().unwrap();
    let interaction = format!("{session}/Interactions/{sid}");
    let fetched = client.get(&interaction).json();
    assert_eq!(check_keys(&fetched, INTERACTION, "interaction"), Ok(()));
    let listed = client.get(&format!("{session}/Interactions")).json();
    assert_eq!(listed["interactions"], Value::Array(vec![fetched]));
    assert_eq!(check_keys(&listed["meta"], META, "meta"), Ok(()));

    deleted(&client, &interaction);
    assert_eq!(client.get(&message).error(), (404, 20404));
    deleted(&client, &participant);
    deleted(&client, &session);
    deleted(&client, &short_code);
    deleted(&client, &number);
    deleted(&client, &service);
    assert_eq!(client.backend.used(), 0);
}

#[test]
fn an_error_has_the_four_keys_in_the_order_of_the_api() {
    let client = Client::new();
    let answer = client.get("/v1/Services/none?PageSize=1");
    assert_eq!(
        answer.text(),
        "{\"code\":20404,\"message\":\"The requested resource /Services/none was not found\",\
         \"more_info\":\"https://www.twilio.com/docs/errors/20404\",\"status\":404}"
    );
    assert_eq!(answer.header("content-type"), "application/json;charset=utf-8");
}

#[test]
fn every_answer_has_an_id_of_its_own() {
    let client = Client::new();
    let id = || {
        let answer = client.get("/v1/Services");
        assert!(answer.header("twilio-request-duration").parse::<f64>().is_ok());
        answer.header("twilio-request-id").to_owned()
    };
    let (one, other) = (id(), id());
    assert!(one.starts_with("RQ") && one.len() == 34 && one != other, "{one} {other}");
}

#[test]
fn keys_of_a_resource_stand_in_the_order_of_the_api() {
    let client = Client::new();
    let session = client.session_of_two();
    for (path, keys) in [(&session, SESSION), (&client.participant(&session, ANN), PARTICIPANT)]
    {
        let answer = client.get(path);
        let places = keys.iter().map(|(key, _)| answer.text().find(&format!("\"{key}\":")));
        assert!(places.is_sorted(), "{}", answer.text());
    }
}
