//! The same over TLS, where bytes may wait in the decoder.

use super::scene::OK;
use super::scene::Scene;
use super::scene::text;
use crate::policy::upstream::Scheme;
use bytes::Bytes;
use http_body_util::BodyExt;
use rcgen::CertifiedKey;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A scene whose upstream speaks TLS.
async fn scene() -> (Scene, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let scene = Scene::speaking(Scheme::Https, Some(Arc::new(client))).await;
    (scene, TlsAcceptor::from(Arc::new(server)))
}

async fn accept(scene: &Scene, acceptor: &TlsAcceptor) -> TlsStream<TcpStream> {
    let (stream, _) = scene.listener.accept().await.unwrap();
    acceptor.accept(stream).await.unwrap()
}

/// Reads a request with so long a body.
async fn read(stream: &mut TlsStream<TcpStream>, body: usize) {
    let mut bytes = Vec::new();
    loop {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it closed");
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if head.is_some_and(|head| bytes.len() == head + 4 + body) {
            return;
        }
    }
}

#[tokio::test]
async fn bodies_of_any_size_go_both_ways_over_one_connection() {
    let (scene, acceptor) = scene().await;
    let sizes = [0, 5_000, 3_000_000, 70_000];
    let upstream = async {
        let mut stream = accept(&scene, &acceptor).await;
        for size in sizes {
            read(&mut stream, size).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; size]).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream
    };
    let asking = async {
        for size in sizes {
            let answer = scene.send("POST", vec![b'y'; size]).await.unwrap();
            assert!(text(answer).await.iter().eq(std::iter::repeat_n(&b'x', size)), "{size}");
        }
    };
    let ((), _stream) = tokio::join!(asking, upstream);
    assert_eq!((scene.counters.opened(), scene.counters.idle()), (1, 1));
}

#[tokio::test]
async fn what_comes_unasked_is_no_answer_and_the_upstream_hears_that_it_ends() {
    let (scene, acceptor) = scene().await;
    let first = async {
        let mut stream = accept(&scene, &acceptor).await;
        read(&mut stream, 0).await;
        // Two records in one packet: the second is decrypted when it is asked for.
        let (tcp, tls) = stream.get_mut();
        for bytes in [OK, OK] {
            std::io::Write::write_all(&mut tls.writer(), bytes).unwrap();
        }
        let mut packet = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut packet).unwrap();
        }
        tcp.write_all(&packet).await.unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(scene.send("GET", ""), first);
    assert_eq!(text(answer.unwrap()).await, "{}");
    let second = async {
        let mut stream = accept(&scene, &acceptor).await;
        read(&mut stream, 0).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let (answer, _second) = tokio::join!(scene.send("POST", ""), second);
    assert_eq!(text(answer.unwrap()).await, "[]");
    assert_eq!(scene.counters.opened(), 2);
    // Without the goodbye of TLS this were an error.
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_end_without_the_goodbye_of_tls_breaks_an_answer_off() {
    let (scene, acceptor) = scene().await;
    for (says_goodbye, whole) in [(true, true), (false, false)] {
        let upstream = async {
            let mut stream = accept(&scene, &acceptor).await;
            read(&mut stream, 0).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
            stream.flush().await.unwrap();
            if says_goodbye {
                stream.shutdown().await.unwrap();
            } else {
                stream.get_mut().0.shutdown().await.unwrap();
            }
            stream
        };
        let (answer, _stream) = tokio::join!(scene.send("GET", ""), upstream);
        let read = answer.unwrap().into_body().collect().await;
        assert_eq!(read.is_ok(), whole);
        if let Ok(read) = read {
            assert_eq!(read.to_bytes(), Bytes::from("hello"));
        }
        task::yield_now().await;
    }
}
