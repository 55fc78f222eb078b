//! The body of an answer: a whole one of the gateway's own, or the upstream's as it streams.

use std::fmt;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;

use crate::admit::Permit;
use crate::forward::AnswerBody;
use crate::forward::AnswerError;
use crate::learn::Reading;
use crate::links::Relinking;
use crate::observe::Record;

/// What an answer carries.
pub struct ReplyBody(Kind);

enum Kind {
    Whole(Bytes),
    Streamed(Box<Streamed>),
}

/// The upstream's body, with what has to live exactly as long.
struct Streamed {
    body: AnswerBody,
    /// What its frames become, where links are rewritten.
    relinking: Option<Box<Relinking>>,
    record: Record,
    /// Where it is read as it passes; it ends before the last piece is handed over, so that a
    /// client which has the whole answer finds the gateway knowing what it tells.
    reading: Option<Reading>,
    /// Given back when the last byte has been handed over, or the client has left.
    _permit: Permit,
}

impl ReplyBody {
    pub(super) fn whole(text: Vec<u8>) -> Self {
        Self(Kind::Whole(Bytes::from(text)))
    }

    pub(super) fn streamed(
        body: AnswerBody,
        relinking: Option<Relinking>,
        permit: Permit,
        record: Record,
        reading: Option<Reading>,
    ) -> Self {
        let relinking = relinking.map(Box::new);
        let mut streamed = Streamed { body, relinking, record, reading, _permit: permit };
        if streamed.body.is_end_stream() {
            streamed.end_reading();
        }
        Self(Kind::Streamed(Box::new(streamed)))
    }
}

impl Streamed {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(relinking) = &mut self.relinking
                && let Poll::Ready(frame) = relinking.hand_over()
            {
                return Poll::Ready(frame.map(Ok));
            }
            let frame = ready!(self.poll_upstream(cx)).transpose();
            match (&mut self.relinking, frame) {
                (Some(relinking), Ok(frame)) => relinking.take(frame),
                (_, frame) => return Poll::Ready(frame.transpose()),
            }
        }
    }

    /// What the upstream sends, as it sends it.
    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(reading), Some(piece)) = (&mut self.reading, frame.data_ref()) {
                    reading.take(piece);
                }
                // A body of known length says so with its last piece, a chunked one with `None`.
                if self.body.is_end_stream() {
                    self.end_reading();
                }
            }
            Poll::Ready(Some(Err(error))) => {
                self.reading = None;
                self.record.broke_off(error);
            }
            Poll::Ready(None) => self.end_reading(),
            Poll::Pending => {}
        }
        frame
    }

    fn end_reading(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.end();
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_idle = self.relinking.as_ref().is_none_or(|relinking| relinking.is_idle());
        is_idle && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.relinking {
            None => self.body.size_hint(),
            Some(_) => SizeHint::new(), // links grow and shrink
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Streamed(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Streamed(streamed) => streamed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Kind::Streamed(streamed) => streamed.size_hint(),
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}
