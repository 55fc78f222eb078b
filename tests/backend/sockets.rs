//! Does the server serve: several connections, several requests on each, and an end?

#![expect(clippy::unwrap_used, reason = "tests stop where they fail")]

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use maskgate::backend::Backend;
use maskgate::backend::Options;
use maskgate::backend::Server;

use crate::support::ACCOUNT;
use crate::support::basic;

const DRAIN: Duration = Duration::from_secs(5);

fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = Arc::new(Backend::new(Options::default()));
    Server::start(&listener, &backend, NonZeroUsize::new(2).unwrap()).unwrap()
}

/// Sends text, and reads until the answer has ended as `end` says.
fn exchange(stream: &mut TcpStream, text: &str, end: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).ends_with(end) {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend(buffer.iter().take(read));
    }
    String::from_utf8(answer).unwrap()
}

fn create(name: &str, host: &str) -> String {
    let body = format!("UniqueName={name}");
    format!(
        "POST /v1/Services HTTP/1.1\r\nHost: {host}\r\nAuthorization: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        basic(ACCOUNT, "secret"),
        body.len()
    )
}

#[test]
fn many_connections_are_served_and_each_is_kept_alive() {
    let server = server();
    let host = server.address().to_string();
    let mut streams: Vec<_> = (0..8).map(|_| TcpStream::connect(&host).unwrap()).collect();
    for round in 0..3 {
        for (index, stream) in streams.iter_mut().enumerate() {
            let answer = exchange(stream, &create(&format!("s{round}-{index}"), &host), "}}");
            assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
            assert!(answer.contains(&format!("\"url\":\"http://{host}/v1/Services/KS")));
        }
    }
    server.stop(DRAIN);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let server = server();
    let host = server.address().to_string();
    let mut stream = TcpStream::connect(&host).unwrap();
    let two = [create("one", &host), create("one", &host)].concat();
    let answer = exchange(&mut stream, &two, "\"status\":400}");
    assert!(answer.find("201 Created").unwrap() < answer.find("80602").unwrap(), "{answer}");
    server.stop(DRAIN);
}

#[test]
fn a_chunked_body_is_read_and_a_deletion_has_no_body() {
    let server = server();
    let host = server.address().to_string();
    let mut stream = TcpStream::connect(&host).unwrap();
    let authorization = basic(ACCOUNT, "secret");
    let chunked = format!(
        "POST /v1/Services HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\
         Transfer-Encoding: chunked\r\n\r\nb\r\nUniqueName=\r\n3\r\none\r\n0\r\n\r\n"
    );
    let answer = exchange(&mut stream, &chunked, "}}");
    let sid: String = answer.split("\"sid\":\"").nth(1).unwrap().chars().take(34).collect();
    let delete = format!(
        "DELETE /v1/Services/{sid} HTTP/1.1\r\nHost: {host}\r\n\
         Authorization: {authorization}\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = exchange(&mut stream, &delete, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    server.stop(DRAIN);
}

#[test]
fn a_stopped_server_closes_idle_connections_and_its_port() {
    let server = server();
    let address = server.address();
    let mut stream = TcpStream::connect(address).unwrap();
    exchange(&mut stream, &create("one", "localhost"), "}}");
    server.stop(DRAIN);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
}
