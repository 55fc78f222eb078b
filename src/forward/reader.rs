//! What does an upstream answer? The bytes of one connection, in whatever pieces they come, as
//! heads and the pieces of bodies.
//!
//! **Invariant:** what is handed out does not depend on how the bytes were cut, but for the size
//! of the pieces; and no byte behind the end of an answer is taken for a part of it.

use std::mem;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::Method;

use crate::forward::AnswerFault;
use crate::forward::answer_head;
use crate::forward::answer_head::AnswerHead;
use crate::forward::answer_head::BodyFraming;
use crate::forward::answer_head::Look;
use crate::ingress::Chunks;
use crate::ingress::Malformed;
use crate::ingress::Piece;

/// The largest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes that are read at a time at first, and the most that a connection keeps room for while it
/// is not in use.
const FIRST_ROOM: usize = 8 * 1024;
/// Bytes that are read at a time while more come than there was room for.
const MOST_ROOM: usize = 64 * 1024;

/// Reads the answers of one connection, one after the other. It does no reading of its own: what
/// comes is put into its [`room`](Self::room).
#[derive(Debug)]
pub struct AnswerReader {
    /// What has been read and not been looked at, and room for more.
    received: BytesMut,
    /// The part before it, that has been looked at; shared with what was handed out of it.
    looked_at: Bytes,
    place: Place,
    /// What the next piece comes to, where that had to be found out to see whether this was all.
    ahead: Option<Result<Option<Bytes>, Malformed>>,
    /// So many of the received bytes belong to a head that is incomplete.
    partial: usize,
    /// How much to make room for.
    room: usize,
}

#[derive(Debug)]
enum Place {
    Head,
    Length {
        left: usize,
    },
    Chunks(Chunks),
    UntilClose,
    /// Behind an answer.
    End,
}

impl Place {
    /// The body of an answer with this head.
    const fn behind(head: &AnswerHead) -> Self {
        match head.framing {
            BodyFraming::Bodiless => Self::End,
            BodyFraming::Length(left) => Self::Length { left },
            BodyFraming::Chunked => Self::Chunks(Chunks::of_answer()),
            BodyFraming::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece of the body out of `bytes`; none when more has to come, or at its end.
    fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Bytes>, Malformed> {
        let piece = match self {
            Self::Head | Self::End => Bytes::new(),
            Self::UntilClose => mem::take(bytes),
            Self::Length { left } => {
                let piece = bytes.split_to(bytes.len().min(*left));
                *left = left.saturating_sub(piece.len());
                if *left == 0 {
                    *self = Self::End;
                }
                piece
            }
            Self::Chunks(chunks) => {
                let piece = chunks.next(bytes)?;
                if chunks.is_at_end() {
                    *self = Self::End;
                }
                return Ok(match piece {
                    Some(Piece::Data(data)) => Some(data),
                    Some(Piece::Trailers(_)) | None => None,
                });
            }
        };
        Ok(if piece.is_empty() { None } else { Some(piece) })
    }
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self {
            received: BytesMut::new(),
            looked_at: Bytes::new(),
            place: Place::End,
            ahead: None,
            partial: 0,
            room: FIRST_ROOM,
        }
    }
}

impl AnswerReader {
    /// Another answer is to come.
    pub fn begin(&mut self) {
        self.place = Place::Head;
        self.ahead = None;
        self.partial = 0;
    }

    /// Nothing is to come for a while: what a large answer took is given back.
    pub fn rest(&mut self) {
        if self.room > FIRST_ROOM {
            *self = Self::default();
        }
    }

    /// Where the next bytes go.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.looked_at.is_empty() {
            self.looked_at = Bytes::new(); // it would still hold the buffer
        }
        let free = self.received.capacity().saturating_sub(self.received.len());
        if free < self.room {
            self.received.reserve(self.room);
        }
        &mut self.received
    }

    /// The head of the answer, when all of it is there; heads of interim answers are passed over.
    /// `asked` is the method of the request, and `spare` a map that may hold what is not needed
    /// any more.
    pub fn head(
        &mut self,
        asked: &Method,
        spare: &mut HeaderMap,
    ) -> Result<Option<AnswerHead>, AnswerFault> {
        if !self.may_end_head() {
            return Ok(None);
        }
        self.take_received();
        loop {
            match answer_head::look(&self.looked_at, asked, spare)? {
                Look::Final(length, head) if length <= MAX_HEAD => {
                    self.looked_at.advance(length);
                    self.place = Place::behind(&head);
                    return Ok(Some(head));
                }
                Look::Interim(length) if length <= MAX_HEAD => {
                    self.looked_at.advance(length);
                    if self.looked_at.is_empty() {
                        return Ok(None);
                    }
                }
                Look::Partial if self.looked_at.len() <= MAX_HEAD => {
                    self.put_back();
                    return Ok(None);
                }
                Look::Final(..) | Look::Interim(_) | Look::Partial => {
                    return Err(AnswerFault::HeadTooLarge);
                }
            }
        }
    }

    /// Whether what has been received may be the end of a head: one that comes byte by byte is
    /// not parsed for each of them.
    fn may_end_head(&mut self) -> bool {
        let new = self.received.get(self.partial..).unwrap_or_default();
        let is_enough = if self.partial == 0 {
            !new.is_empty()
        } else {
            new.contains(&b'\n') || self.received.len() > MAX_HEAD
        };
        if !is_enough && self.partial > 0 {
            self.partial = self.received.len();
        }
        is_enough
    }

    /// What has been received can be shared from now on.
    fn take_received(&mut self) {
        if self.received.len() == self.received.capacity() {
            self.room = self.room.saturating_mul(2).min(MOST_ROOM);
        }
        self.looked_at = self.received.split().freeze();
        self.partial = 0;
    }

    /// A head that is incomplete is received again with what comes next.
    fn put_back(&mut self) {
        let begun = mem::take(&mut self.looked_at);
        self.received.extend_from_slice(&begun);
        self.partial = begun.len();
    }

    /// The next piece of the body; none when more has to be read, or at its end.
    pub fn piece(&mut self) -> Result<Option<Bytes>, AnswerFault> {
        if self.looked_at.is_empty() && !self.received.is_empty() {
            self.take_received();
        }
        let piece = match self.ahead.take() {
            Some(ahead) => ahead?,
            None => self.place.next(&mut self.looked_at)?,
        };
        if piece.is_some() && matches!(self.place, Place::Chunks(_)) {
            // The last chunk is no piece, but the end: it is found with the piece before it.
            let ahead = self.place.next(&mut self.looked_at);
            self.ahead = if let Ok(None) = ahead { None } else { Some(ahead) };
        }
        Ok(piece)
    }

    /// What has been received of a body whose length is known.
    pub(super) fn piece_of_length(&mut self) -> Bytes {
        let Place::Length { .. } = self.place else { return Bytes::new() };
        self.piece().ok().flatten().unwrap_or_default()
    }

    /// The other side has closed: an error where that is not the end of the answer.
    pub fn closed(&mut self) -> Result<(), AnswerFault> {
        match self.place {
            Place::UntilClose | Place::End => {
                self.place = Place::End;
                Ok(())
            }
            Place::Head | Place::Length { .. } | Place::Chunks(_) => Err(AnswerFault::Closed),
        }
    }

    /// Whether the answer has been handed out to its end.
    pub const fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End) && self.ahead.is_none()
    }

    /// How many bytes of the body are left, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self.place {
            Place::Length { left } => u64::try_from(left).ok(),
            Place::End => Some(0),
            Place::Head | Place::Chunks(_) | Place::UntilClose => None,
        }
    }

    /// Whether nothing has come behind the end of the answer.
    pub fn is_clear(&self) -> bool {
        self.is_at_end() && self.received.is_empty() && self.looked_at.is_empty()
    }
}
