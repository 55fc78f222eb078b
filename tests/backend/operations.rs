//! Do the operations do what they say, and nothing else?

use std::time::Duration;

use crate::support::ANN;
use crate::support::BOB;
use crate::support::Client;
use crate::support::person;

#[test]
fn an_update_changes_just_what_it_names() {
    let client = Client::new();
    let service = client.made(
        "/v1/Services",
        &[("UniqueName", "one"), ("DefaultTtl", "60"), ("CallbackUrl", "http://a/")],
    );
    let before = client.get(&service).json();
    client.clock.advance(Duration::from_secs(5));
    let after = client.post(&service, &[("GeoMatchLevel", "extended-area-code")]).json();
    assert_ne!(before["date_updated"], after["date_updated"]);
    let mut expected = before;
    expected["geo_match_level"] = "extended-area-code".into();
    expected["date_updated"] = after["date_updated"].clone();
    assert_eq!(after, expected);
}

#[test]
fn a_unique_name_that_is_sent_empty_stays() {
    let client = Client::new();
    let service = client.service("one");
    let answer = client.post(&service, &[("UniqueName", ""), ("DefaultTtl", "5")]).json();
    assert_eq!((&answer["unique_name"], &answer["default_ttl"]), (&"one".into(), &5.into()));
}

#[test]
fn an_address_that_only_names_the_api_is_taken() {
    let client = Client::new();
    let service = client.service("one");
    for url in [
        "https://a.example/?to=https://proxy.twilio.com/",
        "https://proxy.twilio.com.example/",
        "https://proxy.twilio.com@a.example/",
        "proxy.twilio.com",
    ] {
        let answer = client.post(&service, &[("CallbackUrl", url)]).json();
        assert_eq!(answer["callback_url"], url);
    }
}

#[test]
fn a_short_code_is_not_made_reserved() {
    let client = Client::new();
    let codes = format!("{}/ShortCodes", client.service("one"));
    let fields = [("Sid", "SC0123456789abcdef0123456789abcdef"), ("IsReserved", "true")];
    let code = client.made(&codes, &fields);
    assert_eq!(client.get(&code).json()["is_reserved"], false);
    assert_eq!(client.post(&code, &[("IsReserved", "true")]).json()["is_reserved"], true);
}

#[test]
fn an_address_that_is_sent_empty_is_unset() {
    let client = Client::new();
    let service =
        client.made("/v1/Services", &[("UniqueName", "one"), ("CallbackUrl", "http://a/")]);
    assert!(client.post(&service, &[("CallbackUrl", "")]).json()["callback_url"].is_null());
}

#[test]
fn a_service_has_the_defaults_of_the_api() {
    let client = Client::new();
    let service = client.get(&client.service("one")).json();
    assert_eq!(service["default_ttl"], 0);
    assert_eq!(service["geo_match_level"], "country");
    assert_eq!(service["number_selection_behavior"], "prefer-sticky");
    assert!(service["callback_url"].is_null());
}

#[test]
fn unique_names_lead_to_services_and_sessions_whatever_their_letters() {
    let client = Client::new();
    let name = "Süß 🚕 #1/2? 100%+.json";
    let path = "S%C3%BC%C3%9F%20%F0%9F%9A%95%20%231%2F2%3F%20100%25+.json";
    let service = client.service(name);
    let by_name = client.get(&format!("/v1/Services/{path}"));
    assert_eq!(by_name.json()["unique_name"], name);
    assert_eq!(client.get(&format!("/v1/Services/{path}.json")).json(), by_name.json());
    client.made(&format!("{service}/Sessions"), &[("UniqueName", name)]);
    let session = client.get(&format!("{service}/Sessions/{path}")).json();
    assert_eq!(session["unique_name"], name);
    client.post(&service, &[("UniqueName", "other")]);
    assert_eq!(client.get(&format!("/v1/Services/{path}")).error(), (404, 20404));
    assert_eq!(client.get("/v1/Services/other").status, 200);
}

#[test]
fn the_letters_of_a_sid_may_be_of_either_case() {
    let client = Client::new();
    let service = client.service("one");
    let (list, sid) = service.rsplit_once('/').unwrap();
    let upper = format!("{list}/KS{}", sid[2..].to_uppercase());
    assert_eq!(client.get(&upper).json(), client.get(&service).json());
}

#[test]
fn a_service_goes_with_everything_in_it() {
    let client = Client::new();
    let session = client.session_of_two();
    let ann = client.participant(&session, ANN);
    client.post(&format!("{ann}/MessageInteractions"), &[("Body", "hi")]);
    let service = session.split("/Sessions").next().unwrap();
    assert_eq!(client.delete(service).status, 204);
    for path in [service, &session, &ann, &format!("{session}/Interactions")] {
        assert_eq!(client.get(path).error(), (404, 20404), "{path}");
    }
    assert_eq!(client.backend.used(), 0);
    // Its name and its number are free.
    client.session_of_two();
}

#[test]
fn a_deleted_participant_is_out_of_sight_and_its_seat_is_free() {
    let client = Client::new();
    let session = client.session_of_two();
    let ann = client.participant(&session, ANN);
    assert_eq!(client.delete(&ann).status, 204);
    let list = client.get(&format!("{session}/Participants")).json();
    assert_eq!(list["participants"].as_array().unwrap().len(), 1);
    assert_eq!(client.get(&format!("{ann}/MessageInteractions")).error(), (404, 20404));
    client.made(&format!("{session}/Participants"), &[("Identifier", "+14155550107")]);
}

#[test]
fn participants_of_a_session_may_be_spelt_as_the_sdks_spell_them() {
    let client = Client::new();
    let sessions = format!("{}/Sessions", client.service_with_number());
    let one = format!("{{\"identifier\":\"{ANN}\",\"friendly_name\":\"Ann\"}}");
    let other = format!("{{\"identifier\":\"{BOB}\",\"friendlyName\":\"Bob\"}}");
    let session = client.made(&sessions, &[("Participants", &one), ("Participants", &other)]);
    let ann = client.get(&client.participant(&session, ANN)).json();
    assert_eq!(ann["friendly_name"], "Ann");
    let array = format!("[{},{}]", person("+14155550107"), person("+14155550108"));
    client.made(&sessions, &[("Participants", &array)]);
}

#[test]
fn a_message_starts_its_session_and_is_listed_under_both_addresses() {
    let client = Client::new();
    let session = client.session_of_two();
    let (ann, bob) = (client.participant(&session, ANN), client.participant(&session, BOB));
    let list = format!("{ann}/MessageInteractions");
    let fields =
        [("Body", "Grüße \"🚕\""), ("MediaUrl", "http://a/1"), ("MediaUrl", "http://a/2")];
    let message = client.made(&list, &fields);
    let sid = message.rsplit('/').next().unwrap();
    let json = client.get(&message).json();
    assert_eq!(
        json["data"],
        "{\"body\":\"Grüße \\\"🚕\\\"\",\"media_url\":[\"http://a/1\",\"http://a/2\"]}"
    );
    assert_eq!(json["participant_sid"], ann.rsplit('/').next().unwrap());
    assert!(json["outbound_resource_sid"].as_str().unwrap().starts_with("MM"));
    let bobs = format!("{bob}/MessageInteractions");
    assert_eq!(client.get(&format!("{bobs}/{sid}")).error(), (404, 20404));
    assert!(client.get(&bobs).json()["interactions"].as_array().unwrap().is_empty());
    let all = client.get(&format!("{session}/Interactions")).json();
    assert_eq!(all["interactions"][0]["sid"], sid);
    let started = client.get(&session).json();
    assert_eq!(started["status"], "in-progress");
    assert!(
        started["date_started"].is_string() && started["date_last_interaction"].is_string()
    );
}

#[test]
fn of_a_repeated_parameter_the_first_counts_and_names_are_exact() {
    let client = Client::new();
    let fields = [("uniquename", "x"), ("UniqueName", "a"), ("UniqueName", "b")];
    let service = client.made("/v1/Services", &fields);
    assert_eq!(client.get(&service).json()["unique_name"], "a");
}

#[test]
fn a_seed_makes_the_same_sids() {
    assert_eq!(Client::new().service("one"), Client::new().service("one"));
}
