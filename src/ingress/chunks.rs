//! Where does a chunked body end? Only that is asked: the server's own decoder takes the chunks
//! apart (RFC 9112 §7.1).

/// The longest extension of a chunk, in bytes.
const MAX_EXTENSION: u32 = 1024;
/// The largest trailer section, in bytes.
const MAX_TRAILERS: u32 = 4 * 1024;
/// A size has no more digits than 64 bits need.
const MAX_DIGITS: u8 = 16;

/// A chunked body that is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// How far a chunked body has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunks {
    Size {
        size: u64,
        digits: u8,
    },
    /// White space that only an extension may follow.
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
    /// Before the first chunk.
    pub(super) const fn new() -> Self {
        Self::Size { size: 0, digits: 0 }
    }

    /// Whether the last byte has been seen.
    pub(super) const fn is_at_end(self) -> bool {
        matches!(self, Self::End)
    }

    /// Goes over `bytes`, as far as they belong to this body: how many do.
    pub(super) fn skip(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut gone = 0_usize;
        while let Some(&byte) = bytes.get(gone) {
            if let Self::Data { left } = self {
                let here = bytes.len().saturating_sub(gone);
                let taken = usize::try_from(*left).map_or(here, |left| left.min(here));
                gone = gone.saturating_add(taken);
                *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            if self.is_at_end() {
                break;
            }
            *self = self.after(byte)?;
            gone = gone.saturating_add(1);
        }
        Ok(gone)
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
    use super::MAX_TRAILERS;
    use super::Malformed;

    /// How many bytes belong to the body, and whether it ended.
    fn skip(text: &str) -> Result<(usize, bool), Malformed> {
        let mut chunks = Chunks::new();
        let gone = chunks.skip(text.as_bytes())?;
        Ok((gone, chunks.is_at_end()))
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
            let mut bytewise = Chunks::new();
            for byte in body.bytes() {
                assert_eq!(bytewise.skip(&[byte]), Ok(1));
            }
            assert!(bytewise.is_at_end());
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
    }
}
