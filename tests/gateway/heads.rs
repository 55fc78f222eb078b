//! What is wrong with a head is answered in its turn, in JSON, counted, and ends the connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::client::basic;
use crate::support::upstream::Behaviour;

/// A request for a service, with these fields, or this framing and body, behind the usual ones.
fn request(method: &str, rest: &str) -> String {
    let auth = basic(crate::support::ACCOUNT, "x");
    format!("{method} /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n{rest}")
}

#[tokio::test]
async fn a_request_that_says_twice_where_it_ends_is_refused_and_counted() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for rest in [
        "content-length: 5\r\ncontent-length: 5\r\n\r\nA=1&B",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n5\r\nA=1&B\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n5\r\nA=1&B\r\n0\r\n\r\n",
    ] {
        let answer = client::raw(gateway.address, request("POST", rest).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\r\nx-maskgate-decision: invalid\r\n"), "{answer}");
        assert!(answer.contains("\"code\":20400,\"message\":\"A request must not have"));
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    gateway.assert_metric("maskgate_refusals_total{limit=\"framing\"}", 3.0).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn requests_before_a_malformed_one_are_answered_first() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let good = request("GET", "\r\n");
    let bytes = [&good, &good, "GET / HTTP/1.1\r\nbad field\r\n\r\n", &good].concat();
    let answer = client::raw(gateway.address, bytes.as_bytes()).await;
    let statuses: Vec<_> =
        answer.split("HTTP/1.1 ").skip(1).map(|each| each.get(..3).unwrap()).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert_eq!(upstream.count(), 2);
    gateway.assert_metric("maskgate_refusals_total{limit=\"syntax\"}", 1.0).await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_431_and_414() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let fields = request("GET", &format!("{}\r\n", "x: y\r\n".repeat(99)));
    let head = request("GET", &format!("x: {}\r\n\r\n", "y".repeat(33_000)));
    let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(9_000));
    for (bytes, status) in [(fields, "431"), (head, "431"), (target, "414")] {
        let answer = client::raw(gateway.address, bytes.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("\"code\":20{status},")), "{answer}");
    }
    gateway.assert_metric("maskgate_refusals_total{limit=\"head_size\"}", 3.0).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_chunked_body_that_is_none_is_400_and_no_request_follows_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let form =
        "content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n";
    for chunks in ["5 \r\nA=1&B\r\n0\r\n\r\n", "5\nA=1&B\n0\n\n", "0\r\nx: y\n\r\n\r\n"] {
        let bytes = request("POST", &format!("{form}\r\n{chunks}{}", request("GET", "\r\n")));
        let answer = client::raw(gateway.address, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn an_idle_connection_ends_also_behind_an_answer_that_took_longer_than_that() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let gateway = Gateway::listening("timeouts: { idle: 50ms }", &upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    let late = tokio::spawn(async move {
        // The promise is about time.
        tokio::time::sleep(Duration::from_millis(200)).await;
        permits.add_permits(1);
    });
    assert_eq!(connection.send(&Request::get("/v1/Services")).await.status, 200);
    late.await.unwrap();
    let closed = async {
        while !connection.is_closed().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_slowly_but_steadily_gets_all_of_its_answer() {
    let length = 4 << 20;
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'a');
    let upstream = Upstream::behaving(Behaviour::Raw(answer));
    let gateway = Gateway::listening("timeouts: { write: 1s }", &upstream).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let bytes = request("GET", "connection: close\r\n\r\n");
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let (mut piece, mut read) = (vec![0; 64 << 10], 0);
    loop {
        // The promise is about time: 640 kB a second at most, and a second is its limit.
        tokio::time::sleep(Duration::from_millis(100)).await;
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            more => read += more,
        }
    }
    assert!(read > length, "{read} bytes came");
}
