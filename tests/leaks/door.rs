//! Who does not get as far as HTTP, or only by way of the PROXY protocol and TLS, with marks in
//! what it says there.

use std::fs;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::marks::HOST;
use crate::marks::TEXT;
use crate::requests;
use crate::requests::Sent;
use crate::say;
use crate::support::Gateway;
use crate::support::Upstream;
use crate::support::tls::Authority;
use crate::support::tls::TlsClient;

/// A header that is taken, and what is no TLS behind it.
const ANNOUNCED: &str = "PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n";

/// What does not pass the door.
fn refused() -> Vec<Sent> {
    let block = format!("\x1b[31m{TEXT}");
    let length = u8::try_from(block.len()).unwrap();
    [
        format!("PROXY TCP4 {TEXT} {TEXT} 1 2\r\n"),
        format!("PROXY {TEXT}\x1b[31m\r\n"),
        format!("PROXY UNKNOWN {TEXT}{}\r\n", "x".repeat(107)),
        format!("{TEXT}\x1b[31m\r\n\r\n"),
        format!("\r\n\r\n\0\r\nQUIT\n\x21\x11\0{}{block}", char::from(length)),
        format!("{ANNOUNCED}GET /{TEXT} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("{ANNOUNCED}\x16\x03\x01\0\x40\x01\0\0\x3c{TEXT}"),
    ]
    .map(|text| Sent { bytes: text.into_bytes(), is_whole: false })
    .into()
}

/// Asks over TLS with a host that is marked; answers with what comes back.
async fn ask(gateway: &Gateway, client: &TlsClient) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(ANNOUNCED.as_bytes()).await.unwrap();
    let Ok(mut stream) = client.asking(HOST, stream).await else { return String::new() };
    stream.write_all(&requests::good().bytes).await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Lets a gateway of its own refuse them. What that logs goes to the process's one log of events.
pub(crate) async fn knock(upstream: &Upstream) {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let identity = authority.certify(HOST);
    let name = format!("maskgate-leaks-door-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("tls.crt"), &identity.certificate).unwrap();
    fs::write(directory.join("tls.key"), &identity.key).unwrap();
    let files = directory.display();
    let listen = format!(
        "proxy_protocol: {{ trusted: [127.0.0.0/8] }}, \
         tls: {{ certificate: {files}/tls.crt, private_key: {files}/tls.key }}"
    );
    let gateway = Gateway::listening(&listen, upstream).await;
    for sent in refused() {
        let answer = say(gateway.address, &sent).await;
        assert!(!answer.contains("HTTP/1.1"), "{answer}");
    }
    let client = TlsClient::trusting(&authority);
    assert!(ask(&gateway, &client).await.starts_with("HTTP/1.1 200"));
    for client in [client.offering(&[TEXT]), TlsClient::trusting(&stranger)] {
        assert_eq!(ask(&gateway, &client).await, "");
    }
    drop(gateway);
    fs::remove_dir_all(&directory).unwrap();
}
