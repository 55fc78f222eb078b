//! What a test may do behind its client's back: reset and fill the embedded backend, read what
//! reached it, turn the clock. On the admin listener alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use maskgate::time::Clock;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");
/// `AC00000000000000000000000000000001:demo`
const AUTHORIZATION: &str = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTpkZW1v";

/// A running program; killed when the test ends.
struct Running {
    child: Child,
    /// What it prints goes on being read.
    _output: BufReader<std::process::ChildStdout>,
    public: String,
    admin: String,
}

impl Running {
    /// Its first line names the public address, then the admin's.
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut addresses = line.split_whitespace().filter_map(|w| w.strip_prefix("http://"));
        let public = addresses.next().unwrap().to_owned();
        let admin = addresses.next().unwrap().to_owned();
        Self { child, _output: output, public, admin }
    }

    fn get_session_list(&self, service: &str) -> u16 {
        call(&self.public, "GET", &format!("/v1/Services/{service}/Sessions"), "").0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One request on a connection of its own: the status and the body.
fn call(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {AUTHORIZATION}\r\n\
         user-agent: twilio-python/9.13.0\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn json(answer: &(u16, String)) -> Value {
    assert_eq!(answer.0, 200, "{}", answer.1);
    serde_json::from_str(&answer.1).unwrap()
}

#[test]
fn the_151st_is_refused_and_free_again_after_5_s() {
    let demo = Running::start(&["demo", "--clock", "manual"]);
    let seeded = json(&call(
        &demo.admin,
        "POST",
        "/backend/seed",
        "{\"Services\":[{\"UniqueName\":\"a\"}]}",
    ));
    let service = seeded["Services"][0]["sid"].as_str().unwrap();
    for _ in 0..150 {
        assert_eq!(demo.get_session_list(service), 200);
    }
    assert_eq!(demo.get_session_list(service), 429);
    json(&call(&demo.admin, "POST", "/clock/advance?by=4999ms", ""));
    assert_eq!(demo.get_session_list(service), 429);
    json(&call(&demo.admin, "POST", "/clock/advance?by=1ms", ""));
    assert_eq!(demo.get_session_list(service), 200);
}

#[test]
fn the_clock_ends_a_session_of_the_backend_too() {
    let demo = Running::start(&["demo", "--clock", "manual"]);
    let seed = "{\"Services\":[{\"UniqueName\":\"a\",\"Sessions\":[{\"Ttl\":60}]}]}";
    let seeded = json(&call(&demo.admin, "POST", "/backend/seed", seed));
    let service = &seeded["Services"][0];
    let path = format!(
        "/v1/Services/{}/Sessions/{}",
        service["sid"].as_str().unwrap(),
        service["Sessions"][0]["sid"].as_str().unwrap()
    );
    assert_eq!(json(&call(&demo.public, "GET", &path, ""))["status"], "open");
    let clock = json(&call(&demo.admin, "POST", "/clock/advance?by=61s", ""));
    assert_eq!(
        (&clock["kind"], clock["elapsed_seconds"].as_f64()),
        (&"manual".into(), Some(61.0))
    );
    assert_eq!(json(&call(&demo.public, "GET", &path, ""))["status"], "closed");
}

#[test]
fn the_machines_clock_is_told_since_the_start() {
    let clock = Clock::system();
    let begun = clock.now();
    let demo = Running::start(&["demo"]);
    let told = json(&call(&demo.admin, "GET", "/clock", ""));
    assert_eq!(told["kind"], "system");
    let elapsed = Duration::from_secs_f64(told["elapsed_seconds"].as_f64().unwrap());
    assert!(elapsed <= clock.now().since(begun), "{elapsed:?}");
}

#[test]
fn a_seed_answers_with_the_tree_of_the_sids_that_it_made() {
    let demo = Running::start(&["demo"]);
    let seed = r#"{"Services": [{
        "UniqueName": "shop", "DefaultTtl": 3600,
        "PhoneNumbers": [{"PhoneNumber": "+14155550100"}],
        "ShortCodes": [{"Sid": "SC00000000000000000000000000000001"}],
        "Sessions": [{"Mode": "message-only", "Participants": [
            {"Identifier": "+14155550101", "MessageInteractions": [{"Body": "hello"}]}
        ]}]
    }]}"#;
    let seeded = json(&call(&demo.admin, "POST", "/backend/seed", seed));
    let shop = &seeded["Services"][0];
    assert_eq!(shop["ShortCodes"][0]["sid"], "SC00000000000000000000000000000001");
    assert!(shop["PhoneNumbers"][0]["sid"].as_str().unwrap().starts_with("PN"));
    let participant = &shop["Sessions"][0]["Participants"][0];
    let path = format!(
        "/v1/Services/{}/Sessions/{}/Participants/{}/MessageInteractions/{}",
        shop["sid"].as_str().unwrap(),
        shop["Sessions"][0]["sid"].as_str().unwrap(),
        participant["sid"].as_str().unwrap(),
        participant["MessageInteractions"][0]["sid"].as_str().unwrap()
    );
    assert_eq!(json(&call(&demo.public, "GET", &path, ""))["data"], "{\"body\":\"hello\"}");
}

#[test]
fn the_same_request_after_a_500_is_a_retry() {
    let arguments = ["backend", "--error-rate", "100%"];
    let backend = Running::start(&arguments);
    for name in ["one", "one", "two", "one"] {
        let form = format!("UniqueName={name}");
        assert_eq!(call(&backend.public, "POST", "/v1/Services", &form).0, 500);
    }
    let received = json(&call(&backend.admin, "GET", "/backend/received", ""));
    assert_eq!((&received["requests"], &received["retries"]), (&4.into(), &2.into()));
    assert_eq!(received["operations"]["CreateService"]["500"], 4);
}

#[test]
fn what_was_received_is_counted_and_forgotten_by_a_reset() {
    let demo = Running::start(&["demo"]);
    call(&demo.public, "POST", "/v1/Services", "UniqueName=hush-15550001111");
    call(&demo.public, "GET", "/v1/Services", "");
    call(&demo.public, "GET", "/v1/Services", "");
    let (_, text) = call(&demo.admin, "GET", "/backend/received", "");
    assert!(!text.contains("hush") && !text.contains("1555"), "{text}");
    let received: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(received["requests"], 3);
    assert_eq!(received["operations"]["CreateService"]["201"], 1);
    assert_eq!(received["operations"]["ListService"]["200"], 2);
    assert_eq!(call(&demo.admin, "POST", "/backend/reset", "").0, 204);
    assert_eq!(json(&call(&demo.admin, "GET", "/backend/received", ""))["requests"], 0);
    let list = json(&call(&demo.public, "GET", "/v1/Services", ""));
    assert_eq!(list["services"].as_array().unwrap().len(), 0);
}

#[test]
fn a_seed_with_a_mistake_is_refused_whole_and_says_where() {
    let demo = Running::start(&["demo"]);
    for (seed, part) in [
        ("{", "no JSON"),
        ("[]", "write an object"),
        ("{\"Services\":[{\"Name\":\"a\"}]}", "unknown key `Name`"),
        ("{\"Services\":[{\"UniqueName\":\"a\"},{}]}", "Services[1]"),
        (
            "{\"Services\":[{\"UniqueName\":\"a\",\"Sessions\":[{\"Ttl\":\"x\"}]}]}",
            "Sessions[0]",
        ),
    ] {
        let (status, text) = call(&demo.admin, "POST", "/backend/seed", seed);
        assert_eq!(status, 400, "{seed}");
        assert!(text.contains(part), "{seed}: {text}");
    }
    let list = json(&call(&demo.public, "GET", "/v1/Services", ""));
    assert_eq!(list["services"].as_array().unwrap().len(), 0);
}

#[test]
fn the_machines_clock_cannot_be_turned_and_nonsense_is_refused() {
    let demo = Running::start(&["demo"]);
    assert_eq!(call(&demo.admin, "POST", "/clock/advance?by=5s", "").0, 409);
    assert_eq!(json(&call(&demo.admin, "GET", "/clock", ""))["kind"], "system");
    for query in ["", "?by=", "?by=5", "?by=-5s", "?by=400d", "?by=s"] {
        let path = format!("/clock/advance{query}");
        assert_eq!(call(&demo.admin, "POST", &path, "").0, 400, "{query}");
    }
    assert_eq!(call(&demo.admin, "GET", "/clock/advance?by=5s", "").0, 405);
}

#[test]
fn the_backend_alone_has_it_where_it_is_asked_for() {
    let backend = Running::start(&["backend", "--clock", "manual"]);
    call(&backend.public, "GET", "/v1/Services", "");
    assert_eq!(json(&call(&backend.admin, "GET", "/backend/received", ""))["requests"], 1);
    assert_eq!(call(&backend.admin, "POST", "/clock/advance?by=1h", "").0, 200);
    assert_eq!(call(&backend.admin, "GET", "/readyz", "").0, 200);
    assert_eq!(call(&backend.admin, "GET", "/metrics", "").0, 404);
}

#[test]
fn the_public_address_has_none_of_it() {
    let demo = Running::start(&["demo", "--clock", "manual"]);
    for path in ["/backend/reset", "/backend/seed", "/clock/advance?by=5s"] {
        assert_eq!(call(&demo.public, "POST", path, "").0, 404, "{path}");
    }
}
