//! Clients that speak HTTP/2; the upstream sees HTTP/1.1.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use maskgate::time::Clock;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::basic;
use crate::support::upstream::Behaviour;
use crate::support::upstream::Between;
use crate::support::upstream::Interference;

type Sender = http2::SendRequest<Full<Bytes>>;

/// A connection with prior knowledge (RFC 9113 §3.3).
async fn connect(address: SocketAddr) -> Sender {
    connect_and_watch(address).await.0
}

/// The same, with how the connection ends.
async fn connect_and_watch(address: SocketAddr) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(method: &str, target: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(format!("http://gateway.example{target}"))
        .header("authorization", basic(ACCOUNT, "x"))
}

async fn send(sender: &mut Sender, request: http::request::Builder, body: &str) -> Reply {
    sender.ready().await.unwrap();
    let request = request.body(Full::from(body.to_owned())).unwrap();
    client::read(sender.send_request(request).await.unwrap()).await
}

#[tokio::test]
async fn a_request_is_forwarded_as_http1_with_one_host_and_one_cookie() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut sender = connect(gateway.address).await;
    let form = request("POST", "/v1/Services?a=b")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers");
    let reply = send(&mut sender, form, "UniqueName=x").await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("ratelimit").is_some());
    let received = upstream.last();
    assert_eq!((&*received.method, &*received.target), ("POST", "/v1/Services?a=b"));
    assert_eq!(received.body, "UniqueName=x");
    assert_eq!(received.headers["host"], "gateway.example");
    assert_eq!(received.headers["cookie"], "a=1; b=2");
    assert_eq!(received.headers["content-length"], "12");
    assert!(!received.headers.contains_key("te"));
}

#[tokio::test]
async fn the_window_is_the_same_for_both_protocols() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut sender = connect(gateway.address).await;
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += usize::from(
            send(&mut sender, request("GET", "/v1/Services"), "").await.status == 200,
        );
    }
    let rest = crate::support::Request::get("/v1/Services");
    admitted += gateway.admitted(&rest, 100).await;
    assert_eq!(admitted, 150);
    let reply = send(&mut sender, request("GET", "/v1/Services"), "").await;
    assert_eq!((reply.status, reply.code()), (429, 20429));
    assert!(reply.header("connection").is_none());
}

#[tokio::test]
async fn a_number_needs_room_and_the_list_is_read_under_the_same_host() {
    let (upstream, _backend) = Upstream::backend(Interference::new(|_| Between::Nothing));
    let gateway = Gateway::with("limits: { pools: { unreserved: 1 } }", &upstream).await;
    let mut sender = connect(gateway.address).await;
    let form = |target: &str| {
        request("POST", target).header("content-type", "application/x-www-form-urlencoded")
    };
    let service = send(&mut sender, form("/v1/Services"), "UniqueName=a").await.json();
    let numbers = format!("/v1/Services/{}/PhoneNumbers", service["sid"].as_str().unwrap());
    let added = send(&mut sender, form(&numbers), "PhoneNumber=%2B14150000001").await;
    assert_eq!(added.status, 201);
    let refused = send(&mut sender, form(&numbers), "PhoneNumber=%2B14150000002").await;
    assert_eq!((refused.status, refused.code()), (400, 80622));
    let received = upstream.received();
    let page = received.iter().find(|each| each.target.ends_with("PageSize=100")).unwrap();
    assert_eq!(page.headers["host"], "gateway.example");
}

#[tokio::test]
async fn refusals_leave_the_connection_as_it_was() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let mut sender = connect(gateway.address).await;
    let large = "x".repeat(300_000);
    let form = || {
        request("POST", "/v1/Services")
            .header("content-type", "application/x-www-form-urlencoded")
    };
    for (request, body, status) in [
        (request("GET", "/nothing"), "", 404),
        (request("GET", "/v1/Services"), "body", 400),
        (request("GET", "/v1/Services").header("host", "other"), "", 400),
        (request("GET", "/v1/Services").header("content_length", "0"), "", 400),
        (request("GET", &format!("/{}", "x".repeat(8192))), "", 414),
        (request("POST", "/v1/Services").header("content-type", "text/plain"), "x", 415),
        (form(), large.as_str(), 400),
    ] {
        assert_eq!(send(&mut sender, request, body).await.status, status);
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(send(&mut sender, form(), "UniqueName=x").await.status, 200);
    gateway.assert_metric("maskgate_connections_accepted_total", 1.0).await;
}

#[tokio::test]
async fn links_lead_back_to_the_gateway() {
    let body = "{\"url\":\"https://proxy.twilio.com/v1\",\"links\":{}}";
    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes();
    let upstream = format!(
        "url: {}, host: proxy.twilio.com, public_url: http://gateway.example",
        Upstream::behaving(Behaviour::Raw(answer)).url()
    );
    let gateway = Gateway::toward(&upstream, "", Clock::manual()).await;
    let reply =
        send(&mut connect(gateway.address).await, request("GET", "/v1/Services"), "").await;
    assert_eq!(reply.body, "{\"url\":\"http://gateway.example/v1\",\"links\":{}}");
    assert!(reply.header("content-length").is_none());
}

#[tokio::test]
async fn a_drain_ends_the_connection_behind_what_is_under_way() {
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(std::sync::Arc::clone(&permits)));
    let mut gateway = Gateway::start(&upstream).await;
    let (mut sender, ended) = connect_and_watch(gateway.address).await;
    let under_way = request("GET", "/v1/Services").body(Full::default()).unwrap();
    let answer = tokio::spawn(sender.send_request(under_way));
    while upstream.count() == 0 {
        tokio::task::yield_now().await;
    }
    gateway.begin_stop();
    permits.add_permits(1);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    let ended = ended.await.unwrap();
    assert!(ended.is_ok(), "the client was told (GOAWAY), and not cut off: {ended:?}");
    gateway.join();
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_given_up() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 1_000_000, b'x');
    let upstream = Upstream::behaving(Behaviour::Raw(answer));
    let gateway = Gateway::listening("timeouts: { write: 200ms }", &upstream).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    let client = client.initial_stream_window_size(1024).handshake(TokioIo::new(stream));
    let (mut sender, connection) = client.await.unwrap();
    let connection = tokio::spawn(connection);
    let asked = request("GET", "/v1/Services").body(Full::<Bytes>::default()).unwrap();
    let untaken = sender.send_request(asked).await.unwrap();
    assert_eq!(untaken.status(), 200);
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await;
    assert!(ended.is_ok(), "its connection was not ended");
    gateway.reaches("maskgate_in_flight_requests", 0.0).await;
    drop(untaken);
}

/// The frames that come, up to the first of `kind`; its stream.
async fn until_frame(stream: &mut TcpStream, kind: u8) -> u32 {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == kind {
            return u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        }
    }
}

#[tokio::test]
async fn a_request_that_crosses_the_word_that_it_is_over_is_answered() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::listening("timeouts: { write: 500ms }", &upstream).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // Silent for longer than a client may take nothing: the promise is about time.
    tokio::time::sleep(Duration::from_millis(700)).await;
    gateway.begin_stop();
    until_frame(&mut stream, 7).await; // GOAWAY
    let mut fields = Vec::new();
    let authorization = basic(ACCOUNT, "x");
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/v1/Services"),
        ("authorization", &authorization),
    ] {
        fields.extend([0, u8::try_from(name.len()).unwrap()]);
        fields.extend(name.as_bytes());
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend(value.as_bytes());
    }
    // HEADERS that end the stream, of stream 1.
    let mut frame = vec![0, 0, u8::try_from(fields.len()).unwrap(), 1, 5, 0, 0, 0, 1];
    frame.extend(fields);
    stream.write_all(&frame).await.unwrap();
    assert_eq!(until_frame(&mut stream, 1).await, 1);
    drop(stream);
    gateway.join();
}
