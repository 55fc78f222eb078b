//! What crosses the gateway, in both directions.

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::service_path;
use crate::support::upstream::Behaviour;
use bytes::Bytes;
use http_body_util::BodyExt;
use maskgate::time::Clock;

#[tokio::test]
async fn a_request_that_passes_is_forwarded_as_it_came() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let path = service_path("/Sessions?A=%20b&c");
    let form = "UniqueName=o+1&Ttl=3600&Participants=%7B%22Identifier%22%3A+%22%2B1555%22%7D";
    let request = Request::post(path.clone(), form)
        .with("user-agent", "twilio-python/9.13.0")
        .with("x-custom", "1");
    let reply = gateway.send(&request).await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"{\"sid\":\"KC\"}"[..]));
    let received = upstream.last();
    assert_eq!((received.method.as_str(), received.target), ("POST", path));
    assert_eq!(received.body, form);
    let header = |name: &str| received.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("content-length"), Some(form.len().to_string().as_str()));
    assert_eq!(header("user-agent"), Some("twilio-python/9.13.0"));
    assert_eq!(header("x-custom"), Some("1"));
    assert_eq!(
        header("authorization").unwrap(),
        client::basic(crate::support::ACCOUNT, "password")
    );
    assert_eq!(header("host"), Some(gateway.address.to_string().as_str()));
}

#[tokio::test]
async fn the_upstream_is_told_who_asked_and_a_client_cannot_tell_it_otherwise() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let request = Request::get("/v1/Services")
        .with("x-forwarded-for", "6.6.6.6")
        .with("forwarded", "for=6.6.6.6")
        .with("x-forwarded-host", "evil")
        .with("x-forwarded-proto", "https")
        .with("x-forwarded-port", "443")
        .with("x-real-ip", "6.6.6.6")
        .with("x-http-method-override", "DELETE")
        .with("x-original-url", "/other")
        .with("connection", "x-custom, authorization")
        .with("x-custom", "1")
        .with("te", "trailers");
    gateway.send(&request).await;
    let received = upstream.last();
    let all = |name: &str| {
        let values = received.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(all("forwarded"), ["for=127.0.0.1;proto=http"]);
    assert_eq!(all("x-forwarded-proto"), ["http"]);
    assert_eq!(all("x-forwarded-host"), [gateway.address.to_string()]);
    assert_eq!(all("authorization").len(), 1);
    for gone in [
        "x-forwarded-port",
        "x-real-ip",
        "x-http-method-override",
        "x-original-url",
        "x-custom",
        "te",
        "connection",
    ] {
        assert!(all(gone).is_empty(), "{gone}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_tells_the_upstream_and_the_log_who_asked() {
    let upstream = Upstream::start();
    let gateway = Gateway::listening("trusted_proxies: [127.0.0.0/8]", &upstream).await;
    let request = Request::get("/v1/Services")
        .without("authorization")
        .with("x-forwarded-for", "6.6.6.6, 203.0.113.7")
        .with("x-forwarded-for", "127.0.0.9");
    assert_eq!(gateway.send(&request).await.status, 401);
    assert_eq!(gateway.line()["client"], "203.0.113.7");
    let request = Request::get("/v1/Services")
        .with("x-forwarded-for", "6.6.6.6, 203.0.113.7, 127.0.0.9")
        .with("x-forwarded-proto", "https")
        .with("x-forwarded-host", "api.example.com")
        .with("x-forwarded-port", "443")
        .with("x-real-ip", "6.6.6.6")
        .with("forwarded", "for=203.0.113.7;proto=https");
    gateway.send(&request).await;
    let headers = upstream.last().headers;
    assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 203.0.113.7, 127.0.0.9, 127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "api.example.com");
    let forwarded = "for=203.0.113.7;proto=https, for=127.0.0.1;proto=http";
    assert_eq!(headers["forwarded"], forwarded);
    assert!(headers.get("x-forwarded-port").is_none() && headers.get("x-real-ip").is_none());
}

#[tokio::test]
async fn a_request_id_is_kept_or_made_and_is_the_same_on_both_sides() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let reply = gateway.send(&Request::get("/v1/Services")).await;
    let made = reply.header("x-request-id").unwrap();
    assert_eq!(made.len(), 32);
    assert_eq!(upstream.last().headers["x-request-id"], made);
    let own = Request::get("/v1/Services").with("x-request-id", "mine-1");
    assert_eq!(gateway.send(&own).await.header("x-request-id"), Some("mine-1"));
    assert_eq!(upstream.last().headers["x-request-id"], "mine-1");
    let odd = Request::get("/v1/Services").with("x-request-id", "a b\"c");
    let reply = gateway.send(&odd).await;
    assert_eq!(reply.header("x-request-id").map(str::len), Some(32), "another one is made");
}

#[tokio::test]
async fn the_host_is_preserved_replaced_or_named_as_configured() {
    let upstream = Upstream::start();
    let url = upstream.url();
    for (host, expected) in [
        ("preserve", None),
        ("upstream", Some(upstream.address.to_string())),
        ("proxy.example.com", Some("proxy.example.com".to_owned())),
    ] {
        let gateway =
            Gateway::toward(&format!("url: {url}, host: {host}"), "", Clock::manual()).await;
        gateway.send(&Request::get("/v1/Services")).await;
        let received = upstream.last();
        let expected = expected.unwrap_or_else(|| gateway.address.to_string());
        assert_eq!(received.headers["host"], expected);
        assert_eq!(received.headers["x-forwarded-host"], gateway.address.to_string());
    }
}

#[tokio::test]
async fn an_answer_of_any_size_streams_through() {
    let size = 30_000_000_usize;
    let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    bytes.extend((0..size).map(|index| u8::try_from(index % 251).unwrap()));
    let expected = Bytes::copy_from_slice(&bytes[bytes.len() - size..]);
    let upstream = Upstream::behaving(Behaviour::Raw(bytes));
    let gateway = Gateway::start(&upstream).await;
    let reply = gateway.send(&Request::get("/v1/Services")).await;
    assert!(reply.body == expected, "{} bytes, of {size}", reply.body.len());
}

#[tokio::test]
async fn an_answer_in_chunks_arrives_whole_and_a_length_beside_them_is_dropped() {
    let answer = "HTTP/1.1 201 Created\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\
                  connection: x-hop\r\nx-hop: 1\r\nx-end: 2\r\n\r\n5\r\nhello\r\n3\r\n, w\r\n0\r\n\r\n";
    let upstream = Upstream::behaving(Behaviour::Raw(answer.into()));
    let gateway = Gateway::start(&upstream).await;
    let reply = gateway.send(&Request::get("/v1/Services")).await;
    assert_eq!((reply.status, &reply.body[..]), (201, &b"hello, w"[..]));
    assert_eq!(reply.header("content-length"), None);
    assert_eq!(reply.header("x-hop"), None);
    assert_eq!(reply.header("x-end"), Some("2"));
}

#[tokio::test]
async fn a_truncated_answer_is_never_taken_for_a_whole_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let upstream = Upstream::behaving(Behaviour::Raw(answer.into()));
        let gateway = Gateway::start(&upstream).await;
        let mut connection = Connection::open(gateway.address).await;
        let response = connection.start(&Request::get("/v1/Services")).await;
        assert!(response.into_body().collect().await.is_err(), "{answer}");
        let series = "maskgate_upstream_errors_total{reason=\"truncated\"}";
        assert!((gateway.metric(series).await - 1.0).abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn what_is_no_http_or_another_protocol_is_502() {
    for answer in ["garbage\r\n\r\n", "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", ""] {
        let upstream = Upstream::behaving(Behaviour::Raw(answer.into()));
        let gateway = Gateway::start(&upstream).await;
        let reply = gateway.send(&Request::get("/v1/Services")).await;
        assert_eq!((reply.status, reply.code()), (502, 20500), "{answer:?}");
    }
}

#[tokio::test]
async fn statuses_of_the_upstream_pass_unchanged() {
    for status in [200, 201, 204, 400, 401, 404, 409, 429, 500, 503] {
        let upstream = Upstream::behaving(Behaviour::Answer(status, ""));
        let gateway = Gateway::start(&upstream).await;
        let reply = gateway.send(&Request::delete(service_path(""))).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("x-maskgate-decision"), None, "it is not the gateway's answer");
    }
}

#[tokio::test]
async fn connections_live_on_on_both_sides() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut connection = Connection::open(gateway.address).await;
    for path in ["/v1/Services", "/nothing", "/v1/Services"] {
        connection.send(&Request::get(path)).await;
    }
    for _ in 0..10 {
        connection.send(&Request::post("/v1/Services", "A=1")).await;
    }
    let opened = gateway.metric("maskgate_upstream_connections_opened_total").await;
    assert!((opened - 1.0).abs() < f64::EPSILON, "{opened} opened");
    assert!(
        (gateway.metric("maskgate_connections_accepted_total").await - 1.0).abs()
            < f64::EPSILON
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let auth = client::basic(crate::support::ACCOUNT, "x");
    let one = format!("GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\n\r\n");
    let two = "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = format!(
        "GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {auth}\r\nconnection: close\r\n\r\n"
    );
    let answer = client::raw(gateway.address, format!("{one}{two}{last}").as_bytes()).await;
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
}
