//! Where does the body end? One way of saying so, or the request is refused.
//!
//! Asked twice: of the raw head, because a parser may settle on one of two answers (RFC 9112 §6.3),
//! and of the parsed one, which is all there is of HTTP/2.

use std::iter;

use http::HeaderMap;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http::header::TRANSFER_ENCODING;

/// Why two parsers could disagree about the length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// Two ways of saying where the body ends.
    #[error("A request must not have both Content-Length and Transfer-Encoding.")]
    LengthAndCoding,
    /// `Content-Length` more than once.
    #[error("A request must not have more than one Content-Length.")]
    SeveralLengths,
    /// `Content-Length` is no plain decimal number.
    #[error("Content-Length must be a plain decimal number.")]
    BadLength,
    /// `Transfer-Encoding` is anything but one `chunked`.
    #[error("Transfer-Encoding must be 'chunked' and nothing else.")]
    NotChunked,
    /// HTTP/1.0 has no chunks (RFC 9112 §6.1).
    #[error("A request in HTTP/1.0 must not have Transfer-Encoding.")]
    CodingBefore11,
}

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Not at all: there is no body.
    Unframed,
    /// By its length in bytes.
    Length(usize),
    /// By a last chunk.
    Chunked,
}

impl Framing {
    /// Reads the fields of a request.
    pub fn of(headers: &HeaderMap) -> Result<Self, FramingFault> {
        let lengths = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
        let codings = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
        Self::of_values(lengths, codings)
    }

    /// Judges the values of every `Content-Length` and of every `Transfer-Encoding` of an answer.
    /// A length beside a coding is not looked at: it is not passed on.
    pub(crate) fn of_answer<'v>(
        lengths: impl Iterator<Item = &'v [u8]>,
        codings: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Self, FramingFault> {
        let mut codings = codings.peekable();
        if codings.peek().is_none() {
            return Self::of_values(lengths, codings);
        }
        Self::of_values(iter::empty(), codings)
    }

    /// Judges the values of every `Content-Length` and of every `Transfer-Encoding`.
    fn of_values<'v>(
        mut lengths: impl Iterator<Item = &'v [u8]>,
        mut codings: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Self, FramingFault> {
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::Unframed),
            (Some(_), Some(_)) => Err(FramingFault::LengthAndCoding),
            (Some(_), None) if lengths.next().is_some() => Err(FramingFault::SeveralLengths),
            (Some(length), None) => {
                plain_number(length).map(Self::Length).ok_or(FramingFault::BadLength)
            }
            (None, Some(coding))
                if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") =>
            {
                Ok(Self::Chunked)
            }
            (None, Some(_)) => Err(FramingFault::NotChunked),
        }
    }

    /// Whether a body is announced; chunks are, even where there turns out to be none.
    pub const fn announces_body(self) -> bool {
        match self {
            Self::Unframed | Self::Length(0) => false,
            Self::Length(_) | Self::Chunked => true,
        }
    }

    /// The length that is announced, in bytes; 0 where it is not known.
    pub const fn length(self) -> usize {
        match self {
            Self::Unframed | Self::Chunked => 0,
            Self::Length(length) => length,
        }
    }
}

/// A decimal number in its only spelling: `010` is eight to some parsers. One beyond any memory is
/// none: `2^64` wraps around to 0 in others.
fn plain_number(text: &[u8]) -> Option<usize> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.iter().all(u8::is_ascii_digit) => {
            let number: usize = std::str::from_utf8(text).ok()?.parse().ok()?;
            isize::try_from(number).is_ok().then_some(number)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Framing;
    use super::FramingFault;
    use http::HeaderMap;
    use http::HeaderName;
    use http::HeaderValue;

    fn framing(fields: &[(&'static str, &'static str)]) -> Result<Framing, FramingFault> {
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Framing::of(&headers)
    }

    #[test]
    fn one_length_or_one_chunked_is_a_framing() {
        assert_eq!(framing(&[]), Ok(Framing::Unframed));
        assert_eq!(framing(&[("content-length", "0")]), Ok(Framing::Length(0)));
        assert_eq!(framing(&[("content-length", "17")]), Ok(Framing::Length(17)));
        assert_eq!(framing(&[("transfer-encoding", "Chunked")]), Ok(Framing::Chunked));
    }

    #[test]
    fn two_ways_of_framing_are_refused() {
        for other in ["0", "5", "x"] {
            assert_eq!(
                framing(&[("content-length", other), ("transfer-encoding", "chunked")]),
                Err(FramingFault::LengthAndCoding)
            );
        }
    }

    #[test]
    fn several_lengths_are_refused_even_when_they_agree() {
        for (first, second) in [("5", "5"), ("5", "6")] {
            assert_eq!(
                framing(&[("content-length", first), ("content-length", second)]),
                Err(FramingFault::SeveralLengths)
            );
        }
    }

    #[test]
    fn a_length_that_is_no_plain_decimal_number_is_refused() {
        for length in
            ["", "+5", "-0", "05", "00", "0x5", "5, 5", "5 ", "1e3", "18446744073709551616"]
        {
            assert_eq!(
                framing(&[("content-length", length)]),
                Err(FramingFault::BadLength),
                "{length:?}"
            );
        }
    }

    #[test]
    fn a_transfer_coding_beside_chunked_is_refused() {
        for coding in
            ["", "identity", "gzip, chunked", "chunked, chunked", "chunked,", "xchunked"]
        {
            assert_eq!(
                framing(&[("transfer-encoding", coding)]),
                Err(FramingFault::NotChunked),
                "{coding:?}"
            );
        }
        assert_eq!(
            framing(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
            Err(FramingFault::NotChunked)
        );
    }
}
