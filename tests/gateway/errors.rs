//! Each refusal: its status, code, fields, decision and metric; nothing of it reaches the
//! upstream.

use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a refusal has to look like.
struct Expected {
    status: u16,
    code: u64,
    decision: &'static str,
    limit: &'static str,
}

async fn refuses(gateway: &Gateway, request: &Request, expected: &Expected) -> Reply {
    let series = format!("maskgate_refusals_total{{limit=\"{}\"}}", expected.limit);
    let before = gateway.metric(&series).await;
    let reply = gateway.send(request).await;
    assert_eq!((reply.status, reply.code()), (expected.status, expected.code), "{request:?}");
    assert_eq!(reply.json()["status"], expected.status);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-maskgate-decision"), Some(expected.decision));
    assert!(reply.header("x-request-id").is_some());
    assert!(gateway.metric(&series).await > before, "{series} counts it");
    reply
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let expected = Expected { status: 404, code: 20404, decision: "unroutable", limit: "path" };
    for path in ["/", "/v1", "/v2/Services", "/v1/Services/x/Sessions", "/v1/services"] {
        refuses(&gateway, &Request::get(path), &expected).await;
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn another_method_is_405_and_names_those_that_are_allowed() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let expected =
        Expected { status: 405, code: 20004, decision: "unroutable", limit: "method" };
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE"] {
        let reply = refuses(&gateway, &Request::new(method, "/v1/Services"), &expected).await;
        assert_eq!(reply.header("allow"), Some("GET, POST"));
    }
    let head = client::raw(
        gateway.address,
        b"HEAD /v1/Services HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "an answer to HEAD has no body");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn credentials_that_are_missing_or_unreadable_are_401() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let expected =
        Expected { status: 401, code: 20003, decision: "unroutable", limit: "credentials" };
    let request = Request::get("/v1/Services").without("authorization");
    let reply = refuses(&gateway, &request, &expected).await;
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"Twilio API\""));
    for value in ["Basic !", "Basic", "Digest a=b", "Bearer"] {
        refuses(&gateway, &request.clone().with("authorization", value), &expected).await;
    }
    let expected =
        Expected { status: 400, code: 20400, decision: "unroutable", limit: "credentials" };
    let doubled = Request::get("/v1/Services").with("authorization", "Bearer abc");
    refuses(&gateway, &doubled, &expected).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_form_above_the_limit_is_400_or_413_as_configured() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { payload: { body: 1KiB } }", &upstream).await;
    let mut expected =
        Expected { status: 400, code: 20413, decision: "invalid", limit: "body_size" };
    let create =
        |bytes: usize| Request::post("/v1/Services", format!("A={}", "x".repeat(bytes)));
    assert_eq!(gateway.send(&create(1022)).await.status, 200);
    let reply = refuses(&gateway, &create(1023), &expected).await;
    assert!(reply.message().contains("1025") && reply.message().contains("1024"));
    gateway.reload("limits: { payload: { body: 1KiB, oversize_status: 413 } }").await;
    expected.status = 413;
    refuses(&gateway, &create(1023), &expected).await;
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_chunked_form_above_the_limit_is_refused_and_read_no_further() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { payload: { body: 1KiB } }", &upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    let head = format!(
        "POST /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n\
         content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    // The chunk that breaks the limit is announced but never ends: the answer comes all the same.
    let request = format!("{head}400\r\n{}\r\n800\r\nxx", "x".repeat(1024));
    let answer = client::raw(gateway.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("20413"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_415() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let expected =
        Expected { status: 415, code: 20415, decision: "invalid", limit: "content_type" };
    let form = Request::post("/v1/Services", "UniqueName=a");
    for value in [
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
    ] {
        let request = form.clone().without("content-type").with("content-type", value);
        refuses(&gateway, &request, &expected).await;
    }
    refuses(&gateway, &form.clone().without("content-type"), &expected).await;
    refuses(&gateway, &form.with("content-encoding", "gzip"), &expected).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_form_with_two_readings_is_400() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let expected = Expected { status: 400, code: 80701, decision: "invalid", limit: "form" };
    for form in ["A=%", "A=%4", "A=%zz", "A=%ff", "A=%C0%AF", "%ED%A0%80=1"] {
        refuses(&gateway, &Request::post("/v1/Services", form), &expected).await;
    }
    refuses(&gateway, &Request::post("/v1/Services", &b"A=\xff"[..]), &expected).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_body_on_get_or_delete_is_400() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    for request in [
        "GET /v1/Services HTTP/1.1\r\ncontent-length: 1",
        "GET /v1/Services HTTP/1.1\r\ntransfer-encoding: chunked",
        "DELETE /v1/Services/KS0000000000000000000000000000000a HTTP/1.1\r\ncontent-length: 1",
    ] {
        let bytes = format!("{request}\r\nhost: a\r\nauthorization: {auth}\r\n\r\nx");
        let answer = client::raw(gateway.address, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "the body is read as no request");
    }
    let delete = Request::delete(service_path("")).with("content-length", "0");
    assert_eq!(gateway.send(&delete).await.status, 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_502() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let upstream = format!("url: http://{address}");
    let gateway = Gateway::toward(&upstream, "", maskgate::time::Clock::manual()).await;
    let reply = gateway.send(&Request::get("/v1/Services")).await;
    assert_eq!((reply.status, reply.code()), (502, 20500));
    assert_eq!(reply.header("x-maskgate-decision"), Some("upstream_failed"));
    let series = "maskgate_upstream_errors_total{reason=\"connect\"}";
    assert!((gateway.metric(series).await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_rejected_expectation_is_answered_without_asking_for_the_body() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { payload: { body: 1KiB } }", &upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    let head = |length: usize| {
        format!(
            "POST /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n\
             content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    let answer = client::raw(gateway.address, head(2000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let wanted = format!("{}A=1", head(3));
    let answer = client::raw(gateway.address, wanted.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    assert!(!upstream.last().headers.contains_key("expect"));
}

#[tokio::test]
async fn a_host_with_two_readings_is_400_and_forwarded_never() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    for (target, hosts) in [
        ("/v1/Services", ""),
        ("/v1/Services", "host: a\r\nhost: b\r\n"),
        ("/v1/Services", "host: a b/c@d\r\n"),
        ("http://evil/v1/Services", "host: a\r\n"),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\n{hosts}authorization: {auth}\r\nconnection: close\r\n\r\n"
        );
        let answer = client::raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts}: {answer}");
        assert!(answer.contains("\"code\":20400"), "{hosts}: {answer}");
    }
    assert_eq!(upstream.count(), 0);
    let old = format!("GET /v1/Services HTTP/1.0\r\nauthorization: {auth}\r\n\r\n");
    let answer = client::raw(gateway.address, old.as_bytes()).await;
    assert!(answer.contains(" 200 "), "{answer}");
    assert_eq!(upstream.last().headers["host"], upstream.address.to_string());
}

#[tokio::test]
async fn a_chunked_body_reaches_the_upstream_with_one_length() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    let request = format!(
        "POST /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n\
         connection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         transfer-encoding: chunked\r\n\r\n3\r\nA=1\r\n2;x=y\r\n&B\r\n0\r\n\r\n"
    );
    let answer = client::raw(gateway.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let received = upstream.last();
    assert_eq!(received.body, "A=1&B");
    let lengths: Vec<_> = received.headers.get_all("content-length").iter().collect();
    assert_eq!(lengths, ["5"]);
    assert!(!received.headers.contains_key("transfer-encoding"));
}

/// A body that came in a packet of its own was left unread, and hyper closed the connection
/// behind an answer that did not say so: a client's next request failed.
#[tokio::test]
async fn a_connection_serves_on_after_a_refusal_whose_body_comes_later() {
    let upstream = Upstream::start();
    let gateway =
        Gateway::with("limits: { rate: { requests_per_second: 1 } }", &upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "password");
    gateway.admitted(&Request::post("/v1/Services", "A=1"), 5).await;
    // With five places a tenth is one: one refused body of a stranger guards the window.
    assert_eq!(gateway.send(&Request::get(service_path(""))).await.status, 200);
    for (path, content_type, status) in [
        ("/v1/Services", "application/x-www-form-urlencoded", "429"),
        ("/nothing", "application/x-www-form-urlencoded", "404"),
        ("/v1/Services/KS0000000000000000000000000000000a", "application/json", "415"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n\
             content-type: {content_type}\r\ncontent-length: 20\r\n\r\n"
        );
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        for _ in 0..3 {
            stream.write_all(head.as_bytes()).await.unwrap();
            // A round trip elsewhere: the head has been seen by then.
            gateway.send(&Request::get("/elsewhere")).await;
            stream.write_all(b"UniqueName=abcdefghi").await.unwrap();
            let answer = read_answer(&mut stream).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_refused_body_too_long_to_be_read_ends_the_connection_and_the_answer_says_so() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let head =
        "POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nGET / HTTP/1.1";
    let answer = client::raw(gateway.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "the body is read as no request");
}

/// One answer with a length.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return answer;
            }
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "closed behind {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}
