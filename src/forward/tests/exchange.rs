//! Requests and answers, whole and large, early and late.

use super::scene::OK;
use super::scene::Scene;
use super::scene::poll;
use super::scene::read_head;
use super::scene::text;
use crate::forward::AnswerError;
use crate::forward::UpstreamError;
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::task;
use tokio::time::Instant;

#[tokio::test]
async fn a_connection_is_free_when_the_last_byte_is_there_without_another_poll() {
    let scene = Scene::new().await;
    let (answer, mut stream) = scene.exchange(OK).await;
    assert_eq!(scene.counters.idle(), 1, "the answer came in one piece");
    let next = async {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(b"2\r\n[]\r\n0\r\n\r\n").await.unwrap();
    };
    let (next, ()) = tokio::join!(scene.send("GET", ""), next);
    assert_eq!(text(answer).await, "{}", "and is still there when it is read at last");
    let mut body = next.unwrap().into_body();
    let piece = loop {
        if let Poll::Ready(piece) = poll(&mut body) {
            break piece.unwrap().unwrap();
        }
        task::yield_now().await;
    };
    assert_eq!((piece, body.is_end_stream()), (Bytes::from("[]"), true));
    assert_eq!((scene.counters.opened(), scene.counters.idle()), (1, 1));
}

#[tokio::test]
async fn a_large_body_arrives_behind_its_head() {
    let scene = Scene::new().await;
    for length in [0, 1, 4096, 4097, 3_000_000] {
        let body: Bytes = (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
        let upstream = async {
            let (mut stream, _) = scene.listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(&body) || !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it closed");
            }
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            bytes
        };
        let (sent, bytes) = tokio::join!(scene.send("POST", body.clone()), upstream);
        assert_eq!(sent.unwrap().status(), 204);
        let head = String::from_utf8_lossy(&bytes[..bytes.len() - length]).into_owned();
        assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
        assert_eq!(scene.counters.idle(), 0, "it said that it closes");
    }
}

#[tokio::test]
async fn an_answer_before_the_body_has_been_sent_is_passed_on() {
    let scene = Scene::new().await;
    let early = async {
        let mut stream = scene.accept().await;
        let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(answer).await.unwrap();
        stream // which takes no more of the body
    };
    let body = vec![0; 64 << 20];
    let (sent, _stream) = tokio::join!(scene.send("POST", body), early);
    let answer = sent.unwrap();
    assert_eq!((answer.status().as_u16(), text(answer).await), (413, Bytes::from("no")));
    assert_eq!(scene.counters.idle(), 0, "the rest of the body would be a request");
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_not_fetched() {
    let scene = Scene::new().await;
    let length = 256 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let (answer, stream) = scene.exchange(head.as_bytes()).await;
    let piece = vec![0; 1 << 16];
    let (mut taken, mut refused) = (0, 0);
    while taken < length && refused < 1000 {
        if let Ok(written) = stream.try_write(&piece) {
            (taken, refused) = (taken + written, 0);
        } else {
            refused += 1;
            task::yield_now().await;
        }
    }
    assert!(taken < length / 2, "no more than the sockets hold: {taken}");
    drop(answer);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn each_answer_is_waited_for_from_its_own_request() {
    let scene = Scene::new().await;
    let (_, mut stream) = scene.exchange(OK).await;
    for _ in 0..3 {
        let late = async {
            read_head(&mut stream).await;
            tokio::time::sleep(Duration::from_secs(14)).await;
            stream.write_all(OK).await.unwrap();
        };
        let (answer, ()) = tokio::join!(scene.send("GET", ""), late);
        assert_eq!(answer.unwrap().status(), 200);
    }
    let begun = Instant::now();
    let (sent, _) = tokio::join!(scene.send("GET", ""), read_head(&mut stream));
    assert!(matches!(sent, Err(UpstreamError::ResponseTimeout(_))), "{sent:?}");
    assert_eq!(begun.elapsed().as_secs(), 15);
    assert_eq!((scene.counters.opened(), scene.counters.retries()), (1, 0));
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn a_body_stalls_from_its_last_piece() {
    let scene = Scene::new().await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    let (answer, mut stream) = scene.exchange(head).await;
    let begun = Instant::now();
    let slow = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(14)).await;
            stream.write_all(b"x").await.unwrap();
        }
        stream
    };
    let (read, _stream) = tokio::join!(answer.into_body().collect(), slow);
    assert!(matches!(read, Err(AnswerError::Stalled(_))));
    assert_eq!(begun.elapsed().as_secs(), 3 * 14 + 15);
}
