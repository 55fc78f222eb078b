//! A client's connection, as the server reads and writes it: only clear messages come in, and
//! nobody waits for ever.
//!
//! A head that is refused cannot be answered here: answers to earlier requests may be under way.
//! So the server is handed a head that only stands for it, in its place and as the last of the
//! connection, and [`Conversation`] tells which one it is.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::task;
use tokio::time;
use tokio::time::Sleep;

use crate::ingress::Conversation;
use crate::ingress::HeadFault;
use crate::ingress::patience::Patience;
use crate::ingress::walk::End;
use crate::ingress::walk::Step;
use crate::ingress::walk::Walk;
use crate::policy::clients::ClientTimeouts;

/// What the server is handed in place of a head that was refused.
pub(super) const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";
/// What an HTTP/2 client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are read at a time while a head is incomplete.
const PIECE: usize = 4 * 1024;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Bytes of HTTP/2 that are handed on before the thread's other connections have a turn: the server
/// reads for as long as there is something, and a flood of small frames never ends.
const TURN: usize = 4 * 1024;

/// See the module.
pub struct ClientStream<T> {
    transport: T,
    conversation: Rc<Conversation>,
    timeouts: ClientTimeouts,
    walk: Walk,
    /// Read, but not handed on yet: first what is clear, then a head that is incomplete.
    held: BytesMut,
    clear: usize,
    /// Nothing follows what is clear, for this reason.
    end: Option<End>,
    /// The bytes are not HTTP/1.1, and are handed on as they come.
    is_opaque: bool,
    /// So many of those since others had their turn.
    in_turn: usize,
    patience: Patience,
    /// Runs only while the client takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> ClientStream<T> {
    /// Nothing has been read from `transport` yet.
    pub fn new(transport: T, conversation: Rc<Conversation>, timeouts: ClientTimeouts) -> Self {
        Self {
            transport,
            conversation,
            timeouts,
            walk: Walk::new(),
            held: BytesMut::new(),
            clear: 0,
            end: None,
            is_opaque: false,
            in_turn: 0,
            patience: Patience::default(),
            stall: None,
        }
    }

    /// Waits for the first bytes, and tells what the client speaks. Ends with an error when they
    /// do not come in time, or never.
    pub async fn protocol(&mut self) -> io::Result<Protocol> {
        std::future::poll_fn(|cx| self.poll_protocol(cx)).await
    }

    fn poll_protocol(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Protocol>> {
        loop {
            let compared = self.held.len().min(PREFACE.len());
            if self.held.get(..compared) != PREFACE.get(..compared) {
                self.look();
                return Poll::Ready(Ok(Protocol::Http1));
            }
            if compared == PREFACE.len() {
                self.is_opaque = true;
                self.clear = self.held.len();
                return Poll::Ready(Ok(Protocol::Http2));
            }
            match self.poll_fill(cx) {
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

    /// Reads more behind what is held: how many bytes, none at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [0; PIECE];
        let mut buf = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf))?;
        self.held.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Looks at what is held and not clear yet.
    fn look(&mut self) {
        let doubtful = self.held.get(self.clear..).unwrap_or_default();
        let Step { clear, end } = self.walk.step(doubtful);
        self.clear = self.clear.saturating_add(clear);
        if let Some(end) = end {
            self.end_with(end);
        }
    }

    /// Nothing follows what is clear, but what stands in for a head that was refused.
    fn end_with(&mut self, end: End) {
        self.end = Some(end);
        self.held.truncate(self.clear);
        if let End::Head(fault) = end {
            self.conversation.refuse(self.walk.heads().saturating_add(1), fault);
            self.held.extend_from_slice(STAND_IN);
            self.clear = self.held.len();
        }
    }

    /// Reads straight into the server's buffer, which is how nearly all bytes come; what is not
    /// clear of it is held back.
    fn poll_read_through(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        if self.in_turn >= TURN {
            self.in_turn = 0;
            // Woken when the sockets have been looked at: by itself a task comes again before.
            ready!(pin!(task::yield_now()).poll(cx));
        }
        ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        if self.is_opaque {
            self.in_turn = self.in_turn.saturating_add(new.len());
            return Poll::Ready(Ok(new.len()));
        }
        let read = new.len();
        let Step { clear, end } = self.walk.step(new);
        self.held.extend_from_slice(new.get(clear..).unwrap_or_default());
        buf.set_filled(before.saturating_add(clear));
        if let Some(end) = end {
            self.end_with(end);
        }
        Poll::Ready(Ok(read))
    }

    /// Ready when the client has taken too long over the head that is to come; never while none has
    /// begun, but for the first: who connects wants to ask.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let behind = self.walk.heads();
        let is_awaited = !self.held.is_empty() || behind == 0 && self.walk.is_before_head();
        if self.is_opaque || !is_awaited {
            return Poll::Pending;
        }
        if !self.held.is_empty() {
            self.conversation.break_silence();
        }
        self.patience.poll(cx, behind, self.timeouts.header)
    }

    /// Passes on what writing came to, unless the client has taken nothing for too long.
    fn watch_progress<N>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<N>>,
    ) -> Poll<io::Result<N>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let limit = self.timeouts.write;
        let stall = self.stall.get_or_insert_with(|| Box::pin(time::sleep(limit)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T> fmt::Debug for ClientStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is held may be a secret.
        f.debug_struct("ClientStream").field("walk", &self.walk).finish_non_exhaustive()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            if this.clear > 0 {
                let length = this.clear.min(buf.remaining());
                buf.put_slice(this.held.get(..length).unwrap_or_default());
                this.held.advance(length);
                this.clear = this.clear.saturating_sub(length);
                return Poll::Ready(Ok(()));
            }
            match this.end {
                Some(End::Body) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                // The answer closes the connection.
                Some(End::Head(_)) => return Poll::Pending,
                None => {}
            }
            let read = if this.held.is_empty() {
                this.poll_read_through(cx, buf)
            } else {
                this.poll_fill(cx).map_ok(|read| {
                    this.look();
                    read
                })
            };
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) if buf.filled().len() > before => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => {
                    ready!(this.poll_patience(cx));
                    this.end_with(End::Head(HeadFault::Slow(this.timeouts.header)));
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.transport).poll_write(cx, buf);
        self.watch_progress(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.transport).poll_flush(cx);
        self.watch_progress(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.transport).poll_shutdown(cx);
        self.watch_progress(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.transport).poll_write_vectored(cx, bufs);
        self.watch_progress(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }
}
