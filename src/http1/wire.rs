//! What has been read of a client, what is to be written, and for how long either is waited for.

use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::Method;
use http::Response;
use http::Version;
use http_body::Body;
use http_body::Frame;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::http1::BodyError;
use crate::http1::NoRequest;
use crate::http1::Protocol;
use crate::http1::SendError;
use crate::http1::Workbench;
use crate::http1::answer::Asked;
use crate::http1::answer::Sending;
use crate::http1::body::Left;
use crate::http1::outbox::Outbox;
use crate::ingress::Head;
use crate::ingress::HeadFault;
use crate::ingress::MAX_HEAD;
use crate::policy::clients::ClientTimeouts;
use crate::time;

/// What an HTTP/2 client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What asks a client for its body (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// So much is read ahead while an answer is under way.
const AHEAD: usize = 16 * 1024;

/// See the module.
pub(super) struct Wire<T> {
    transport: T,
    workbench: Rc<Workbench>,
    timeouts: ClientTimeouts,
    /// Read, but not taken yet.
    held: Bytes,
    /// So many of the held bytes have been seen to be no whole head.
    seen: usize,
    asked: Asked,
    /// Of the body of the request at hand.
    left: Left,
    /// Whether the client may wait to be asked for that body.
    expects: bool,
    outbox: Outbox,
    /// Whether what was written may still be in a buffer of the transport's.
    is_unflushed: bool,
    wait: Option<Wait>,
    /// Whether nothing has been asked yet.
    is_new: bool,
    /// Since when a client has taken nothing, as the moment when that is too long.
    stalled: Option<Instant>,
    alarm: Alarm,
}

/// A wait for the next request.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Its head has begun, or is the first: who connects wants to ask.
    for_head: bool,
    until: Instant,
}

impl<T> Wire<T> {
    pub(super) fn new(
        transport: T,
        workbench: Rc<Workbench>,
        timeouts: ClientTimeouts,
    ) -> Self {
        Self {
            transport,
            workbench,
            timeouts,
            held: Bytes::new(),
            seen: 0,
            asked: Asked { is_head: false, is_old: false, persists: false },
            left: Left::Nothing,
            expects: false,
            outbox: Outbox::default(),
            is_unflushed: false,
            wait: None,
            is_new: true,
            stalled: None,
            alarm: Alarm::default(),
        }
    }

    /// What is held, and where the rest comes from.
    pub(super) fn into_parts(self) -> (Bytes, T) {
        (self.held, self.transport)
    }

    pub(super) const fn is_body_read(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// How much of the body is left, where that is known.
    pub(super) fn body_length(&self) -> Option<u64> {
        match self.left {
            Left::Nothing => Some(0),
            Left::Length(length) => u64::try_from(length).ok(),
            Left::Chunks(_) | Left::Unknown => None,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub(super) fn poll_protocol(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Protocol>> {
        loop {
            let compared = self.held.len().min(PREFACE.len());
            if self.held.get(..compared) != PREFACE.get(..compared) {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            if compared == PREFACE.len() {
                return Poll::Ready(Ok(Protocol::Http2));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.poll_patience(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, NoRequest>> {
        if !self.is_body_read() {
            return Poll::Ready(Err(NoRequest::Over));
        }
        loop {
            if let Some(next) = self.take_head().transpose() {
                return Poll::Ready(next.map_err(|fault| self.refuse(fault)));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.give_up(NoRequest::Over))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    self.outbox.give_back(&self.workbench);
                    ready!(self.poll_patience(cx));
                    let fault = HeadFault::Slow(self.timeouts.header);
                    return Poll::Ready(Err(if self.held.is_empty() {
                        NoRequest::Over
                    } else {
                        self.give_up(NoRequest::Refused(fault))
                    }));
                }
            }
        }
    }

    /// No whole head comes any more: what is wrong with what came, or else `reason`.
    fn give_up(&mut self, reason: NoRequest) -> NoRequest {
        match (Head::read(&self.held, HeaderMap::new), reason) {
            (Err(fault), _) | (Ok(_), NoRequest::Refused(fault)) => self.refuse(fault),
            (Ok(_), reason) => reason,
        }
    }

    /// The head at the beginning of what is held; none while it is not whole.
    fn take_head(&mut self) -> Result<Option<Head>, HeadFault> {
        let new = self.held.get(self.seen..).unwrap_or_default();
        // A head that comes byte by byte is not parsed for each of them.
        let is_whole = new.contains(&b'\n') || self.seen == 0 && !new.is_empty();
        if !is_whole && self.held.len() <= MAX_HEAD {
            self.seen = self.held.len();
            return Ok(None);
        }
        let fields = || self.workbench.lend_map();
        let Some(head) = Head::read(&self.held, fields)? else {
            self.seen = self.held.len();
            return Ok(None);
        };
        // What is held is no part of the request any more: an idle connection holds nothing.
        drop(self.held.split_to(head.length.min(self.held.len())));
        self.seen = 0;
        self.wait = None;
        self.is_new = false;
        self.asked = Asked {
            is_head: head.parts.method == Method::HEAD,
            is_old: head.parts.version == Version::HTTP_10,
            persists: head.persists,
        };
        self.left = Left::of(head.framing);
        self.expects = head.expects_continue;
        Ok(Some(head))
    }

    /// Nothing follows.
    fn refuse(&mut self, fault: HeadFault) -> NoRequest {
        self.held = Bytes::new();
        self.left = Left::Unknown;
        self.asked = Asked { is_head: false, is_old: false, persists: false };
        NoRequest::Refused(fault)
    }

    /// Reads more behind what is held: how many bytes, none at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = self.workbench.scratch.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf))?;
        let new = buf.filled();
        if self.held.is_empty() {
            self.held = Bytes::copy_from_slice(new);
        } else {
            let mut all = BytesMut::from(mem::take(&mut self.held));
            all.extend_from_slice(new);
            self.held = all.freeze();
        }
        Poll::Ready(Ok(new.len()))
    }

    /// Ready when the next request has been waited for as long as may be.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let for_head = self.is_new || !self.held.is_empty();
        let until = match self.wait {
            Some(wait) if wait.for_head == for_head => wait.until,
            Some(_) | None => {
                let ClientTimeouts { header, idle, .. } = self.timeouts;
                time::deadline(if for_head { header } else { idle })
            }
        };
        self.wait = Some(Wait { for_head, until });
        self.alarm.poll(cx, until)
    }

    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        // Before the end of a body, whoever reads it is told.
        while self.is_body_read() && self.may_read_ahead() {
            match ready!(self.poll_read(cx)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }

    /// Whether what is held is no whole request yet. Behind one, a client may have ended its
    /// sending half and wait for both answers.
    fn may_read_ahead(&self) -> bool {
        self.held.len() < AHEAD && !self.held.windows(3).any(|three| three == b"\n\r\n")
    }

    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if mem::take(&mut self.expects) {
                self.outbox.text().extend_from_slice(CONTINUE);
                // What the socket does not take now goes before more is read, or the answer.
                let _asked = self.poll_write_all(cx);
            }
            let failure = match self.left.take(&mut self.held) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.is_body_read() => return Poll::Ready(None),
                Ok(None) if matches!(self.left, Left::Unknown) => BodyError::Malformed,
                Ok(None) => match ready!(self.poll_read_on(cx)) {
                    Ok(0) => BodyError::EndedEarly,
                    Ok(_) => continue,
                    Err(error) => error.into(),
                },
                Err(_) => BodyError::Malformed,
            };
            self.left = Left::Unknown;
            return Poll::Ready(Some(Err(failure)));
        }
    }

    /// Reads more of a body, when all is written that the client waits for.
    fn poll_read_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_write_all(cx))?;
        self.poll_read(cx)
    }

    pub(super) fn begin_answer<B>(
        &mut self,
        answer: Response<B>,
        is_last: bool,
    ) -> (Sending<B>, bool)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let persists = self.asked.persists && self.is_body_read() && !is_last;
        let asked = Asked { persists, ..self.asked };
        Sending::begin(answer, asked, &mut self.outbox, &self.workbench)
    }

    pub(super) fn poll_send<B>(
        &mut self,
        cx: &mut Context<'_>,
        sending: &mut Sending<B>,
    ) -> Poll<Result<(), SendError<B::Error>>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let gathered = sending.poll_gather(cx, &mut self.outbox);
            let written = self.poll_write_all(cx)?;
            if written.is_ready()
                && let Some(outcome) = sending.outcome()
            {
                return Poll::Ready(outcome);
            }
            if written.is_pending() || gathered.is_pending() {
                return self.poll_left(cx).map(|left| Err(left.into()));
            }
        }
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            self.is_unflushed = true;
            let written = self.outbox.poll_write(cx, &mut self.transport);
            ready!(self.watch_progress(cx, written))?;
        }
        if self.is_unflushed {
            let flushed = Pin::new(&mut self.transport).poll_flush(cx);
            ready!(self.watch_progress(cx, flushed))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.transport).poll_shutdown(cx);
        self.watch_progress(cx, closed)
    }

    /// Passes on what writing came to, unless the client has taken nothing for too long.
    fn watch_progress(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.timeouts.write;
        let until = *self.stalled.get_or_insert_with(|| time::deadline(limit));
        ready!(self.alarm.poll(cx, until));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
