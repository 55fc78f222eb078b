//! One connection to the upstream. It has no task of its own: who waits for an answer polls it,
//! and while it is not in use nobody does.

use std::io;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Buf;
use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::forward::AnswerError;
use crate::forward::AnswerFault;
use crate::forward::AnswerReader;
use crate::forward::Outgoing;
use crate::forward::UpstreamError;
use crate::forward::answer_head::AnswerHead;
use crate::forward::request;
use crate::forward::transport::Transport;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Upstream;
use crate::time;

/// A body up to this size is copied behind its head, in bytes; a larger one is written from where
/// it is.
const SMALL_BODY: usize = 4 * 1024;
/// The most memory for heads of requests that a connection keeps while it is not in use, in bytes.
const KEPT_HEAD: usize = 4 * 1024;

/// One HTTP/1.1 connection.
pub(super) struct Connection {
    transport: Transport,
    pub(super) origin: Origin,
    /// What the origin was verified by; none for plain HTTP.
    pub(super) tls: Option<Arc<ClientConfig>>,
    request: Sending,
    answer: AnswerReader,
    /// A byte of the answer has been read.
    is_answered: bool,
    /// The head of the answer lets another request follow.
    keeps_alive: bool,
    /// For how long it may be unused, by the upstream's own word.
    pub(super) idle_limit: Option<Duration>,
    /// An answer has been read from it before.
    was_used: bool,
    /// Until when the next piece is waited for, once it is; the head is the first.
    deadline: Option<Instant>,
    alarm: Alarm,
}

/// A request on its way.
#[derive(Default)]
struct Sending {
    /// The head, with a small body behind it.
    head: Vec<u8>,
    /// So many bytes of the head have been written.
    written: usize,
    /// What is left of a larger body.
    body: Bytes,
    /// Nothing can have been sent yet.
    is_unsent: bool,
    /// All is written, but not all of it may have been sent.
    needs_flush: bool,
    /// Why nothing more can be sent.
    failure: Option<io::Error>,
}

impl Sending {
    fn is_done(&self) -> bool {
        self.written == self.head.len() && self.body.is_empty() && !self.needs_flush
    }

    /// Sends as much as goes.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<()>> {
        while self.written < self.head.len() || !self.body.is_empty() {
            let head = self.head.get(self.written..).unwrap_or_default();
            self.is_unsent &= transport.writes_all_or_nothing();
            let written = ready!(transport.poll_write(cx, head, &self.body))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_unsent = false;
            self.needs_flush = true;
            let of_head = written.min(head.len());
            self.written = self.written.saturating_add(of_head);
            self.body.advance(written.saturating_sub(of_head));
        }
        if self.needs_flush {
            self.body = Bytes::new();
            ready!(transport.poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        origin: Origin,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        Self {
            transport,
            origin,
            tls,
            request: Sending::default(),
            answer: AnswerReader::default(),
            is_answered: false,
            keeps_alive: false,
            idle_limit: None,
            was_used: false,
            deadline: None,
            alarm: Alarm::default(),
        }
    }

    /// Whether an answer has been read from it before.
    pub(super) const fn was_used(&self) -> bool {
        self.was_used
    }

    /// Takes up a request; it is sent while its answer is waited for.
    pub(super) fn begin(&mut self, outgoing: &Outgoing<'_>, upstream: &Upstream) {
        let request = &mut self.request;
        request.head.clear();
        request.written = 0;
        request.is_unsent = true;
        request::write_head(&mut request.head, outgoing, upstream, &self.origin);
        if outgoing.body.len() <= SMALL_BODY {
            request.head.extend_from_slice(&outgoing.body);
        } else {
            request.body = outgoing.body.clone();
        }
        self.answer.begin();
        self.is_answered = false;
        self.keeps_alive = false;
        self.deadline = None;
    }

    /// Whether not a byte of the request can have been sent.
    pub(super) const fn is_unsent(&self) -> bool {
        self.request.is_unsent
    }

    /// Whether a byte of the answer has been read.
    pub(super) const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Sends the request as far as it goes, and waits no longer than `limit` for the head of the
    /// answer. `asked` and `spare` are as for [`AnswerReader::head`].
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Method,
        spare: &mut HeaderMap,
        limit: Duration,
    ) -> Poll<Result<AnswerHead, UpstreamError>> {
        loop {
            if let Some(head) = self.answer.head(asked, spare)? {
                self.deadline = None;
                self.keeps_alive = head.keeps_alive;
                self.idle_limit = head.idle_limit;
                return Poll::Ready(Ok(head));
            }
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault.into())),
                Poll::Pending => {
                    // An answer may have come before the connection failed.
                    if let Some(failure) = self.request.failure.take() {
                        return Poll::Ready(Err(AnswerFault::Connection(failure).into()));
                    }
                    ready!(self.poll_alarm(cx, limit));
                    return Poll::Ready(Err(UpstreamError::ResponseTimeout(limit)));
                }
            }
        }
    }

    /// The next piece of the answer's body, for which it waits no longer than `limit`; none at
    /// the end.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
    ) -> Poll<Option<Result<Bytes, AnswerError>>> {
        loop {
            match self.answer.piece() {
                Ok(Some(piece)) => {
                    self.deadline = None;
                    return Poll::Ready(Some(Ok(piece)));
                }
                Ok(None) if self.answer.is_at_end() => return Poll::Ready(None),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Err(fault.into()))),
            }
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(fault)) => return Poll::Ready(Some(Err(fault.into()))),
                Poll::Pending => {
                    ready!(self.poll_alarm(cx, limit));
                    return Poll::Ready(Some(Err(AnswerError::Stalled(limit))));
                }
            }
        }
    }

    /// Ready when the next piece has been waited for as long as `limit`.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| time::deadline(limit));
        self.alarm.poll(cx, deadline)
    }

    /// Sends what is left of the request, as far as it goes, and reads more of the answer.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AnswerFault>> {
        if !self.request.is_done()
            && self.request.failure.is_none()
            && let Poll::Ready(Err(failure)) = self.request.poll(cx, &mut self.transport)
        {
            self.request.failure = Some(failure);
        }
        let read = ready!(self.transport.poll_read(cx, self.answer.room()));
        if read.map_err(AnswerFault::Connection)? == 0 {
            self.answer.closed()?;
        } else {
            self.is_answered = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The answer to the request.
    pub(super) const fn answer(&self) -> &AnswerReader {
        &self.answer
    }

    /// What came with the head of a body whose length is known.
    pub(super) fn first_piece(&mut self) -> Bytes {
        self.answer.piece_of_length()
    }

    /// Puts it aside until the next request: whether it can serve one.
    pub(super) fn rest(&mut self) -> bool {
        self.was_used = true;
        self.answer.rest();
        if self.request.head.capacity() > KEPT_HEAD {
            self.request.head = Vec::new();
        }
        self.keeps_alive && self.request.is_done() && self.answer.is_clear()
    }

    /// Whether nothing has happened to it since it was put aside: what comes unasked is no answer
    /// to the next request.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.transport.is_quiet()
    }
}
