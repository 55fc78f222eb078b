//! No secret, number, name or text of a client or an upstream is in a log line, an answer of the
//! gateway's own, a metric or a page, whatever goes wrong (D12), and nothing that steers a terminal
//! or ends a line (B13).

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod check;
mod door;
mod marks;
mod requests;
#[path = "../gateway/support/mod.rs"]
#[expect(dead_code, reason = "the tests of the gateway need the rest")]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::mem;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::marks::ANSWER;
use crate::marks::NAME;
use crate::marks::PASSWORD;
use crate::marks::PATH;
use crate::marks::QUERY;
use crate::requests::Sent;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::client::basic;
use crate::support::upstream::Behaviour;

/// Every line there can be, a small body limit, and no rate in the way.
const NOISY: &str =
    "limits: { mode: off, payload: { body: 2KiB } }\nlog: { access: all, level: trace";

/// The same, with a limit that is soon reached.
const LIMITED: &str =
    "limits: { rate: { requests_per_second: 1 } }\nlog: { access: all, level: trace";

/// Sends one client's bytes and answers with what comes back until the other side closes, which
/// may be at once.
async fn say(address: SocketAddr, sent: &Sent) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(&sent.bytes).await);
    if !sent.is_whole {
        drop(stream.shutdown().await);
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What the gateway itself says to clients, all of it.
async fn answers(gateway: &Gateway) -> String {
    let mut said = String::new();
    for sent in requests::bad() {
        let answer = say(gateway.address, &sent).await;
        if !answer.starts_with("HTTP/1.1 200") {
            said.push_str(&answer);
        }
    }
    said
}

/// What broken upstreams answer; none for one that does not listen.
fn faults() -> Vec<Option<String>> {
    [
        format!("HTTP/1.1 200 OK\r\n{ANSWER}: {ANSWER}\0\r\n\r\n"),
        format!("{ANSWER}\r\n\r\n"),
        format!("HTTP/1.1 {ANSWER} OK\r\n\r\n"),
        format!("HTTP/1.1 200 {ANSWER}\r\nContent-Length: 100\r\n\r\n{ANSWER}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ANSWER}\r\n"),
        format!("HTTP/1.1 101 {ANSWER}\r\nUpgrade: {ANSWER}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: \x1b[31m{ANSWER}\r\n\r\n"),
        String::new(),
    ]
    .into_iter()
    .map(Some)
    .chain([None])
    .collect()
}

/// What the gateway says to clients when the upstream fails.
async fn answers_of_faults(gateway: &Gateway, url: &str, format: &str) -> String {
    let mut said = String::new();
    for fault in faults() {
        let other = if let Some(bytes) = fault {
            Upstream::behaving(Behaviour::Raw(bytes.into_bytes())).url()
        } else {
            let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
            format!("http://{}", nobody.local_addr().unwrap())
        };
        let head = gateway.head().replace(url, &other);
        gateway.rewrite(&format!("{head}{NOISY}{format} }}"));
        gateway.reload_as_it_is().await;
        let answer = say(gateway.address, &requests::good()).await;
        if !answer.starts_with("HTTP/1.1 200") {
            said.push_str(&answer);
        }
    }
    said
}

/// What everybody else is told: the pages of the admin listener, asked for with marks too.
async fn pages(gateway: &Gateway) -> String {
    let mut said = String::new();
    for path in ["metrics", "policy", "windows", "healthz", "readyz", "", PATH] {
        for query in ["", QUERY, &format!("service={NAME}")] {
            let request = format!(
                "GET /{path}?{query} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\n\
                 Connection: close\r\n\r\n",
                basic(support::ACCOUNT, PASSWORD)
            );
            let sent = Sent { bytes: request.into_bytes(), is_whole: true };
            said.push_str(&say(gateway.admin, &sent).await);
        }
    }
    for sent in requests::bad() {
        said.push_str(&say(gateway.admin, &Sent { is_whole: false, ..sent }).await);
    }
    said
}

#[tokio::test]
async fn nothing_that_a_client_or_an_upstream_says_is_told_to_anybody_else() {
    let upstream = Upstream::behaving(Behaviour::Answer(200, ANSWER));
    let mut gateway = Gateway::with(&format!("{NOISY} }}"), &upstream).await;
    let lines = mem::replace(&mut gateway.lines, mpsc::channel().1);
    let lines = thread::spawn(move || lines.into_iter().collect::<String>());
    let mut said = String::new();
    for format in [", format: json", ", format: text"] {
        gateway.reload(&format!("{NOISY}{format} }}")).await;
        let answer = say(gateway.address, &requests::good()).await;
        assert!(answer.contains(ANSWER), "{answer}");
        said.push_str(&answers(&gateway).await);
        said.push_str(&answers_of_faults(&gateway, &upstream.url(), format).await);
        gateway.reload(&format!("{LIMITED}{format} }}")).await;
        for _ in 0..8 {
            let answer = say(gateway.address, &requests::good()).await;
            said.push_str(if answer.starts_with("HTTP/1.1 200") { "" } else { &answer });
        }
        said.push_str(&pages(&gateway).await);
    }
    // As text, the mistakes of a configuration have lines of their own.
    gateway.reload(&format!("{NOISY} }}")).await;
    door::knock(&upstream).await;
    gateway.reload(&format!("limits: {{ password: {PASSWORD} }}")).await;
    gateway.assert_metric("maskgate_log_lines_dropped_total", 0.0).await;
    drop(gateway);
    let lines = lines.join().unwrap();
    for status in [400, 401, 404, 405, 414, 415, 429, 431, 502, 505] {
        assert!(
            said.contains(&format!("HTTP/1.1 {status}")),
            "nothing was refused with {status}"
        );
    }
    for event in [
        "a client connection ended",
        "the handshake failed",
        "an admin connection ended",
        "has mistakes",
    ] {
        assert!(lines.contains(event), "{event} was not logged");
    }
    assert_eq!(marks::in_text(&said), [""; 0], "in answers and pages");
    check_lines(&lines);
}

/// Each line is an event or a request, without a mark and without anything that steers a
/// terminal.
fn check_lines(lines: &str) {
    assert!(lines.lines().count() > 300, "{}", lines.lines().count());
    for line in lines.lines() {
        let found = marks::in_text(line);
        assert!(found.is_empty(), "{found:?} in {line}");
        assert!(!line.contains(char::is_control), "{line:?}");
        let is_json = serde_json::from_str::<serde_json::Value>(line).is_ok();
        let is_text =
            line.get(..20).is_some_and(|time| time.starts_with("20") && time.contains('T'));
        assert!(is_json || is_text, "no line of its own: {line:?}");
    }
}

/// The names of all series, with their labels.
async fn series(gateway: &Gateway) -> BTreeSet<String> {
    let text = String::from_utf8(gateway.page("/metrics").await.body.to_vec()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn ten_thousand_random_sids_add_no_series() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let before = series(&gateway).await;
    let mut rng = fastrand::Rng::with_seed(13);
    let mut connection = Connection::open(gateway.address).await;
    let mut statuses = BTreeSet::new();
    for number in 0..10_000_u32 {
        let mut sid = |kind: &str| format!("{kind}{:032x}", rng.u128(..));
        let mut path = format!("/v1/Services/{}", sid("KS"));
        match number % 4 {
            0 => {}
            1 => write!(path, "/Sessions/{}", sid("KC")).unwrap(),
            2 => write!(path, "/Sessions/{}/Participants/{}", sid("KC"), sid("KP")).unwrap(),
            _ => write!(path, "/{}", sid("XX")).unwrap(),
        }
        let request = Request::get(path).without("authorization");
        let request = request.with("authorization", &basic(&sid("AC"), "x"));
        statuses.insert(connection.send(&request).await.status);
    }
    assert_eq!(statuses, [200, 404].into());
    assert_eq!(series(&gateway).await, before);
}
