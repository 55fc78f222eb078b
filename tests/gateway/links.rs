//! Links in answers lead back to the gateway.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;

use maskgate::backend::Backend;
use maskgate::backend::Options;
use maskgate::backend::Server;
use maskgate::observe::metrics::ReloadResult;
use maskgate::time::Clock;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;
use crate::support::upstream::Behaviour;

/// A resource of the hosted API.
const RESOURCE: &str = r#"{"url":"https://proxy.twilio.com/v1/Services/KS","links":{"sessions":"https:\/\/proxy.twilio.com\/v1\/Services\/KS\/Sessions"},"callback_url":"https://proxy.twilio.com/x"}"#;
/// The same of `http://gateway.example.com`.
const RELINKED: &str = r#"{"url":"http://gateway.example.com/v1/Services/KS","links":{"sessions":"http://gateway.example.com\/v1\/Services\/KS\/Sessions"},"callback_url":"https://proxy.twilio.com/x"}"#;

/// A gateway before an upstream that calls itself `proxy.twilio.com`.
async fn gateway(upstream: &Upstream) -> Gateway {
    with("", upstream).await
}

async fn with(yaml: &str, upstream: &Upstream) -> Gateway {
    let upstream = format!(
        "url: {}, host: proxy.twilio.com, public_url: http://gateway.example.com",
        upstream.url()
    );
    Gateway::toward(&upstream, yaml, Clock::manual()).await
}

/// An upstream that answers everything with these fields and this body.
fn saying(head: &str, body: &str) -> Upstream {
    Upstream::behaving(Behaviour::Raw(format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes()))
}

/// An upstream that answers everything with a body of JSON and these further fields.
fn saying_json(fields: &str, body: &str) -> Upstream {
    let length = body.len();
    let head = format!(
        "200 OK\r\ncontent-type: application/json\r\n{fields}content-length: {length}\r\n\
         connection: close"
    );
    saying(&head, body)
}

/// An embedded backend on this listener whose links lead to `public_url`.
fn backend(listener: &TcpListener, public_url: Option<SocketAddr>) -> Server {
    let public_url = public_url.map(|address| format!("http://{address}"));
    let backend = Arc::new(Backend::new(Options { public_url, ..Options::default() }));
    Server::start(listener, &backend, NonZeroUsize::MIN).unwrap()
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn untouched(reason: &str) -> String {
    format!("maskgate_links_untouched_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn every_page_is_asked_of_the_gateway() {
    let (listener, address) = listen();
    let _backend = backend(&listener, None);
    let upstream = format!("url: 'http://{address}', host: upstream");
    let gateway = Gateway::toward(&upstream, "", Clock::manual()).await;
    let own = format!("http://{}", gateway.address);
    gateway.rewrite(
        &gateway.head().replace("upstream: {", &format!("upstream: {{ public_url: '{own}',")),
    );
    assert_eq!(gateway.reload_as_it_is().await, ReloadResult::Applied);
    for name in ["a", "b", "c", "d", "e"] {
        let made =
            gateway.send(&Request::post("/v1/Services", format!("UniqueName={name}"))).await;
        assert_eq!(made.status, 201);
        let links = made.json();
        for link in [&links["url"], &links["links"]["sessions"]] {
            assert!(
                link.as_str().unwrap().starts_with(&format!("{own}/v1/Services/KS")),
                "{link}"
            );
        }
    }
    let mut next = Some(format!("{own}/v1/Services?PageSize=2"));
    let mut names = Vec::new();
    while let Some(page) = next {
        let path = page.strip_prefix(&own).unwrap();
        let page = gateway.send(&Request::get(path)).await.json();
        for service in page["services"].as_array().unwrap() {
            names.push(service["unique_name"].as_str().unwrap().to_owned());
            assert!(service["url"].as_str().unwrap().starts_with(&own));
        }
        assert!(page["meta"]["first_page_url"].as_str().unwrap().starts_with(&own));
        next = page["meta"]["next_page_url"].as_str().map(str::to_owned);
    }
    assert_eq!(names, ["e", "d", "c", "b", "a"]);
    let lists = "maskgate_requests_total{decision=\"forwarded\",endpoint=\"ListService\"}";
    gateway.reaches(lists, 3.0).await;
}

#[tokio::test]
async fn the_length_of_the_upstreams_answer_is_not_that_of_the_clients() {
    let fields = "etag: \"1\"\r\ncontent-digest: sha-256=:x:\r\naccept-ranges: bytes\r\n";
    let gateway = gateway(&saying_json(fields, RESOURCE)).await;
    let authorization = client::basic(ACCOUNT, "x");
    let request = format!(
        "GET /v1/Services/KS HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\n\
         connection: close\r\n\r\n"
    );
    let said = client::raw(gateway.address, request.as_bytes()).await;
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    for gone in ["content-length", "content-digest", "accept-ranges"] {
        assert!(!head.contains(gone), "{head}");
    }
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert!(head.contains("\r\netag: w/\"1\""), "{head}");
    assert_eq!(body, format!("{:X}\r\n{RELINKED}\r\n0\r\n\r\n", RELINKED.len()));
    // HTTP/1.0 has no chunks: the answer ends with the connection.
    let request = request.replace("HTTP/1.1", "HTTP/1.0");
    let said = client::raw(gateway.address, request.as_bytes()).await;
    assert!(said.ends_with(&format!("\r\n\r\n{RELINKED}")), "{said}");
}

#[tokio::test]
async fn links_are_rewritten_wherever_the_upstream_cuts_its_answer() {
    let chunks = |length: usize| {
        let chunk = |piece: &[u8]| {
            format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece))
        };
        let chunks: String = RESOURCE.as_bytes().chunks(length).map(chunk).collect();
        chunks + "0\r\n\r\n"
    };
    for length in [1, 7, 20] {
        let head = "404 Not Found\r\ncontent-type: application/json;charset=utf-8\r\n\
                    transfer-encoding: chunked";
        let gateway = gateway(&saying(head, &chunks(length))).await;
        let reply = gateway.send(&Request::get(service_path("/Sessions"))).await;
        assert_eq!((reply.status, &reply.body[..]), (404, RELINKED.as_bytes()), "{length}");
    }
}

#[tokio::test]
async fn every_server_of_the_upstream_is_replaced() {
    let ((one, first), (two, second)) = (listen(), listen());
    // Each of them gives links to the other.
    let _backends = (backend(&one, Some(second)), backend(&two, Some(first)));
    let upstream = format!(
        "url: ['http://{first}', 'http://{second}'], public_url: https://gateway.example.com"
    );
    let gateway = Gateway::toward(&upstream, "", Clock::manual()).await;
    for number in 0..6 {
        let form = format!("UniqueName=n{number}");
        let made = gateway.send(&Request::post("/v1/Services", form)).await.json();
        let url = made["url"].as_str().unwrap();
        assert!(url.starts_with("https://gateway.example.com/v1/Services/KS"), "{url}");
    }
    assert_eq!(
        gateway.page("/policy").await.json()["upstream"]["public_url"],
        "https://gateway.example.com"
    );
}

#[tokio::test]
async fn a_reload_sets_the_public_url_and_takes_it_back() {
    let upstream = saying_json("", RESOURCE);
    let gateway = Gateway::with("", &upstream).await;
    let link = || async {
        let reply = gateway.send(&Request::get(service_path(""))).await;
        (reply.header("content-length").is_some(), reply.json()["url"].clone())
    };
    let as_it_is = (true, "https://proxy.twilio.com/v1/Services/KS".into());
    assert_eq!(link().await, as_it_is);
    assert!(gateway.page("/policy").await.json()["upstream"]["public_url"].is_null());
    for public in ["http://one.example.com", "https://two.example.com:8443"] {
        let set = format!("upstream: {{ host: proxy.twilio.com, public_url: '{public}',");
        gateway.rewrite(&gateway.head().replace("upstream: {", &set));
        assert_eq!(gateway.reload_as_it_is().await, ReloadResult::Applied);
        assert_eq!(link().await, (false, format!("{public}/v1/Services/KS").into()));
    }
    assert_eq!(gateway.reload("").await, ReloadResult::Applied);
    assert_eq!(link().await, as_it_is);
}

#[tokio::test]
async fn what_cannot_be_rewritten_passes_as_it_is_and_is_counted() {
    let cases = [
        ("encoded", "200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip"),
        ("not_json", "200 OK\r\ncontent-type: text/html"),
        ("not_json", "502 Bad Gateway"),
        ("partial", "206 Partial Content\r\ncontent-type: application/json"),
    ];
    for (reason, head) in cases {
        let fields = "etag: \"1\"\r\naccept-ranges: bytes\r\nconnection: close";
        let head = format!("{head}\r\ncontent-length: {}\r\n{fields}", RESOURCE.len());
        let gateway = gateway(&saying(&head, RESOURCE)).await;
        let reply = gateway.send(&Request::get(service_path(""))).await;
        assert_eq!(reply.body, RESOURCE, "{head}");
        assert_eq!(reply.header("content-length"), Some(&*RESOURCE.len().to_string()));
        assert_eq!(
            (reply.header("etag"), reply.header("accept-ranges")),
            (Some("\"1\""), Some("bytes"))
        );
        for each in ["encoded", "not_json", "partial"] {
            let expected = if each == reason { 1.0 } else { 0.0 };
            gateway.assert_metric(&untouched(each), expected).await;
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_body_stays_as_it_is() {
    for head in
        ["204 No Content", "304 Not Modified\r\netag: \"1\"", "200 OK\r\ncontent-length: 0"]
    {
        let gateway = gateway(&saying(&format!("{head}\r\nconnection: close"), "")).await;
        let reply = gateway.send(&Request::delete(service_path(""))).await;
        assert!(reply.body.is_empty());
        assert!(reply.header("transfer-encoding").is_none(), "{head}");
        assert_eq!(reply.header("etag").is_some(), head.contains("etag"));
        gateway.assert_metric(&untouched("not_json"), 0.0).await;
    }
}

#[tokio::test]
async fn the_upstream_is_asked_for_plain_answers_to_the_apis_operations_alone() {
    let upstream = Upstream::start();
    let encodings = |upstream: &Upstream| {
        let headers = upstream.last().headers;
        let all = headers.get_all("accept-encoding").iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let asking = |path: &str| {
        Request::get(path)
            .with("accept-encoding", "gzip, br")
            .with("accept-encoding", "zstd")
            .with("connection", "accept-encoding")
    };
    let gateway = with("limits: { unmatched: forward }\n", &upstream).await;
    gateway.send(&asking("/v1/Services")).await;
    assert_eq!(encodings(&upstream), ["identity"]);
    gateway.send(&asking("/v2/elsewhere").without("connection")).await;
    assert_eq!(encodings(&upstream), ["gzip, br", "zstd"]);
    let gateway = Gateway::start(&upstream).await;
    gateway.send(&asking("/v1/Services").without("connection")).await;
    assert_eq!(encodings(&upstream), ["gzip, br", "zstd"]);
}

#[tokio::test]
async fn what_is_no_operation_of_the_api_stays_as_it_is_uncounted() {
    let gateway = with("limits: { unmatched: forward }\n", &saying_json("", RESOURCE)).await;
    let reply = gateway.send(&Request::get("/v2/elsewhere")).await;
    assert_eq!(reply.body, RESOURCE);
    assert!(reply.header("content-length").is_some());
    let gateway = with("limits: { unmatched: forward }\n", &saying("200 OK", "x")).await;
    assert_eq!(gateway.send(&Request::get("/v2/elsewhere")).await.body, "x");
    gateway.assert_metric(&untouched("not_json"), 0.0).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to() {
    let head = "200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000";
    let cut = RESOURCE.find("twilio.com\\/").unwrap();
    let gateway = gateway(&saying(head, &RESOURCE[..cut])).await;
    let request = format!(
        "GET /v1/Services/KS HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\n\r\n",
        client::basic(ACCOUNT, "x")
    );
    let said = client::raw(gateway.address, request.as_bytes()).await;
    assert!(said.contains("http://gateway.example.com/v1/Services/KS"), "{said}");
    assert!(!said.ends_with("0\r\n\r\n"), "{said}");
    gateway.reaches("maskgate_upstream_errors_total{reason=\"truncated\"}", 1.0).await;
}
