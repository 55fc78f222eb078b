//! Clients over TLS, and the files of the listener's certificate.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::tls::Authority;
use crate::support::tls::Identity;
use crate::support::tls::TlsClient;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The listener's files, in a directory that is removed in the end.
struct Files(PathBuf);

impl Files {
    fn new(identity: &Identity) -> Self {
        let name = format!("maskgate-https-{}-{}", std::process::id(), fastrand::u64(..));
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir(&files.0).unwrap();
        files.write(identity);
        files
    }

    fn write(&self, identity: &Identity) {
        fs::write(self.0.join("tls.crt"), &identity.certificate).unwrap();
        fs::write(self.0.join("tls.key"), &identity.key).unwrap();
    }

    /// The value of `listen.tls`, with `more` in it.
    fn yaml(&self, more: &str) -> String {
        let directory = self.0.display();
        format!(
            "tls: {{ certificate: {directory}/tls.crt, private_key: {directory}/tls.key{more} }}"
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn services() -> Request {
    Request::get("/v1/Services")
}

/// Whether a client is let in and answered.
async fn is_served(client: &TlsClient, gateway: &Gateway) -> bool {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let Ok(mut stream) = client.over(stream).await else { return false };
    // With TLS 1.3 a client is refused only after its side of the handshake.
    let ask = b"GET /healthy HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    drop(stream.write_all(ask).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    answer.starts_with(b"HTTP/1.1 404 ")
}

/// Waits until a counter says so, and no more.
async fn wait_for(gateway: &Gateway, series: &str, value: f64) {
    while gateway.metric(series).await < value {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((gateway.metric(series).await - value).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_client_over_tls_is_served_and_the_upstream_is_told_so() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let gateway = Gateway::listening(&files.yaml(""), &upstream).await;
    let stream = TlsClient::trusting(&authority).connect(gateway.address).await;
    let mut connection = Connection::over(stream, gateway.address).await;
    for _ in 0..3 {
        assert_eq!(connection.send(&services()).await.status, 200);
    }
    let headers = upstream.last().headers;
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=https");
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_also_with_clients_that_name_no_host() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let gateway = Gateway::listening(&files.yaml(""), &upstream).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = TlsClient::speaking(&[version], &authority, None);
        assert!(is_served(&client, &gateway).await, "{version:?}");
        assert!(is_served(&client.silent(), &gateway).await, "{version:?}");
    }
}

#[tokio::test]
async fn of_the_protocols_that_a_client_offers_http2_is_preferred() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let gateway = Gateway::listening(&files.yaml(""), &upstream).await;
    for (offered, chosen) in
        [(&["spdy/3", "http/1.1"][..], &b"http/1.1"[..]), (&["http/1.1", "h2"], b"h2")]
    {
        let client = TlsClient::trusting(&authority).offering(offered);
        let stream = client.connect(gateway.address).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen));
    }
    let client = TlsClient::trusting(&authority).offering(&["spdy/3"]);
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    client.over(stream).await.unwrap_err();
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let gateway = Gateway::listening(&files.yaml(""), &upstream).await;
    let stream = TlsClient::trusting(&authority).connect(gateway.address).await;
    let mut connection = Connection::over(stream, gateway.address).await;
    assert_eq!(connection.send(&services()).await.status, 200);

    let successor = Authority::new();
    files.write(&successor.certify("localhost"));
    wait_for(&gateway, "maskgate_tls_reloads_total{result=\"applied\"}", 1.0).await;
    assert_eq!(connection.send(&services()).await.status, 200);
    assert!(is_served(&TlsClient::trusting(&successor), &gateway).await);
    assert!(!is_served(&TlsClient::trusting(&authority), &gateway).await);
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_certificate_in_force_until_they_can() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let gateway = Gateway::listening(&files.yaml(""), &upstream).await;
    let client = TlsClient::trusting(&authority);
    let refused = "maskgate_tls_reloads_total{result=\"refused\"}";

    let (one, other) = (authority.certify("localhost"), authority.certify("localhost"));
    files.write(&Identity { key: other.key, ..one.clone() });
    wait_for(&gateway, refused, 1.0).await;
    assert!(is_served(&client, &gateway).await, "the key does not fit");
    fs::remove_file(files.0.join("tls.key")).unwrap();
    wait_for(&gateway, refused, 2.0).await;
    assert!(is_served(&client, &gateway).await, "no key");

    files.write(&one);
    wait_for(&gateway, "maskgate_tls_reloads_total{result=\"applied\"}", 1.0).await;
    assert!(is_served(&client, &gateway).await);
}

#[tokio::test]
async fn with_an_authority_for_clients_only_those_with_a_certificate_of_it_are_served() {
    let (upstream, authority, clients) =
        (Upstream::start(), Authority::new(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    fs::write(files.0.join("ca.crt"), clients.pem()).unwrap();
    let ca = format!(", client_ca: {}/ca.crt", files.0.display());
    let nobody = TlsClient::trusting(&authority);
    let known = TlsClient::with(&clients.certify("client"), &authority);
    let stranger = TlsClient::with(&Authority::new().certify("client"), &authority);

    let required = Gateway::listening(&files.yaml(&ca), &upstream).await;
    assert!(is_served(&known, &required).await);
    assert!(!is_served(&nobody, &required).await);
    assert!(!is_served(&stranger, &required).await);

    let more = format!("{ca}, client_certificates: optional");
    let optional = Gateway::listening(&files.yaml(&more), &upstream).await;
    assert!(is_served(&known, &optional).await);
    assert!(is_served(&nobody, &optional).await);
    assert!(!is_served(&stranger, &optional).await);
}

#[tokio::test]
async fn who_speaks_no_tls_or_nothing_at_all_is_let_go_and_counted() {
    let (upstream, authority) = (Upstream::start(), Authority::new());
    let files = Files::new(&authority.certify("localhost"));
    let listen = format!("{}, timeouts: {{ handshake: 300ms }}", files.yaml(""));
    let gateway = Gateway::listening(&listen, &upstream).await;
    for said in [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], b""] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // It ends, cleanly or not.
        drop(stream.read_to_end(&mut answer).await);
        assert!(!answer.starts_with(b"HTTP"), "an alert at most: {answer:?}");
    }
    gateway.reaches("maskgate_handshake_failures_total{stage=\"tls\"}", 2.0).await;
    assert!(is_served(&TlsClient::trusting(&authority), &gateway).await);
}
