//! A connection's bytes, plain or over TLS.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How the bytes travel.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads into what is free of `into`: how many bytes, none at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => pin!(stream.read_buf(into)).poll(cx),
            Self::Tls(stream) => pin!(stream.read_buf(into)).poll(cx),
        }
    }

    /// Writes the beginning of `head` and of `body` behind it: how many bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => write(Pin::new(stream), cx, head, body),
            Self::Tls(stream) => write(Pin::new(stream), cx, head, body),
        }
    }

    /// Sends what has been written and not sent yet, which over TLS there may be.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Whether an error of the first writing says that nothing has left this machine: over TLS
    /// a part may have.
    pub(super) const fn writes_all_or_nothing(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Whether nothing has come and the other side has not closed, as far as the runtime has
    /// heard. Waits for nothing.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        match self {
            // Costs no system call unless something has happened.
            Self::Plain(stream) => {
                let read = stream.try_read(&mut byte);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            // Looks at what was decrypted already, and passes over what is only TLS's own.
            Self::Tls(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }
}

fn write(
    stream: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    head: &[u8],
    body: &[u8],
) -> Poll<io::Result<usize>> {
    if body.is_empty() {
        stream.poll_write(cx, head)
    } else {
        stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)])
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            // Says goodbye where that goes at once; an upstream logs an end without.
            let mut cx = Context::from_waker(Waker::noop());
            drop(Pin::new(stream).poll_shutdown(&mut cx));
        }
    }
}
