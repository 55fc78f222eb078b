//! Which number does a participant get, and what counts as its use?

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they fail")]

use std::collections::HashSet;

use serde_json::Value;

use crate::support::ANN;
use crate::support::BOB;
use crate::support::Client;
use crate::support::Fields;
use crate::support::person;

const ONE: &str = "+12125550001";
const TWO: &str = "+12125550002";
const NEAR: &str = "+14155550009";

/// A service with some numbers, by its path.
fn service(client: &Client, settings: Fields<'_>, numbers: &[&str]) -> String {
    let fields = [&[("UniqueName", "numbers")], settings].concat();
    let service = client.made("/v1/Services", &fields);
    for number in numbers {
        client.made(&format!("{service}/PhoneNumbers"), &[("PhoneNumber", number)]);
    }
    service
}

/// A new session of one person, and the number that the person got.
fn session(client: &Client, service: &str, identifier: &str) -> (String, String) {
    let fields = [("Participants", person(identifier))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let session = client.made(&format!("{service}/Sessions"), &fields);
    let participant = client.get(&client.participant(&session, identifier)).json();
    (session, participant["proxy_identifier"].as_str().unwrap().to_owned())
}

/// The uses of each number, the newest first.
fn in_use(client: &Client, service: &str) -> Vec<u64> {
    let list = client.get(&format!("{service}/PhoneNumbers")).json();
    let numbers = list["phone_numbers"].as_array().unwrap();
    numbers.iter().map(|number| number["in_use"].as_u64().unwrap()).collect()
}

#[test]
fn a_pool_that_has_nothing_to_give_says_why() {
    let client = Client::new();
    let empty = service(&client, &[], &[]);
    let ann = person(ANN);
    let fields = [("Participants", ann.as_str())];
    let sessions = format!("{empty}/Sessions");
    assert_eq!(client.post(&sessions, &fields).error(), (400, 80205));
    let reserved = [("PhoneNumber", ONE), ("IsReserved", "true")];
    let number = client.made(&format!("{empty}/PhoneNumbers"), &reserved);
    assert_eq!(client.post(&sessions, &fields).error(), (400, 80207));
    client.post(&number, &[("IsReserved", "false")]);
    assert_eq!(client.post(&sessions, &fields).status, 201);
    assert_eq!(client.post(&sessions, &fields).error(), (400, 80206));
}

#[test]
fn an_identifier_never_has_one_number_in_two_open_sessions() {
    let client = Client::new();
    let service = service(&client, &[], &[ONE, TWO]);
    let (first, one) = session(&client, &service, ANN);
    let (_, other) = session(&client, &service, ANN);
    assert_ne!(one, other);
    client.post(&first, &[("Status", "closed")]);
    assert_eq!(session(&client, &service, ANN).1, one);
}

#[test]
fn a_sticky_service_gives_an_identifier_its_last_number_again() {
    let client = Client::new();
    let service = service(&client, &[], &[ONE, TWO]);
    let (first, one) = session(&client, &service, ANN);
    client.post(&first, &[("Status", "closed")]);
    // The number is busier than the other by now.
    session(&client, &service, BOB);
    let (_, again) = session(&client, &service, ANN);
    assert_eq!(again, one);
}

#[test]
fn a_service_that_avoids_stickiness_gives_another_number_while_there_is_one() {
    let client = Client::new();
    let settings = [("NumberSelectionBehavior", "avoid-sticky")];
    let service = service(&client, &settings, &[ONE, TWO]);
    let mut given = Vec::new();
    for _ in 0..4 {
        let (made, number) = session(&client, &service, ANN);
        client.post(&made, &[("Status", "closed")]);
        given.push(number);
    }
    assert!(given.windows(2).all(|pair| pair[0] != pair[1]), "{given:?}");
}

#[test]
fn both_participants_of_a_session_get_one_number_and_sessions_are_spread_over_the_pool() {
    let client = Client::new();
    let service = service(&client, &[], &[ONE, TWO]);
    let two = [person("+13105550001"), person("+13105550002")];
    let fields = two.each_ref().map(|person| ("Participants", person.as_str()));
    let made = client.made(&format!("{service}/Sessions"), &fields);
    let people = client.get(&format!("{made}/Participants")).json();
    assert_eq!(
        people["participants"][0]["proxy_identifier"],
        people["participants"][1]["proxy_identifier"]
    );
    assert_eq!(in_use(&client, &service), [0, 1]);
    session(&client, &service, "+13105550003");
    assert_eq!(in_use(&client, &service), [1, 1]);
}

#[test]
fn a_service_that_minds_the_area_gives_a_number_of_it() {
    let client = Client::new();
    let service = service(&client, &[("GeoMatchLevel", "area-code")], &[ONE, NEAR, TWO]);
    assert_eq!(session(&client, &service, ANN).1, NEAR);
    assert_ne!(session(&client, &service, ANN).1, NEAR);
}

#[test]
fn a_service_prefers_numbers_of_the_country() {
    let client = Client::new();
    let british = "+442079460000";
    let service = service(&client, &[], &[ONE, british]);
    assert_eq!(session(&client, &service, "+441134960000").1, british);
    assert_eq!(session(&client, &service, "+493012345678").1, ONE);
}

#[test]
fn a_reserved_number_is_given_to_who_asks_for_it() {
    let client = Client::new();
    let service = service(&client, &[], &[ONE]);
    let reserved = [("PhoneNumber", TWO), ("IsReserved", "true")];
    let number = client.made(&format!("{service}/PhoneNumbers"), &reserved);
    let sid = number.rsplit('/').next().unwrap();
    let made = client.made(&format!("{service}/Sessions"), &[]);
    let people = format!("{made}/Participants");
    let ann = client.post(&people, &[("Identifier", ANN), ("ProxyIdentifier", TWO)]).json();
    assert_eq!(ann["proxy_identifier_sid"], sid);
    let bob = client.post(&people, &[("Identifier", BOB), ("ProxyIdentifierSid", sid)]).json();
    assert_eq!(bob["proxy_identifier"], TWO);
    assert_eq!(in_use(&client, &service), [1, 0]);
}

#[test]
fn a_number_that_cannot_be_given_is_refused_with_the_reason() {
    let client = Client::new();
    let own = service(&client, &[], &[ONE]);
    let other = client.service("other");
    client.made(&format!("{other}/PhoneNumbers"), &[("PhoneNumber", TWO)]);
    session(&client, &own, ANN);
    let people = format!("{}/Participants", client.made(&format!("{own}/Sessions"), &[]));
    let ask = |fields: Fields<'_>| client.post(&people, fields).error();
    assert_eq!(ask(&[("Identifier", ANN), ("ProxyIdentifier", ONE)]), (400, 80604));
    let told = ("FailOnParticipantConflict", "true");
    assert_eq!(ask(&[("Identifier", ANN), ("ProxyIdentifier", ONE), told]), (409, 80623));
    assert_eq!(ask(&[("Identifier", BOB), ("ProxyIdentifier", TWO)]), (400, 80605));
    assert_eq!(ask(&[("Identifier", BOB), ("ProxyIdentifier", NEAR)]), (400, 80606));
    let unknown = "PN00000000000000000000000000000000";
    assert_eq!(ask(&[("Identifier", BOB), ("ProxyIdentifierSid", unknown)]), (400, 80606));
    assert_eq!(ask(&[("Identifier", BOB), ("ProxyIdentifierSid", "x")]), (400, 80407));
    assert_eq!(ask(&[("Identifier", ONE), ("ProxyIdentifier", ONE)]), (400, 80402));
    let numbers = client.get(&format!("{own}/PhoneNumbers"));
    client.made(&format!("{own}/PhoneNumbers"), &[("PhoneNumber", NEAR)]);
    let sid = numbers.json()["phone_numbers"][0]["sid"].as_str().unwrap().to_owned();
    let two = [("Identifier", BOB), ("ProxyIdentifierSid", &sid), ("ProxyIdentifier", NEAR)];
    assert_eq!(ask(&two), (400, 80402));
}

#[test]
fn uses_of_a_number_are_the_open_sessions_that_have_it() {
    let client = Client::new();
    let made = client.session_of_two();
    let service = made.split("/Sessions").next().unwrap();
    assert_eq!(in_use(&client, service), [1]);
    client.delete(&client.participant(&made, ANN));
    assert_eq!(in_use(&client, service), [1]);
    client.post(&made, &[("Status", "closed")]);
    assert_eq!(in_use(&client, service), [0]);
    client.post(&made, &[("Status", "in-progress")]);
    assert_eq!(in_use(&client, service), [1]);
    client.delete(&client.participant(&made, BOB));
    assert_eq!(in_use(&client, service), [0]);
    client.delete(&made);
    assert_eq!(in_use(&client, service), [0]);
}

#[test]
fn a_short_code_is_given_to_who_asks_for_it() {
    let client = Client::new();
    let service = service(&client, &[], &[]);
    let sid = "SC0123456789abcdef0123456789abcdef";
    let code = client.made(&format!("{service}/ShortCodes"), &[("Sid", sid)]);
    let digits = client.get(&code).json()["short_code"].as_str().unwrap().to_owned();
    let made = client.made(&format!("{service}/Sessions"), &[]);
    let people = format!("{made}/Participants");
    assert_eq!(client.post(&people, &[("Identifier", ANN)]).error(), (400, 80207));
    let ann = client.post(&people, &[("Identifier", ANN), ("ProxyIdentifier", &digits)]).json();
    assert_eq!(ann["proxy_identifier_sid"], sid);
    assert_eq!(client.delete(&code).error(), (400, 80611));
}

#[test]
fn short_codes_by_the_thousand_are_told_apart() {
    let client = Client::new();
    let list = format!("{}/ShortCodes", client.service("codes"));
    let mut codes = HashSet::new();
    for code in 0..1500 {
        let made = client.post(&list, &[("Sid", &format!("SC{code:032}"))]);
        assert_eq!(made.status, 201, "{}", made.text());
        codes.insert(made.json()["short_code"].as_str().unwrap().to_owned());
    }
    assert_eq!(codes.len(), 1500);
    let again = client.post(&list, &[("Sid", &format!("SC{:032}", 7))]);
    assert_eq!(again.error(), (400, 80105));
}

#[test]
fn nobody_is_its_own_proxy_however_the_number_is_named() {
    let client = Client::new();
    let service = service(&client, &[], &[]);
    let reserved = [("PhoneNumber", ONE), ("IsReserved", "true")];
    let number = client.made(&format!("{service}/PhoneNumbers"), &reserved);
    let sid = number.rsplit('/').next().unwrap();
    let people = format!("{}/Participants", client.made(&format!("{service}/Sessions"), &[]));
    for named in [("ProxyIdentifier", ONE), ("ProxyIdentifierSid", sid)] {
        let answer = client.post(&people, &[("Identifier", ONE), named]);
        assert_eq!(answer.error(), (400, 80402), "{named:?}");
    }
}

#[test]
fn a_number_added_by_its_sid_is_the_same_every_time() {
    let client = Client::new();
    let list = format!("{}/PhoneNumbers", client.service("one"));
    let add = || {
        let path = client.made(&list, &[("Sid", "PN0123456789abcdef0123456789abcdef")]);
        let number: Value = client.get(&path).json();
        client.delete(&path);
        number["phone_number"].as_str().unwrap().to_owned()
    };
    assert_eq!(add(), add());
}
