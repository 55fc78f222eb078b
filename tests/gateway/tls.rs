//! An upstream over TLS.

use std::fs;
use std::sync::Arc;
use std::thread;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::tls::Authority;
use maskgate::time::Clock;
use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio_rustls::TlsAcceptor;

/// An authority, and an upstream on `localhost` with a certificate of it.
struct TlsUpstream {
    port: u16,
    authority: String,
}

impl TlsUpstream {
    fn start() -> Self {
        let authority = Authority::new();
        let identity = authority.certify("localhost");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain(), identity.private_key())
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(accept(listener, acceptor));
        });
        Self { port, authority: authority.pem() }
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut piece = [0; 4096];
            while stream.read(&mut piece).await.is_ok_and(|length| length > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn write_authority(upstream: &TlsUpstream) -> String {
    let name = format!("maskgate-ca-{}-{}.pem", std::process::id(), upstream.port);
    let path = std::env::temp_dir().join(name);
    fs::write(&path, &upstream.authority).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_upstream_with_a_certificate_of_the_given_authority_is_trusted() {
    let upstream = TlsUpstream::start();
    let ca = write_authority(&upstream);
    let https = format!("url: 'https://localhost:{}', tls: {{ ca: {ca} }}", upstream.port);
    let gateway = Gateway::toward(&https, "", Clock::manual()).await;
    for _ in 0..3 {
        assert_eq!(gateway.send(&Request::post("/v1/Services", "A=1")).await.status, 200);
    }
    fs::remove_file(ca).unwrap();
}

/// A connection that was verified by the old authority went on being used.
#[tokio::test]
async fn a_reload_that_changes_the_authority_changes_whom_the_next_request_trusts() {
    let upstream = TlsUpstream::start();
    let ca = write_authority(&upstream);
    let url = format!("upstream: {{ url: 'https://localhost:{}'", upstream.port);
    let gateway =
        Gateway::toward(&format!("url: '{}'", "http://127.0.0.1:1"), "", Clock::manual()).await;
    let file = |tls: &str| {
        let listen = gateway.head().lines().filter(|line| !line.starts_with("upstream:"));
        let listen: Vec<_> = listen.collect();
        format!("{}\n{url}{tls} }}\n", listen.join("\n"))
    };
    gateway.rewrite(&file(&format!(", tls: {{ ca: {ca} }}")));
    gateway.reload_as_it_is().await;
    let mut connection = crate::support::client::Connection::open(gateway.address).await;
    for _ in 0..2 {
        assert_eq!(connection.send(&Request::post("/v1/Services", "A=1")).await.status, 200);
    }
    gateway.rewrite(&file(""));
    gateway.reload_as_it_is().await;
    assert_eq!(connection.send(&Request::post("/v1/Services", "A=1")).await.status, 502);
    fs::remove_file(ca).unwrap();
}

#[tokio::test]
async fn an_upstream_of_an_unknown_authority_or_another_name_is_502() {
    let upstream = TlsUpstream::start();
    let unknown = format!("url: 'https://localhost:{}'", upstream.port);
    let gateway = Gateway::toward(&unknown, "", Clock::manual()).await;
    assert_eq!(gateway.send(&Request::get("/v1/Services")).await.status, 502);

    let ca = write_authority(&upstream);
    let other_name = format!("url: 'https://127.0.0.1:{}', tls: {{ ca: {ca} }}", upstream.port);
    let gateway = Gateway::toward(&other_name, "", Clock::manual()).await;
    assert_eq!(gateway.send(&Request::get("/v1/Services")).await.status, 502);
    fs::remove_file(ca).unwrap();
}
