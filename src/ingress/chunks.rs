//! What is in a chunked body, and where does it end (RFC 9112 §7.1)?

use std::mem;

use bytes::Buf;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

use crate::ingress::head::MAX_FIELDS;

/// The longest extension of a chunk, in bytes.
const MAX_EXTENSION: u32 = 1024;
/// The most bytes of all extensions: many chunks of one byte each cost more than they are.
const MAX_EXTENSIONS: u32 = 16 * 1024;
/// The largest trailer section, in bytes.
const MAX_TRAILERS: u32 = 4 * 1024;
/// A size has no more digits than 64 bits need.
const MAX_DIGITS: u8 = 16;

/// A chunked body that is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunks are malformed")]
pub(crate) struct Malformed;

/// What was in some bytes of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of the body.
    Data(Bytes),
    /// The fields behind it.
    Trailers(HeaderMap),
}

/// How far a chunked body has come.
#[derive(Debug)]
pub(crate) struct Chunks {
    place: Place,
    /// White space may stand behind a size.
    is_padded: bool,
    /// Bytes of extensions so far.
    extensions: u32,
    /// The trailer section as it came, with the empty line that ends it.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Size {
        size: u64,
        digits: u8,
    },
    /// White space that only an extension may follow, unless sizes may be padded.
    BeforeExtension {
        size: u64,
        length: u32,
    },
    Extension {
        size: u64,
        length: u32,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// The beginning of a line behind the last chunk.
    TrailerStart {
        length: u32,
    },
    Trailer {
        length: u32,
    },
    TrailerLf {
        length: u32,
    },
    EndLf,
    End,
}

impl Chunks {
    /// Before the first chunk of a client's body.
    pub(crate) const fn new() -> Self {
        Self { place: Place::new(), is_padded: false, extensions: 0, trailers: Vec::new() }
    }

    /// Before the first chunk of an answer. Old servers pad their sizes with white space, which
    /// ends here: the client gets chunks of the gateway's own.
    pub(crate) const fn of_answer() -> Self {
        let mut chunks = Self::new();
        chunks.is_padded = true;
        chunks
    }

    /// Whether the last byte has been seen.
    pub(crate) const fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Takes the next piece out of `bytes`, with what stands before it; none when more has to come,
    /// or nothing of this body does.
    pub(crate) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        let mut gone = 0_usize;
        while let Some(&byte) = bytes.get(gone)
            && !self.is_at_end()
        {
            if let Place::Data { left } = &mut self.place {
                bytes.advance(gone);
                let here = bytes.len();
                let taken = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.place = Place::DataCr;
                }
                return Ok(Some(Piece::Data(bytes.split_to(taken))));
            }
            self.pass(byte)?;
            gone = gone.saturating_add(1);
        }
        bytes.advance(gone);
        if self.is_at_end() { self.take_trailers() } else { Ok(None) }
    }

    fn pass(&mut self, byte: u8) -> Result<(), Malformed> {
        let is_trailer = |place| {
            matches!(
                place,
                Place::TrailerStart { .. }
                    | Place::Trailer { .. }
                    | Place::TrailerLf { .. }
                    | Place::EndLf
            )
        };
        if is_trailer(self.place) {
            self.trailers.push(byte);
        }
        self.place = match (self.place, byte) {
            (Place::BeforeExtension { size, .. }, b'\r') if self.is_padded => {
                Place::SizeLf { size }
            }
            (place, byte) => place.after(byte)?,
        };
        if matches!(self.place, Place::Extension { .. } | Place::BeforeExtension { .. }) {
            self.extensions = within(self.extensions, MAX_EXTENSIONS)?;
        }
        Ok(())
    }

    /// The fields behind the body, where there are any.
    fn take_trailers(&mut self) -> Result<Option<Piece>, Malformed> {
        let section = mem::take(&mut self.trailers);
        // The empty line stands there in any case.
        if section.len() <= 2 {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let parsed = httparse::parse_headers(&section, &mut fields).map_err(|_| Malformed)?;
        let httparse::Status::Complete((_, fields)) = parsed else { return Err(Malformed) };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
            trailers.append(name, value);
        }
        Ok(Some(Piece::Trailers(trailers)))
    }
}

impl Place {
    /// Before a chunk.
    const fn new() -> Self {
        Self::Size { size: 0, digits: 0 }
    }

    fn after(self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            (Self::Size { digits: 1.., size } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeLf { size }
            }
            (Self::Size { digits: 1.., size }, b';') => Self::Extension { size, length: 0 },
            (Self::Size { digits: 1.., size }, b' ' | b'\t') => {
                Self::BeforeExtension { size, length: 1 }
            }
            (Self::Size { size, digits }, _) => Self::with_digit(size, digits, byte)?,
            (Self::BeforeExtension { size, length }, b' ' | b'\t') => {
                Self::BeforeExtension { size, length: within(length, MAX_EXTENSION)? }
            }
            (Self::BeforeExtension { size, length }, b';') => Self::Extension { size, length },
            (Self::Extension { size, length }, b'\t' | b' '..=b'~' | 0x80..) => {
                Self::Extension { size, length: within(length, MAX_EXTENSION)? }
            }
            (Self::SizeLf { size: 0 }, b'\n') => Self::TrailerStart { length: 0 },
            (Self::SizeLf { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::new(),
            (Self::TrailerStart { .. }, b'\r') => Self::EndLf,
            (Self::Trailer { length }, b'\r') => Self::TrailerLf { length },
            (Self::TrailerLf { length }, b'\n') => Self::TrailerStart { length },
            (Self::TrailerStart { length } | Self::Trailer { length }, byte)
                if byte != b'\n' && byte != 0 =>
            {
                Self::Trailer { length: within(length, MAX_TRAILERS)? }
            }
            (Self::EndLf, b'\n') => Self::End,
            _ => return Err(Malformed),
        })
    }

    fn with_digit(size: u64, digits: u8, byte: u8) -> Result<Self, Malformed> {
        let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
        if digits >= MAX_DIGITS {
            return Err(Malformed);
        }
        let size = size.checked_mul(16).ok_or(Malformed)?.saturating_add(digit.into());
        Ok(Self::Size { size, digits: digits.saturating_add(1) })
    }
}

const fn within(length: u32, max: u32) -> Result<u32, Malformed> {
    if length < max { Ok(length.saturating_add(1)) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::Chunks;
    use super::MAX_EXTENSION;
    use super::MAX_EXTENSIONS;
    use super::MAX_TRAILERS;
    use super::Malformed;
    use super::Piece;
    use bytes::Bytes;

    /// What is in chunks, handed over in pieces of `most` bytes.
    fn read(text: &str, most: usize) -> Result<(String, usize), Malformed> {
        let (mut chunks, mut found) = (Chunks::new(), String::new());
        for each in text.as_bytes().chunks(most) {
            let mut bytes = Bytes::copy_from_slice(each);
            while let Some(piece) = chunks.next(&mut bytes)? {
                match piece {
                    Piece::Data(data) => found.push_str(std::str::from_utf8(&data).unwrap()),
                    Piece::Trailers(trailers) => return Ok((found, trailers.len())),
                }
            }
        }
        Ok((found, 0))
    }

    /// How many bytes belong to the body, and whether it ended.
    fn skip(text: &str) -> Result<(usize, bool), Malformed> {
        let (mut chunks, mut bytes) = (Chunks::new(), Bytes::copy_from_slice(text.as_bytes()));
        while chunks.next(&mut bytes)?.is_some() {}
        Ok((text.len().saturating_sub(bytes.len()), chunks.is_at_end()))
    }

    #[test]
    fn a_body_ends_behind_its_last_chunk_and_trailers() {
        for body in [
            "0\r\n\r\n",
            "5\r\nTtl=5\r\n0\r\n\r\n",
            "a;x=\"y\"\r\n0123456789\r\n000\r\nx-a: 1\r\nx-b: 2\r\n\r\n",
            "1 ;a\r\nx\r\n0\r\n\r\n",
        ] {
            assert_eq!(skip(&format!("{body}GET /")), Ok((body.len(), true)), "{body:?}");
            for length in 0..body.len() {
                assert_eq!(skip(&body[..length]), Ok((length, false)), "{body:?}");
            }
        }
    }

    #[test]
    fn what_is_in_them_does_not_hang_on_how_they_come() {
        let body = "4;x\r\nTtl=\r\n1 ;a\r\n5\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\nGET /";
        for most in 1..=body.len() {
            assert_eq!(read(body, most), Ok(("Ttl=5".to_owned(), 2)));
        }
    }

    #[test]
    fn sizes_of_an_answer_may_be_padded() {
        let mut bytes = Bytes::from("5  \t\r\nTtl=5\r\n0 \r\n\r\n");
        let mut chunks = Chunks::of_answer();
        assert_eq!(chunks.next(&mut bytes), Ok(Some(Piece::Data(Bytes::from("Ttl=5")))));
        assert_eq!((chunks.next(&mut bytes), chunks.is_at_end()), (Ok(None), true));
        for malformed in ["5 5\r\n", "5 x\r\n", " 5\r\n", "5 \n"] {
            let mut bytes = Bytes::from(malformed);
            assert_eq!(Chunks::of_answer().next(&mut bytes), Err(Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn what_two_decoders_could_read_differently_is_malformed() {
        for body in [
            "\r\n",
            ";a\r\n",
            "g\r\n",
            "0x5\r\n",
            "+5\r\n",
            "-1\r\n",
            "5\nTtl=5\r\n",
            "6 6\r\n",
            "6 \r\n",
            "5\r\nTtl=5\n",
            "5\r\nTtl=55\r\n",
            "1;a\nx\r\n",
            "1;\u{0}\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n\n",
            "00000000000000001\r\n",
            "ffffffffffffffff0\r\n",
            "5\rTtl=5\r\n",
            "0\r\na b: c\r\n\r\n",
            "0\r\na: b\r\n c\r\n\r\n",
        ] {
            assert_eq!(skip(body), Err(Malformed), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension =
            |length: u32| format!("0;{}\r\n\r\n", "a".repeat(length.try_into().unwrap()));
        assert!(skip(&extension(MAX_EXTENSION)).is_ok());
        assert_eq!(skip(&extension(MAX_EXTENSION + 1)), Err(Malformed));
        let trailer =
            |length: u32| format!("0\r\na:{}\r\n\r\n", "b".repeat(length.try_into().unwrap()));
        assert!(skip(&trailer(MAX_TRAILERS - 2)).is_ok());
        assert_eq!(skip(&trailer(MAX_TRAILERS - 1)), Err(Malformed));
        let many = |chunks: u32| {
            let chunk = format!("1;{}\r\nx\r\n", "a".repeat(1023));
            chunk.repeat(chunks.try_into().unwrap())
        };
        assert!(skip(&many(MAX_EXTENSIONS / 1024)).is_ok());
        assert_eq!(skip(&many(MAX_EXTENSIONS / 1024 + 1)), Err(Malformed));
    }
}
