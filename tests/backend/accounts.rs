//! Are accounts worlds of their own, and do credentials lead to the right one?

use std::collections::HashMap;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use maskgate::backend::Options;
use maskgate::sid::Sid;

use crate::support::ACCOUNT;
use crate::support::Client;
use crate::support::HOST;
use crate::support::OTHER_ACCOUNT;
use crate::support::basic;

const KEY: &str = "SK00000000000000000000000000000009";

#[test]
fn another_account_sees_nothing_and_may_use_the_same_names_and_numbers() {
    let client = Client::new();
    let service = client.service_with_number();
    let other = client.authorized(basic(OTHER_ACCOUNT, "secret"));
    for path in [service.clone(), format!("{service}/PhoneNumbers")] {
        assert_eq!(other.get(&path).error(), (404, 20404));
    }
    assert_eq!(other.delete(&service).error(), (404, 20404));
    assert_eq!(other.get("/v1/Services").json()["services"].as_array().unwrap().len(), 0);
    other.service_with_number();
    assert_eq!(client.get("/v1/Services").json()["services"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_acts_for_the_account_that_is_named_for_it() {
    let accounts = HashMap::from([(Sid::parse(KEY).unwrap(), Sid::parse(ACCOUNT).unwrap())]);
    let client = Client::with(Options { accounts, ..Options::default() });
    let service = client.service("one");
    let by_key = client.authorized(basic(KEY, "secret"));
    assert_eq!(by_key.get(&service).json()["account_sid"], ACCOUNT);
}

#[test]
fn a_key_without_an_account_acts_for_the_one_with_its_digits() {
    let client = Client::new();
    let by_key = client.authorized(basic(KEY, "secret"));
    let service = by_key.service("one");
    assert_eq!(by_key.get(&service).json()["account_sid"], KEY.replace("SK", "AC"));
}

#[test]
fn a_token_acts_for_one_account() {
    let client = Client::new();
    let one = client.authorized(String::from("Bearer one"));
    let service = one.service("one");
    assert_eq!(one.get(&service).status, 200);
    let other = client.authorized(String::from("Bearer other"));
    assert_eq!(other.get(&service).error(), (404, 20404));
}

#[test]
fn wrong_credentials_are_told_to_authenticate() {
    let client = Client::new();
    for authorization in [
        basic(ACCOUNT, "wrong"),
        basic("somebody", "secret"),
        String::from("Bearer wrong"),
        String::from("Basic"),
    ] {
        let answer = client.authorized(authorization).get("/v1/Services");
        assert_eq!(answer.error(), (401, 20003));
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Twilio API\"");
    }
}

#[test]
fn a_request_without_credentials_is_told_so() {
    let request = Request::get("/v1/Services").body(Full::new(Bytes::new())).unwrap();
    let answer = Client::new().answer(request);
    assert_eq!(answer.error(), (401, 20003));
    assert_eq!(answer.json()["message"], "Authentication Error - No credentials provided");
}

#[test]
fn who_nobody_knows_is_not_told_what_is_wrong_with_a_path() {
    for path in ["/v1/Services/x/Sessions", "/v1/Services/KSx"] {
        let request = Request::post(path).body(Full::new(Bytes::new())).unwrap();
        assert_eq!(Client::new().answer(request).error(), (401, 20003), "{path}");
    }
}

#[test]
fn addresses_are_those_that_the_request_was_sent_to() {
    let client = Client::new();
    let request = Request::get("/v1/Services")
        .header("authorization", basic(ACCOUNT, "secret"))
        .header("host", HOST)
        .header("x-forwarded-proto", "https, http")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let url = &client.answer(request).json()["meta"]["url"];
    assert_eq!(*url, format!("https://{HOST}/v1/Services?PageSize=50&Page=0"));
}

#[test]
fn addresses_are_on_the_public_base_where_one_is_given() {
    let public_url = Some(String::from("https://api.example.com/"));
    let client = Client::with(Options { public_url, ..Options::default() });
    let url = &client.get("/v1/Services").json()["meta"]["url"];
    assert_eq!(*url, "https://api.example.com/v1/Services?PageSize=50&Page=0");
}

#[test]
fn a_reset_forgets_every_account() {
    let client = Client::new();
    client.service_with_number();
    client.authorized(basic(OTHER_ACCOUNT, "secret")).service("one");
    assert_eq!(client.backend.used(), 3);
    client.backend.reset();
    assert_eq!(client.backend.used(), 0);
    assert!(client.get("/v1/Services").json()["services"].as_array().unwrap().is_empty());
}

#[test]
fn threads_that_ask_for_one_name_at_once_make_one_service() {
    let client = Client::new();
    for round in 0..50 {
        let name = round.to_string();
        let fields = [("UniqueName", name.as_str())];
        let ask = || client.post("/v1/Services", &fields).error();
        let mut errors = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        errors.sort_unstable();
        assert_eq!(errors, [(201, 0), (400, 80602), (400, 80602), (400, 80602)]);
    }
    assert_eq!(client.backend.used(), 50);
}
