//! How often does the gateway allocate for one request? No more often than it did.
//!
//! **Invariant:** nothing here is a time, so nothing here flakes. Client and upstream are threads
//! of this process that allocate nothing once they are warm, so that what is counted is the
//! gateway's. What the gateway does once a second (the sweep, a look at its file) and what grows
//! now and then (a window) falls into some blocks of requests and not into others: the least
//! counts, and as a quotient of whole numbers.
//!
//! The bounds are what was found when they were last written down. Whoever brings a number down
//! lowers its bound with it; whoever has to raise one says in the commit what it buys.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on, or counts wrong, has failed"
)]

#[path = "gateway/support/mod.rs"]
#[expect(dead_code, reason = "the tests of the gateway use the rest")]
mod support;

use std::alloc::System;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::str;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use maskgate::time::Clock;
use stats_alloc::INSTRUMENTED_SYSTEM;
use stats_alloc::Region;
use stats_alloc::StatsAlloc;
use support::ACCOUNT;
use support::Gateway;
use support::client::basic;
use tokio::runtime;

/// Allocations and reallocations for a GET that is forwarded, its answer of 671 bytes included.
const FORWARDED_GET: usize = 9;
/// For a form with two participants, checked and forwarded.
const FORWARDED_FORM: usize = 12;
/// For a 429.
const REFUSED: usize = 18;

/// Requests that are counted at a time, and how many times.
const BLOCK: usize = 100;
const BLOCKS: usize = 20;
/// Requests before them: pools, buffers and windows have grown.
const WARM: usize = 500;
/// Services that are asked for in turn; with all requests, each stays below its limit of 150.
const SERVICES: usize = 20;
/// The body of an answer, as long as a Service of the API.
const BODY: usize = 671;
/// A SID.
const SID: usize = 34;
const NAME: &str = "content-length:";

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_forwarded_get_allocates_no_more_than_it_did() {
    assert_allocations(FORWARDED_GET, "200", SERVICES, |service| {
        request("GET", &format!("/v1/Services/{service}"), "")
    });
}

#[test]
fn a_forwarded_form_allocates_no_more_than_it_did() {
    let form = "UniqueName=order+1234567&Ttl=3600&Mode=voice-and-message\
        &Participants=%7B%22Identifier%22%3A+%22%2B15558675310%22%7D\
        &Participants=%7B%22Identifier%22%3A+%22%2B15558675311%22%2C+%22FriendlyName%22%3A+%22Bob%22%7D";
    assert_allocations(FORWARDED_FORM, "200", SERVICES, |service| {
        request("POST", &format!("/v1/Services/{service}/Sessions"), form)
    });
}

#[test]
fn a_refusal_allocates_no_more_than_it_did() {
    // The clock stands: once 150 have passed, none does.
    assert_allocations(REFUSED, "429", 1, |service| {
        request("GET", &format!("/v1/Services/{service}"), "")
    });
}

/// Sends requests for so many services in turn, and counts.
#[track_caller]
fn assert_allocations(
    bound: usize,
    status: &str,
    services: usize,
    request: impl Fn(&str) -> Vec<u8>,
) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let upstream = upstream();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let to_it = format!("url: http://{upstream}");
    let gateway = runtime.block_on(Gateway::toward(&to_it, "", Clock::manual()));
    let requests: Vec<_> =
        (0..services).map(|number| request(&format!("KS{number:032x}"))).collect();
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 4096];
    let mut send = |count: usize, expected: Option<&str>| {
        for request in requests.iter().cycle().take(count) {
            stream.write_all(request).unwrap();
            let length = read_message(&mut stream, &mut answer).unwrap();
            let found = &answer[9..12];
            assert!(
                expected.is_none_or(|status| found == status.as_bytes()),
                "{}",
                text(&answer[..length])
            );
        }
    };
    send(WARM, None);
    let mut count = || {
        let region = Region::new(ALLOCATOR);
        send(BLOCK, Some(status));
        let change = region.change();
        change.allocations + change.reallocations
    };
    let least = (0..BLOCKS).map(|_| count()).min().unwrap();
    println!("{least} allocations for {BLOCK} requests");
    let found = least / BLOCK;
    assert!(found <= bound, "{found} allocations a request, and there were {bound}");
}

fn request(method: &str, path: &str, form: &str) -> Vec<u8> {
    let body = if form.is_empty() {
        String::new()
    } else {
        let length = form.len();
        format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
        )
    };
    let login = basic(ACCOUNT, "password");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {login}\r\n");
    format!("{head}User-Agent: client/1.0\r\nAccept: application/json\r\n{body}\r\n{form}")
        .into()
}

/// An upstream that answers every request with a Service under the SID that was asked for.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let (mut answer, places) = service();
    let mut request = [0; 4096];
    while let Some(length) = read_message(&mut stream, &mut request) {
        let sid = find(&request[..length], b"/KS").unwrap() + 1;
        for at in places {
            answer[at..at + SID].copy_from_slice(&request[sid..sid + SID]);
        }
        stream.write_all(&answer).unwrap();
    }
}

/// The bytes of the answer, and the two places where its SID stands: each service has a name of
/// its own, so that the gateway soon knows all of them and reads no more answers.
fn service() -> (Vec<u8>, [usize; 2]) {
    let (sid, name) = ("?".repeat(SID), "!".repeat(SID));
    let mut body = format!(
        "{{\"sid\": \"{sid}\", \"account_sid\": \"{ACCOUNT}\", \"unique_name\": \"{name}\", \
         \"padding\": \""
    );
    while body.len() < BODY - 2 {
        body.push('x');
    }
    let head = "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
        Content-Type: application/json\r\nConnection: keep-alive\r\n";
    let answer = format!("{head}Content-Length: {BODY}\r\n\r\n{body}\"}}").into_bytes();
    let places = [sid, name].map(|place| find(&answer, place.as_bytes()).unwrap());
    (answer, places)
}

/// Reads a head and its body into `buffer`, and answers with the length of both; with nothing
/// when the other side has closed. Allocates nothing.
fn read_message(stream: &mut TcpStream, buffer: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).ok().filter(|read| *read > 0)?;
        length += read;
        let message = &buffer[..length];
        if let Some(head) = find(message, b"\r\n\r\n")
            && length >= head + 4 + content_length(&message[..head])
        {
            return Some(length);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let named = |line: &&str| {
        line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    };
    let line = text(head).lines().find(named);
    line.map_or(0, |line| line[NAME.len()..].trim().parse().unwrap())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}
