//! How does an answer go out? Its head, framed as the client can read it, and the body as it comes
//! (RFC 9112 §6).

use std::io;
use std::io::Write;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http::Response;
use http::StatusCode;
use http::header::CONNECTION;
use http::header::CONTENT_LENGTH;
use http::header::DATE;
use http::header::TRANSFER_ENCODING;
use http::response::Parts;
use http_body::Body;

use crate::http1::outbox::Outbox;
use crate::http1::workbench::Workbench;

/// Bytes of a head beside its fields, and of a usual field.
const BESIDE_FIELDS: usize = 128;
const USUAL_FIELD: usize = 48;

/// Why an answer did not get to its end. The client sees the connection close.
#[derive(Debug, thiserror::Error)]
pub enum SendError<E> {
    /// The socket failed, the client left, or takes nothing.
    #[error("the client does not take its answer: {0}")]
    Io(#[from] io::Error),
    /// The body broke off.
    #[error("the body broke off: {0}")]
    Body(E),
    /// The body is shorter than was announced.
    #[error("the body is too short")]
    Short,
}

/// What of a request its answer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// HEAD, whose answer has no body.
    pub(super) is_head: bool,
    /// HTTP/1.0, which has no chunks.
    pub(super) is_old: bool,
    /// Whether the connection may go on.
    pub(super) persists: bool,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Sending<B: Body> {
    /// None when all of it has been taken.
    body: Option<B>,
    framing: Framing,
    failure: Option<SendError<B::Error>>,
}

/// How a client is told where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none (RFC 9110 §6.4.1); a length may be named.
    NoBody,
    /// By a length, of which so much is left.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

impl Framing {
    fn of(status: StatusCode, asked: Asked, body: &impl Body) -> Self {
        let has_none = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if asked.is_head || has_none {
            return Self::NoBody;
        }
        let known = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        match known {
            Some(length) => Self::Length(length),
            None if asked.is_old => Self::UntilClose,
            None => Self::Chunked,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// Begins an answer with its head. Answers too whether the connection may go on behind it.
    pub(super) fn begin(
        answer: Response<B>,
        asked: Asked,
        outbox: &mut Outbox,
        workbench: &Workbench,
    ) -> (Self, bool) {
        let (head, body) = answer.into_parts();
        let framing = Framing::of(head.status, asked, &body);
        let persists = asked.persists
            && framing != Framing::UntilClose
            && !head.headers.contains_key(CONNECTION);
        let named = match body.size_hint().exact() {
            // What a GET would get, where the head does not say so already.
            Some(length @ 1..)
                if asked.is_head && !head.headers.contains_key(CONTENT_LENGTH) =>
            {
                Framing::Length(length)
            }
            Some(_) | None => framing,
        };
        outbox.borrow(workbench);
        write_head(outbox.text(), &head, Asked { persists, ..asked }, named);
        if !head.headers.contains_key(DATE) {
            write_field(outbox.text(), b"date", workbench.date().as_bytes());
        }
        outbox.text().extend_from_slice(b"\r\n");
        let is_empty = framing == Framing::NoBody || body.is_end_stream();
        // What lives as long as the body is told of its end before the client is.
        let body = if is_empty { None } else { Some(body) };
        workbench.keep_map(head.headers);
        (Self { body, framing, failure: None }, persists)
    }

    /// Puts what is there of the body into the outbox, as far as there is room: pending when the
    /// rest is still to come.
    pub(super) fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<()> {
        while let Some(body) = &mut self.body
            && outbox.has_room()
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                return Poll::Pending;
            };
            let ended = match frame {
                Some(Ok(frame)) => {
                    let ended = body.is_end_stream();
                    // Trailers are not passed on.
                    if let Ok(piece) = frame.into_data() {
                        self.framing.push(piece, outbox);
                    }
                    ended
                }
                Some(Err(error)) => {
                    self.body = None;
                    self.failure = Some(SendError::Body(error));
                    break;
                }
                None => true,
            };
            if ended {
                self.end(outbox);
            }
        }
        Poll::Ready(())
    }

    fn end(&mut self, outbox: &mut Outbox) {
        self.body = None;
        match self.framing {
            Framing::NoBody | Framing::Length(0) | Framing::UntilClose => {}
            Framing::Length(_) => self.failure = Some(SendError::Short),
            Framing::Chunked => outbox.push_behind(b"0\r\n\r\n"),
        }
    }

    /// What it came to, where all of it has been put into the outbox.
    pub(super) fn outcome(&mut self) -> Option<Result<(), SendError<B::Error>>> {
        self.body.is_none().then(|| self.failure.take().map_or(Ok(()), Err))
    }
}

impl Framing {
    fn push(&mut self, mut piece: Bytes, outbox: &mut Outbox) {
        match self {
            Self::NoBody => return,
            Self::UntilClose => {}
            Self::Length(left) => {
                // No byte more than was announced: it would be the beginning of the next answer.
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                *left = left.saturating_sub(length);
            }
            Self::Chunked if piece.is_empty() => return,
            Self::Chunked => {
                let written = write!(outbox.text(), "{:X}\r\n", piece.len());
                debug_assert!(written.is_ok(), "a vector takes everything");
                outbox.push(piece);
                outbox.push_behind(b"\r\n");
                return;
            }
        }
        outbox.push(piece);
    }
}

/// Everything but the date and the line that ends it.
fn write_head(text: &mut Vec<u8>, head: &Parts, asked: Asked, framing: Framing) {
    let fields = head.headers.len().saturating_mul(USUAL_FIELD);
    text.reserve(fields.saturating_add(BESIDE_FIELDS));
    write_status(text, head.status, asked.is_old);
    write_fields(text, head, asked);
    write_framing(text, framing);
    if !asked.persists {
        text.extend_from_slice(b"connection: close\r\n");
    } else if asked.is_old {
        text.extend_from_slice(b"connection: keep-alive\r\n");
    }
}

fn write_status(text: &mut Vec<u8>, status: StatusCode, is_old: bool) {
    text.extend_from_slice(if is_old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    text.extend_from_slice(status.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
}

/// Every field but those by which the gateway itself tells how the message goes.
fn write_fields(text: &mut Vec<u8>, head: &Parts, asked: Asked) {
    for (name, value) in &head.headers {
        let is_own = *name == CONNECTION
            || *name == TRANSFER_ENCODING
            // What the body of a GET would have.
            || *name == CONTENT_LENGTH && !asked.is_head;
        if !is_own {
            write_field(text, name.as_str().as_bytes(), value.as_bytes());
        }
    }
}

fn write_field(text: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

fn write_framing(text: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::NoBody | Framing::UntilClose => {}
        Framing::Length(length) => {
            let written = write!(text, "content-length: {length}\r\n");
            debug_assert!(written.is_ok(), "a vector takes everything");
        }
        Framing::Chunked => text.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}
