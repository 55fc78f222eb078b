//! Proxies that say for whom they connect, by the PROXY protocol.

use std::fs;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Upstream;
use crate::support::client;
use crate::support::tls::Authority;
use crate::support::tls::TlsClient;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LOOPBACK: &str = "proxy_protocol: { trusted: [127.0.0.0/8] }";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn request() -> Vec<u8> {
    let authorization = client::basic(ACCOUNT, "password");
    format!(
        "GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\n\
         connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// A header of version 2: the command, the family, and what is behind its length.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, block].concat()
}

/// Two IPv4 addresses and their ports, and a TLV of this many bytes.
fn v4_block(tlv: u16) -> Vec<u8> {
    let addresses = [203, 0, 113, 7, 10, 0, 0, 1, 0xdc, 4, 1, 187];
    let value = vec![0; usize::from(tlv)];
    let mut block = addresses.to_vec();
    if tlv > 0 {
        block.extend([&[0xe0][..], &tlv.to_be_bytes(), &value].concat());
    }
    block
}

/// Sends each of `writes`, and answers with whatever comes back until the end.
async fn converse(gateway: &Gateway, writes: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for bytes in writes {
        // It may have been enough before the last of them.
        drop(stream.write_all(bytes).await);
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_trusted_proxy_says_for_whom_it_connects() {
    let upstream = Upstream::start();
    let gateway = Gateway::listening(LOOPBACK, &upstream).await;
    let v6 =
        [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[9], &[0; 15], &[1], &[0; 4]].concat();
    for (header, announced) in [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 443\r\n".to_vec(), "2001:db8::9"),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n".to_vec(), "203.0.113.7"),
        (v2(0x21, 0x11, &v4_block(0)), "203.0.113.7"),
        (v2(0x21, 0x11, &v4_block(1000)), "203.0.113.7"),
        (v2(0x21, 0x21, &v6), "2001:db8::9"),
    ] {
        let answer = converse(&gateway, &[&[header, request()].concat()]).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{announced}: {answer}");
        assert_eq!(upstream.last().headers["x-forwarded-for"], announced);
    }
}

#[tokio::test]
async fn where_it_tells_no_address_the_connection_is_its_own() {
    let upstream = Upstream::start();
    let gateway = Gateway::listening(LOOPBACK, &upstream).await;
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 203.0.113.7 10.0.0.1 56324 443\r\n".to_vec(),
        v2(0x20, 0x00, &[]),
        v2(0x20, 0x11, &v4_block(0)),
        v2(0x21, 0x00, &[]),
        v2(0x21, 0x31, &[b'/'; 216]),
    ] {
        let answer = converse(&gateway, &[&[header, request()].concat()]).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(upstream.last().headers["x-forwarded-for"], "127.0.0.1");
    }
}

#[tokio::test]
async fn a_header_may_come_in_any_pieces_and_nothing_behind_it_is_lost() {
    let upstream = Upstream::start();
    let gateway = Gateway::listening(LOOPBACK, &upstream).await;
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n".to_vec();
    for header in [v1, v2(0x21, 0x11, &v4_block(20))] {
        let whole = [header.clone(), request()].concat();
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert!(converse(&gateway, &bytes).await.starts_with("HTTP/1.1 200 "));
        for cut in 1..=header.len() {
            let (one, other) = whole.split_at(cut);
            let answer = converse(&gateway, &[one, other]).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "cut at {cut}: {answer}");
        }
    }
    let mut all = upstream.received().into_iter();
    assert!(all.all(|request| request.headers["x-forwarded-for"] == "203.0.113.7"));
}

#[tokio::test]
async fn a_trusted_proxy_without_a_header_that_makes_sense_is_let_go_and_counted() {
    let upstream = Upstream::start();
    let listen = format!("{LOOPBACK}, timeouts: {{ handshake: 50ms }}");
    let gateway = Gateway::listening(&listen, &upstream).await;
    let v1 = |rest: &str| [b"PROXY ", rest.as_bytes(), b"\r\n"].concat();
    let bad = [
        Vec::new(),
        v1("TCP4 203.0.113.7 10.0.0.1 56324"),
        v1("TCP4 203.0.113.7 10.0.0.1 56324 65536"),
        v1("TCP4 2001:db8::9 2001:db8::1 56324 443"),
        v1("UDP4 203.0.113.7 10.0.0.1 56324 443"),
        v1(""),
        v1(&format!("UNKNOWN {}", "x".repeat(92))),
        v2(0x31, 0x11, &v4_block(0)),
        v2(0x22, 0x11, &v4_block(0)),
        v2(0x21, 0x12, &v4_block(0)),
        v2(0x21, 0x11, &[1; 11]),
        v2(0x21, 0x41, &v4_block(0)),
        v2(0x21, 0x11, &v4_block(5000)),
        v2(0x21, 0x11, &v4_block(0)).split_at(20).0.to_vec(),
    ];
    for header in &bad {
        // The one in the middle of its header waits for its end, not for a request.
        let request = if header.len() == 20 { Vec::new() } else { request() };
        let answer = converse(&gateway, &[&[header.clone(), request].concat()]).await;
        assert_eq!(answer, "", "{:?}", String::from_utf8_lossy(header));
    }
    assert_eq!(upstream.count(), 0);
    let series = "maskgate_handshake_failures_total{stage=\"proxy_protocol\"}";
    let all = f64::from(u32::try_from(bad.len()).unwrap());
    gateway.reaches(series, all).await;
}

#[tokio::test]
async fn the_header_of_anybody_else_is_not_read() {
    let upstream = Upstream::start();
    let others = "proxy_protocol: { trusted: [10.0.0.0/8, '::1'] }";
    let gateway = Gateway::listening(others, &upstream).await;
    assert!(converse(&gateway, &[&request()]).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(upstream.last().headers["x-forwarded-for"], "127.0.0.1");
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n".to_vec();
    let answer = converse(&gateway, &[&[header, request()].concat()]).await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn the_header_stands_before_the_tls_handshake() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let identity = authority.certify("localhost");
    let directory = std::env::temp_dir();
    let path = directory.join(format!("maskgate-proxy-{}.pem", std::process::id()));
    fs::write(&path, format!("{}{}", identity.certificate, identity.key)).unwrap();
    let file = path.display();
    let listen = format!("{LOOPBACK}, tls: {{ certificate: {file}, private_key: {file} }}");
    let gateway = Gateway::listening(&listen, &upstream).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n").await.unwrap();
    let mut stream = TlsClient::trusting(&authority).over(stream).await.unwrap();
    stream.write_all(&request()).await.unwrap();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer).await);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let headers = upstream.last().headers;
    assert_eq!(headers["forwarded"], "for=203.0.113.7;proto=https");
    fs::remove_file(path).unwrap();
}
