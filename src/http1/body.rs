//! The body of a request, read when it is asked for.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::http1::Connection;
use crate::ingress::Chunks;
use crate::ingress::Framing;
use crate::ingress::Malformed;
use crate::ingress::Piece;

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client ended the connection, or its sending half.
    #[error("the client stopped before the end of the body")]
    EndedEarly,
    /// It is no chunked body.
    #[error("the chunks are malformed")]
    Malformed,
    /// The socket failed.
    #[error("the body could not be received: {0}")]
    Io(#[from] io::Error),
}

/// How much of the present request's body is still to come.
#[derive(Debug)]
pub(super) enum Left {
    /// Nothing: the next byte is that of another request.
    Nothing,
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunks(Chunks),
    /// Nobody knows: what comes is nothing any more.
    Unknown,
}

impl Left {
    /// All of a body.
    pub(super) const fn of(framing: Framing) -> Self {
        match framing {
            Framing::Unframed | Framing::Length(0) => Self::Nothing,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunks(Chunks::new()),
        }
    }

    /// Takes the next piece out of `bytes`; none when more has to come, or nothing does.
    pub(super) fn take(
        &mut self,
        bytes: &mut Bytes,
    ) -> Result<Option<Frame<Bytes>>, Malformed> {
        match self {
            Self::Nothing | Self::Unknown => Ok(None),
            Self::Length(left) => {
                let piece = bytes.split_to(bytes.len().min(*left));
                *left = left.saturating_sub(piece.len());
                if *left == 0 {
                    *self = Self::Nothing;
                }
                Ok(if piece.is_empty() { None } else { Some(Frame::data(piece)) })
            }
            Self::Chunks(chunks) => {
                let piece = chunks.next(bytes)?;
                if chunks.is_at_end() {
                    *self = Self::Nothing;
                }
                Ok(piece.map(|piece| match piece {
                    Piece::Data(data) => Frame::data(data),
                    Piece::Trailers(fields) => Frame::trailers(fields),
                }))
            }
        }
    }
}

/// The body of the request that a connection has handed out last.
pub struct RequestBody<'c, T> {
    connection: &'c Connection<T>,
}

impl<'c, T> RequestBody<'c, T> {
    pub(super) const fn new(connection: &'c Connection<T>) -> Self {
        Self { connection }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Body for RequestBody<'_, T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.connection.poll_body(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_body_read()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.connection.body_length();
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<T> fmt::Debug for RequestBody<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("connection", &self.connection).finish()
    }
}
