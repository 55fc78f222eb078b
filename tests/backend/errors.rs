//! Is each error given where it is due, and is nothing changed by a request that is refused?

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they fail")]

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::ACCOUNT;
use crate::support::ANN;
use crate::support::BOB;
use crate::support::Client;
use crate::support::Fields;
use crate::support::basic;
use crate::support::person;

const CARL: &str = "+14155550103";
const NUMBER: &str = "+14155559999";

/// Asserts that a POST is answered with 400 and a code.
fn refused(client: &Client, path: &str, fields: Fields<'_>, code: u64) {
    let answer = client.post(path, fields);
    assert_eq!(answer.error(), (400, code), "{path} {fields:?}: {}", answer.text());
    assert!(answer.json()["message"].as_str().unwrap().len() > 5);
}

#[test]
fn what_is_required_is_asked_for_by_name() {
    let client = Client::new();
    let session = client.session_of_two();
    let service = session.split("/Sessions").next().unwrap();
    let messages = format!("{}/MessageInteractions", client.participant(&session, ANN));
    for (path, name) in [
        ("/v1/Services", "UniqueName"),
        (&format!("{service}/PhoneNumbers"), "Sid or PhoneNumber"),
        (&format!("{service}/ShortCodes"), "Sid"),
        (&format!("{session}/Participants"), "Identifier"),
        (&messages, "Body or MediaUrl"),
    ] {
        let answer = client.post(path, &[("Unknown", "x"), ("Body", "")]);
        assert_eq!(answer.error(), (400, 20001), "{path}");
        let message = format!("Missing required parameter {name} in the post body");
        assert_eq!(answer.json()["message"], message);
    }
    let nameless = [("Participants", "{\"FriendlyName\":\"x\"}")];
    refused(&client, &format!("{service}/Sessions"), &nameless, 20001);
}

#[test]
fn what_is_not_there_is_not_found() {
    let client = Client::new();
    let session = client.session_of_two();
    let zeros = "0".repeat(32);
    let service = session.split("/Sessions").next().unwrap();
    let absent = format!("/v1/Services/KS{zeros}");
    let lost = format!("{service}/Sessions/KC{zeros}");
    for (method, path) in [
        ("GET", String::from("/")),
        ("GET", String::from("/v1/Nothing")),
        ("GET", absent.clone()),
        ("POST", absent.clone()),
        ("GET", format!("{absent}/Sessions")),
        ("POST", format!("{absent}/Sessions")),
        ("POST", format!("{absent}/PhoneNumbers")),
        ("GET", lost.clone()),
        ("POST", lost.clone()),
        ("DELETE", lost.clone()),
        ("GET", format!("{lost}/Participants")),
        ("POST", format!("{lost}/Participants")),
        ("GET", format!("{lost}/Interactions")),
        ("GET", format!("{session}/Participants/KP{zeros}")),
        ("DELETE", format!("{session}/Participants/KP{zeros}")),
        ("GET", format!("{session}/Participants/KP{zeros}/MessageInteractions")),
        ("POST", format!("{session}/Participants/KP{zeros}/MessageInteractions")),
        ("GET", format!("{session}/Interactions/KI{zeros}")),
        ("DELETE", format!("{session}/Interactions/KI{zeros}")),
        ("POST", format!("{service}/PhoneNumbers/PN{zeros}")),
        ("DELETE", format!("{service}/ShortCodes/SC{zeros}")),
    ] {
        let answer = client.send(method, &path, &[]);
        assert_eq!(answer.error(), (404, 20404), "{method} {path}: {}", answer.text());
    }
}

#[test]
fn what_is_no_sid_is_refused_by_its_kind() {
    let client = Client::new();
    let session = client.session_of_two();
    let service = session.split("/Sessions").next().unwrap();
    for (path, code) in [
        ("/v1/Services/x/Sessions", 80408),
        (&format!("{service}/Sessions/x/Participants"), 80409),
        (&format!("{session}/Participants/x"), 80405),
        (&format!("{session}/Interactions/x"), 80403),
        (&format!("{service}/PhoneNumbers/x"), 80407),
        (&format!("{service}/ShortCodes/x"), 80303),
    ] {
        assert_eq!(client.get(path).error(), (400, code), "{path}");
    }
    refused(&client, &format!("{service}/PhoneNumbers"), &[("Sid", "PNx")], 80407);
    refused(&client, &format!("{service}/ShortCodes"), &[("Sid", "SCx")], 80303);
    for number in ["4155550000", "+0123", " 14155550000", "+1415555000x"] {
        refused(&client, &format!("{service}/PhoneNumbers"), &[("PhoneNumber", number)], 80406);
    }
    for identifier in ["Ann", " 14155550104", "+", "messenger:"] {
        let fields = [("Identifier", identifier)];
        refused(&client, &format!("{session}/Participants"), &fields, 80404);
    }
}

#[test]
fn a_method_that_a_path_has_not_is_answered_with_those_it_has() {
    let client = Client::new();
    for method in ["PUT", "PATCH", "HEAD", "OPTIONS", "DELETE"] {
        let answer = client.send(method, "/v1/Services", &[]);
        assert_eq!(answer.error(), (405, 20004), "{method}");
        assert_eq!(answer.header("allow"), "GET, POST");
    }
}

#[test]
fn values_that_cannot_be_are_named() {
    let client = Client::new();
    let service = client.service("one");
    for (name, value) in [
        ("DefaultTtl", "-1"),
        ("DefaultTtl", "2147483648"),
        ("GeoMatchLevel", "planet"),
        ("NumberSelectionBehavior", "sticky"),
        ("ChatInstanceSid", "IS123"),
        ("CallbackUrl", "https://proxy.twilio.com/v1/Services"),
        ("CallbackUrl", "https://me:x@Proxy.Twilio.COM.:443?x"),
    ] {
        refused(&client, &service, &[(name, value)], 80701);
        let answer = client.post(&service, &[(name, value)]).json();
        assert!(
            answer["message"].as_str().unwrap().starts_with(&format!("'{name}' is invalid. "))
        );
    }
    for (name, value) in [
        ("Mode", "telepathy"),
        ("Status", "asleep"),
        ("Ttl", "abc"),
        ("Ttl", "1.5"),
        ("Ttl", "+1"),
        ("Ttl", "-1"),
        ("DateExpiry", "tomorrow"),
        ("DateExpiry", "2001-01-01T00:00:00Z"),
        ("Participants", "Identifier"),
        ("Participants", "[1]"),
        ("Participants", "\"x\""),
    ] {
        refused(&client, &format!("{service}/Sessions"), &[(name, value)], 80701);
    }
    refused(
        &client,
        &format!("{service}/PhoneNumbers"),
        &[("PhoneNumber", NUMBER), ("IsReserved", "perhaps")],
        80701,
    );
    assert_eq!(client.backend.used(), 1);
    let answer = client.post(&service, &[("DefaultTtl", "2147483648")]).json();
    assert!(answer["message"].as_str().unwrap().ends_with("from 0 to 2147483647"), "{answer}");
}

#[test]
fn what_is_not_utf_8_is_refused_and_anything_else_that_is_no_form_is_ignored() {
    let client = Client::new();
    for body in [b"UniqueName=%ff".to_vec(), b"UniqueName=\xff".to_vec()] {
        assert_eq!(client.send_body("POST", "/v1/Services", body).error(), (400, 80701));
    }
    let json = b"{\"UniqueName\":\"x\"}".to_vec();
    assert_eq!(client.send_body("POST", "/v1/Services", json).error(), (400, 20001));
    let odd = b"&&=&a&UniqueName=x&=b&%".to_vec();
    assert_eq!(client.send_body("POST", "/v1/Services", odd).status, 201);
}

#[test]
fn a_body_above_the_cap_is_too_large() {
    let body = vec![b'a'; maskgate::backend::MAX_BODY + 1];
    let answer = Client::new().send_body("POST", "/v1/Services", body);
    assert_eq!(answer.error(), (413, 20413));
}

#[test]
fn names_are_unique_and_compared_exactly() {
    let client = Client::new();
    let one = client.service("Names");
    let other = client.service("names");
    refused(&client, "/v1/Services", &[("UniqueName", "Names")], 80602);
    refused(&client, &other, &[("UniqueName", "Names")], 80602);
    assert_eq!(client.post(&one, &[("UniqueName", "Names")]).status, 200);

    let sessions = format!("{one}/Sessions");
    let session = client.made(&sessions, &[("UniqueName", "order")]);
    refused(&client, &sessions, &[("UniqueName", "order")], 80603);
    client.post(&session, &[("Status", "closed")]);
    refused(&client, &sessions, &[("UniqueName", "order")], 80603);
    client.made(&format!("{other}/Sessions"), &[("UniqueName", "order")]);
    client.delete(&session);
    client.made(&sessions, &[("UniqueName", "order")]);
}

#[test]
fn a_number_is_in_one_pool_once() {
    let client = Client::new();
    let (one, other) = (client.service("one"), client.service("other"));
    let number = client.made(&format!("{one}/PhoneNumbers"), &[("PhoneNumber", NUMBER)]);
    let sid = number.rsplit('/').next().unwrap();
    for fields in [[("PhoneNumber", NUMBER)], [("Sid", sid)]] {
        refused(&client, &format!("{one}/PhoneNumbers"), &fields, 80104);
        refused(&client, &format!("{other}/PhoneNumbers"), &fields, 80101);
    }
    client.delete(&number);
    client.made(&format!("{other}/PhoneNumbers"), &[("Sid", sid)]);

    let code = [("Sid", "SC0123456789abcdef0123456789abcdef")];
    client.made(&format!("{one}/ShortCodes"), &code);
    refused(&client, &format!("{one}/ShortCodes"), &code, 80105);
    refused(&client, &format!("{other}/ShortCodes"), &code, 80101);
}

#[test]
fn a_session_has_two_participants_who_come_once() {
    let client = Client::new();
    let session = client.session_of_two();
    let list = format!("{session}/Participants");
    refused(&client, &list, &[("Identifier", CARL)], 80609);
    refused(&client, &list, &[("Identifier", ANN)], 80103);

    let ann = client.participant(&session, ANN);
    client.delete(&ann);
    refused(&client, &list, &[("Identifier", ANN)], 80103);

    let bob = client.participant(&session, BOB);
    assert_eq!(
        client.post(&format!("{bob}/MessageInteractions"), &[("Body", "hi")]).status,
        201
    );
    client.delete(&bob);
    refused(&client, &list, &[("Identifier", BOB)], 80102);
    client.made(&list, &[("Identifier", CARL)]);
}

#[test]
fn a_session_is_made_with_all_its_participants_or_not_at_all() {
    let client = Client::new();
    let service = client.service_with_number();
    let sessions = format!("{service}/Sessions");
    let used = client.backend.used();
    let (ann, bob, carl) = (person(ANN), person(BOB), person(CARL));
    let of = |people: &[&String]| {
        let mut fields = vec![("UniqueName", "order")];
        fields.extend(people.iter().map(|person| ("Participants", person.as_str())));
        client.post(&sessions, &fields).error()
    };
    assert_eq!(of(&[&ann, &bob, &carl]), (400, 80609));
    assert_eq!(of(&[&ann, &ann]), (400, 80103));
    assert_eq!(of(&[&ann, &person("x")]), (400, 80404));
    assert_eq!(client.backend.used(), used);
    assert_eq!(client.get(&format!("{sessions}/order")).error(), (404, 20404));
    let number = client.get(&format!("{service}/PhoneNumbers")).json();
    assert_eq!(number["phone_numbers"][0]["in_use"], 0);
    assert_eq!(of(&[&ann, &bob]), (201, 0));
}

#[test]
fn a_closed_session_stays_as_it_is() {
    let client = Client::new();
    let session = client.session_of_two();
    let ann = client.participant(&session, ANN);
    let closed = client.post(&session, &[("Status", "closed")]).json();
    assert_eq!(
        (&closed["status"], &closed["closed_reason"]),
        (&"closed".into(), &"api".into())
    );
    refused(&client, &format!("{session}/Participants"), &[("Identifier", CARL)], 80607);
    refused(&client, &format!("{ann}/MessageInteractions"), &[("Body", "hi")], 80607);
    refused(&client, &session, &[("Ttl", "5")], 80607);
    refused(&client, &session, &[("DateExpiry", "")], 80607);
    assert_eq!(client.post(&session, &[("Status", "closed")]).status, 200);
    assert_eq!(client.delete(&ann).status, 204);
}

#[test]
fn a_session_goes_from_status_to_status_as_the_api_lets_it() {
    let client = Client::new();
    let session = client.session_of_two();
    let sessions = session.rsplit_once('/').unwrap().0;
    for status in ["closed", "failed", "unknown"] {
        refused(&client, sessions, &[("Status", status)], 80608);
    }
    let status = |status| client.post(&session, &[("Status", status)]).error();
    assert_eq!(status("open"), (200, 0));
    assert_eq!(status("failed"), (400, 80608));
    assert_eq!(status("in-progress"), (200, 0));
    assert_eq!(status("open"), (400, 80608));
    assert_eq!(status("closed"), (200, 0));
    assert_eq!(status("open"), (400, 80608));
    assert_eq!(status("in-progress"), (200, 0));
    let again = client.get(&session).json();
    assert_eq!((&again["closed_reason"], again["date_ended"].is_null()), (&"".into(), true));
}

#[test]
fn a_session_is_not_reopened_into_a_conflict() {
    let client = Client::new();
    let session = client.session_of_two();
    let sessions = session.rsplit_once('/').unwrap().0;
    client.post(&session, &[("Status", "closed")]);
    let other = client.made(sessions, &[("Participants", &person(ANN))]);
    let reopen = [("Status", "in-progress")];
    refused(&client, &session, &reopen, 80801);
    let told = [("Status", "in-progress"), ("FailOnParticipantConflict", "true")];
    assert_eq!(client.post(&session, &told).error(), (409, 80623));
    client.delete(&other);
    assert_eq!(client.post(&session, &reopen).status, 200);
}

#[test]
fn a_session_is_not_reopened_without_its_number() {
    let client = Client::new();
    let session = client.session_of_two();
    let service = session.split("/Sessions").next().unwrap();
    let numbers = client.get(&format!("{service}/PhoneNumbers")).json();
    let sid = numbers["phone_numbers"][0]["sid"].as_str().unwrap();
    let number = format!("{service}/PhoneNumbers/{sid}");
    assert_eq!(client.delete(&number).error(), (400, 80611));
    client.post(&session, &[("Status", "closed")]);
    assert_eq!(client.delete(&number).status, 204);
    refused(&client, &session, &[("Status", "in-progress")], 80801);
}

#[test]
fn a_mode_keeps_out_what_it_cannot_carry() {
    let client = Client::new();
    let sessions = format!("{}/Sessions", client.service_with_number());
    let service = sessions.strip_suffix("/Sessions").unwrap();
    let session =
        client.made(&sessions, &[("Mode", "voice-only"), ("Participants", &person(ANN))]);
    let ann = client.participant(&session, ANN);
    refused(&client, &format!("{ann}/MessageInteractions"), &[("Body", "hi")], 80202);
    let people = format!("{session}/Participants");
    refused(&client, &people, &[("Identifier", "messenger:bob")], 80616);
    let code = "SC0123456789abcdef0123456789abcdef";
    client.made(&format!("{service}/ShortCodes"), &[("Sid", code)]);
    refused(&client, &people, &[("Identifier", BOB), ("ProxyIdentifierSid", code)], 80201);
}

#[test]
fn an_absurd_path_is_answered_as_any_other() {
    let client = Client::new();
    for path in ["/v1/Services/%00", "/v1/Services/%22%3Cx%3E", "/v1/Services/..", "/%ff?%ff"] {
        assert_eq!(client.get(path).error(), (404, 20404), "{path}");
    }
    assert_eq!(client.get("/v1/Services?PageSize=%ff").error(), (400, 80701));
    let long = format!("/v1/Services/{}", "x/".repeat(5000));
    assert_eq!(client.get(&long).error(), (404, 20404));
    let request = Request::builder()
        .method("OPTIONS")
        .uri("*")
        .header("authorization", basic(ACCOUNT, "secret"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    assert_eq!(client.answer(request).error(), (404, 20404));
}
