//! A forwarder beside an upstream that does what each test says, over real sockets.

use crate::forward::Accept;
use crate::forward::AnswerBody;
use crate::forward::AnswerError;
use crate::forward::Caller;
use crate::forward::Counters;
use crate::forward::Forwarder;
use crate::forward::Outgoing;
use crate::forward::UpstreamError;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::time::Clock;
use bytes::Bytes;
use http::HeaderValue;
use http::Request;
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use rustls::ClientConfig;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task;

pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// A forwarder and the listener of its upstream.
pub(super) struct Scene {
    forwarder: Forwarder,
    pub(super) counters: Arc<Counters>,
    upstream: Upstream,
    pub(super) listener: TcpListener,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::speaking(Scheme::Http, None).await
    }

    pub(super) async fn speaking(scheme: Scheme, tls: Option<Arc<ClientConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let origin = Origin { scheme, host: "127.0.0.1".to_owned(), port };
        let counters = Arc::new(Counters::default());
        let forwarder = Forwarder::new(Clock::manual(), Arc::clone(&counters));
        let upstream = Upstream { tls, ..Upstream::plain(origin) };
        Self { forwarder, counters, upstream, listener }
    }

    pub(super) async fn send(
        &self,
        method: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let caller = Caller::new("203.0.113.7".parse().unwrap(), Scheme::Http);
        let request = Request::builder().method(method).uri("/v1").header("host", "a");
        let outgoing = Outgoing {
            head: Box::new(request.body(()).unwrap().into_parts().0),
            body: body.into(),
            caller: &caller,
            request_id: HeaderValue::from_static("1"),
            accept: Accept::Any,
        };
        self.forwarder.send(&self.upstream, outgoing).await
    }

    /// The next connection, of which so much has been read as ends in an empty line.
    pub(super) async fn accept(&self) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream
    }

    /// One request whose answer is `answer`, to be read; and the upstream's end.
    pub(super) async fn exchange(&self, answer: &[u8]) -> (Response<AnswerBody>, TcpStream) {
        let answering = async {
            let mut stream = self.accept().await;
            stream.write_all(answer).await.unwrap();
            stream
        };
        let (sent, stream) = tokio::join!(self.send("GET", ""), answering);
        (sent.unwrap(), stream)
    }

    /// Waits until no connection is kept, as far as the runtime hears of it.
    pub(super) async fn until_none_is_kept(&self) {
        while self.counters.idle() > 0 {
            task::yield_now().await;
            self.forwarder.close_idle(Duration::from_hours(1));
        }
    }
}

pub(super) async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it closed");
    }
    bytes
}

pub(super) async fn text(answer: Response<AnswerBody>) -> Bytes {
    answer.into_body().collect().await.unwrap().to_bytes()
}

/// Polls without waiting.
pub(super) fn poll(body: &mut AnswerBody) -> Poll<Option<Result<Bytes, AnswerError>>> {
    let mut cx = Context::from_waker(Waker::noop());
    let frame = Pin::new(body).poll_frame(&mut cx);
    frame.map_ok(|frame| frame.into_data().unwrap())
}
