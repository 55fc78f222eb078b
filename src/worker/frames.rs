//! The bytes under HTTP/2: a flood of frames leaves others their turn, and a client that takes
//! nothing is given up.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::task;
use tokio::time;
use tokio::time::Sleep;

/// Bytes that are handed on before the thread's other connections have a turn: the server reads for
/// as long as there is something, and a flood of small frames never ends.
const TURN: usize = 4 * 1024;

/// See the module.
pub(super) struct Frames<T> {
    transport: T,
    /// Read already.
    first: Bytes,
    /// So many bytes since others had their turn.
    in_turn: usize,
    /// How long a client may take nothing.
    limit: Duration,
    /// Runs only while it does.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T> Frames<T> {
    /// What comes over `transport` behind the `first` bytes.
    pub(super) const fn new(first: Bytes, transport: T, limit: Duration) -> Self {
        Self { transport, first, in_turn: 0, limit, stall: None }
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
        let limit = self.limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(time::sleep(limit)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Frames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        if self.in_turn >= TURN {
            self.in_turn = 0;
            // Woken when the sockets have been looked at: by itself a task comes again before.
            ready!(pin!(task::yield_now()).poll(cx));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        let read = buf.filled().len().saturating_sub(before);
        self.in_turn = self.in_turn.saturating_add(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Frames<T> {
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

impl<T> fmt::Debug for Frames<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was read may be a secret.
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}
