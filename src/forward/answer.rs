//! The body of an answer, as the upstream sends it; at its end the connection is free again.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;

use crate::forward::AnswerFault;
use crate::forward::answer_head::AnswerHead;
use crate::forward::connection::Connection;
use crate::forward::connections::Connections;
use crate::policy::upstream::Upstream;

/// Why a body that had begun did not end. The client sees its connection close.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The upstream's connection ended or what came is no HTTP.
    #[error("the upstream's answer ended early")]
    Broken(#[from] AnswerFault),
    /// Nothing came for too long.
    #[error("the upstream's answer stalled for {0:?}")]
    Stalled(Duration),
}

/// The streamed body of an answer. It is read from the upstream as it is asked for.
pub struct AnswerBody {
    /// Came with the head.
    first: Bytes,
    source: Source,
    stall_limit: Duration,
}

/// Where the rest comes from.
enum Source {
    Upstream(Lease),
    /// There is no more.
    Nowhere,
    /// It broke off, which is told when what came before is on its way to the client.
    Broken(AnswerError),
}

/// A connection that is taken back when the answer has been read.
struct Lease {
    connection: Box<Connection>,
    connections: Rc<Connections>,
}

/// The upstream's answer.
pub(super) fn from_upstream(
    head: AnswerHead,
    mut connection: Box<Connection>,
    connections: &Rc<Connections>,
    upstream: &Upstream,
) -> Response<AnswerBody> {
    let first = connection.first_piece();
    let lease = Lease { connection, connections: Rc::clone(connections) };
    let stall_limit = upstream.timeouts.response;
    let mut body = AnswerBody { first, source: Source::Upstream(lease), stall_limit };
    body.end_lease();
    Response::from_parts(head.parts, body)
}

impl AnswerBody {
    /// The connection is free where the answer has been read to its end.
    fn end_lease(&mut self) {
        if let Source::Upstream(lease) = &mut self.source
            && lease.connection.answer().is_at_end()
            && let Source::Upstream(lease) = mem::replace(&mut self.source, Source::Nowhere)
        {
            lease.connections.give_back(lease.connection);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.first)))));
        }
        let limit = self.stall_limit;
        let Source::Upstream(lease) = &mut self.source else {
            let Source::Broken(error) = mem::replace(&mut self.source, Source::Nowhere) else {
                return Poll::Ready(None);
            };
            return Poll::Ready(Some(Err(error)));
        };
        match ready!(lease.connection.poll_piece(cx, limit)) {
            Some(Ok(piece)) => {
                self.end_lease();
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None => {
                self.end_lease();
                Poll::Ready(None)
            }
            Some(Err(error @ AnswerError::Stalled(_))) => {
                self.source = Source::Nowhere;
                Poll::Ready(Some(Err(error)))
            }
            Some(Err(error @ AnswerError::Broken(_))) => {
                self.source = Source::Broken(error);
                // The server drops what it has not written when a body fails. Without its head an
                // answer that broke off looks like none, and is asked for again.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && matches!(self.source, Source::Nowhere)
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Upstream(lease) => lease.connection.answer().left(),
            Source::Nowhere => Some(0),
            Source::Broken(_) => None,
        };
        let first = u64::try_from(self.first.len()).unwrap_or(u64::MAX);
        left.map_or_else(SizeHint::default, |left| {
            SizeHint::with_exact(left.saturating_add(first))
        })
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size_hint();
        f.debug_struct("AnswerBody").field("size", &size).finish_non_exhaustive()
    }
}
