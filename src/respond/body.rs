//! The body of an answer: a whole one of the gateway's own, or the upstream's as it streams.

use std::fmt;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;

use crate::admit::Permit;
use crate::forward::AnswerBody;
use crate::forward::AnswerError;
use crate::ingress::Turn;
use crate::observe::Record;

/// What an answer carries.
pub struct ReplyBody {
    kind: Kind,
    /// Ends with the answer.
    turn: Option<Turn>,
}

enum Kind {
    Whole(Bytes),
    Streamed(Box<Streamed>),
}

/// The upstream's body, with what has to live exactly as long.
struct Streamed {
    body: AnswerBody,
    record: Record,
    /// Given back when the last byte has been handed over, or the client has left.
    _permit: Permit,
}

impl ReplyBody {
    pub(super) fn whole(text: String) -> Self {
        Self { kind: Kind::Whole(Bytes::from(text)), turn: None }
    }

    pub(super) fn streamed(body: AnswerBody, permit: Permit, record: Record) -> Self {
        let streamed = Streamed { body, record, _permit: permit };
        Self { kind: Kind::Streamed(Box::new(streamed)), turn: None }
    }

    /// The same, as the answer of this turn.
    #[must_use]
    pub fn during(mut self, turn: Turn) -> Self {
        self.turn = Some(turn);
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let frame = match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Streamed(streamed) => {
                let frame = Pin::new(&mut streamed.body).poll_frame(cx);
                if let Poll::Ready(Some(Err(error))) = &frame {
                    streamed.record.broke_off(error);
                }
                frame
            }
        };
        if let Some(turn) = &self.turn {
            turn.handed_over(frame.is_ready());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Kind::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size_hint();
        f.debug_struct("ReplyBody")
            .field("size", &size)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}
