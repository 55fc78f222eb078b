//! Connections that end, and bytes behind the end of an answer.

use super::scene::OK;
use super::scene::Scene;
use super::scene::poll;
use super::scene::text;
use crate::forward::AnswerError;
use bytes::Bytes;
use http_body_util::BodyExt;
use socket2::SockRef;
use std::future;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task;

#[tokio::test]
async fn an_answer_is_passed_on_of_an_upstream_that_closes_before_the_body_has_been_sent() {
    let scene = Scene::new().await;
    let early = async {
        let mut stream = scene.accept().await;
        let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        // Taken, so that there is no reset, which would cut the answer off on its way.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap()
    };
    let asking = async {
        let answer = scene.send("POST", vec![0; 8 << 20]).await.unwrap();
        (answer.status().as_u16(), text(answer).await)
    };
    let (answer, _) = tokio::join!(asking, early);
    assert_eq!(answer, (413, Bytes::from("no")));
    assert_eq!(scene.counters.idle(), 0);
}

#[tokio::test]
async fn what_comes_unasked_is_no_answer() {
    for unasked in [OK, b"\r\n"] {
        let scene = Scene::new().await;
        let (answer, mut stream) = scene.exchange(OK).await;
        assert_eq!(text(answer).await, "{}");
        stream.write_all(unasked).await.unwrap();
        scene.until_none_is_kept().await;
        let both = [OK, unasked].concat();
        let (answer, _stream) = scene.exchange(&both).await;
        assert_eq!(text(answer).await, "{}");
        assert_eq!(scene.counters.opened(), 2);
        scene.until_none_is_kept().await;
    }
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_not_used_again() {
    let scene = Scene::new().await;
    let (_, stream) = scene.exchange(OK).await;
    assert_eq!(scene.counters.idle(), 1);
    drop(stream);
    scene.until_none_is_kept().await;
    let (answer, _stream) = scene.exchange(OK).await;
    assert_eq!((answer.status().as_u16(), scene.counters.retries()), (200, 0));
}

/// The end of a connection comes between the look at it and the request: nothing has been told to
/// the runtime, as nothing was waited for.
#[tokio::test]
async fn a_request_that_met_the_end_of_its_connection_is_sent_once_more_if_it_may_be() {
    for (method, is_reset, outcome) in [
        ("POST", true, Some(200)), // the socket takes not a byte
        ("GET", true, Some(200)),
        ("POST", false, None), // it may have been seen
        ("GET", false, Some(200)),
    ] {
        let scene = Scene::new().await;
        let (_, stream) = scene.exchange(OK).await;
        if is_reset {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
        let again = async {
            let mut stream = scene.accept().await;
            stream.write_all(OK).await.unwrap();
            stream
        };
        tokio::select! {
            sent = scene.send(method, "") => {
                let status = sent.ok().map(|answer| answer.status().as_u16());
                assert_eq!(status, outcome, "{method}");
            }
            _stream = async { (again.await, future::pending::<()>().await) } => {}
        }
        assert_eq!(scene.counters.retries(), u64::from(outcome.is_some()), "{method}");
    }
}

#[tokio::test]
async fn what_came_of_an_answer_that_breaks_off_is_on_its_way_before_that_is_told() {
    for begun in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nx",
    ] {
        let scene = Scene::new().await;
        let (answer, stream) = scene.exchange(begun.as_bytes()).await;
        drop(stream);
        let mut body = answer.into_body();
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(piece, "hello");
        let mut waits = 0;
        let error = loop {
            match poll(&mut body) {
                Poll::Ready(end) => break end.unwrap().unwrap_err(),
                Poll::Pending => waits += 1,
            }
            task::yield_now().await;
        };
        assert!(matches!(error, AnswerError::Broken(_)) && waits > 0, "{begun}");
        assert!(poll(&mut body).is_ready(), "told once");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let scene = Scene::new().await;
    let (answer, stream) = scene.exchange(b"HTTP/1.1 200 OK\r\n\r\nhello").await;
    drop(stream);
    assert_eq!(text(answer).await, "hello");
    assert_eq!(scene.counters.idle(), 0);
}
