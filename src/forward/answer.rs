//! The body of an answer, as the upstream sends it; at its end the connection is free again.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::Version;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use tokio::time;
use tokio::time::Sleep;

use crate::forward::connections::Connection;
use crate::forward::connections::Connections;
use crate::forward::head;
use crate::policy::upstream::Upstream;

/// Why a body that had begun did not end. The client sees its connection close.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The upstream's connection ended or what came is no HTTP.
    #[error("the upstream's answer ended early")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the upstream's answer stalled for {0:?}")]
    Stalled(Duration),
}

/// The streamed body of an answer.
pub struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    stall_limit: Duration,
    /// Runs only while nothing is there to be read.
    stall: Option<Pin<Box<Sleep>>>,
    /// Why it broke off; told when what came before is on its way to the client.
    broken: Option<hyper::Error>,
}

/// A connection that is taken back when the answer has been read.
struct Lease {
    connection: Connection,
    connections: Rc<Connections>,
    idle_limit: Option<Duration>,
}

/// The upstream's answer, without the fields that were meant for the gateway alone.
pub(super) fn from_upstream(
    response: Response<Incoming>,
    connection: Connection,
    connections: &Rc<Connections>,
    upstream: &Upstream,
) -> Response<AnswerBody> {
    let (mut parts, incoming) = response.into_parts();
    // This hop's version is the gateway's own (RFC 9110 §2.5).
    parts.version = Version::HTTP_11;
    let idle_limit = head::keep_alive_limit(&parts.headers);
    head::clean_answer(&mut parts.headers);
    let lease = Lease { connection, connections: Rc::clone(connections), idle_limit };
    let mut body = AnswerBody {
        incoming,
        lease: Some(lease),
        stall_limit: upstream.timeouts.response,
        stall: None,
        broken: None,
    };
    if body.incoming.is_end_stream() {
        body.end_lease();
    }
    Response::from_parts(parts, body)
}

impl AnswerBody {
    /// The answer has been read to its end: the connection is free.
    fn end_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.connections.give_back(lease.connection, lease.idle_limit);
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<AnswerError> {
        let limit = self.stall_limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(time::sleep(limit)));
        stall.as_mut().poll(cx).map(|()| AnswerError::Stalled(limit))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(AnswerError::Broken(error))));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_stall(cx).map(|stalled| Some(Err(stalled)));
        };
        self.stall = None;
        match frame {
            Some(Err(error)) => {
                self.lease = None;
                self.broken = Some(error);
                // The server drops what it has not written when a body fails. Without its head an
                // answer that broke off looks like none, and is asked for again.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Ok(frame)) => {
                // A body of known length says so with its last piece, a chunked one with `None`.
                if self.incoming.is_end_stream() {
                    self.end_lease();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.end_lease();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
