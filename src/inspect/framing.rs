//! Where does the body end? One way of saying so, or the request is refused.
//!
//! The server's own parser has read the head already and keeps one length where several agree.
//! What is left is judged here, whichever parser it was.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::header::TRANSFER_ENCODING;

use crate::inspect::violation::FramingFault;

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Not at all: there is no body.
    Unframed,
    /// By its length in bytes.
    Length(usize),
    /// By a last chunk.
    Chunked,
}

impl Framing {
    /// Reads the head of a request.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, FramingFault> {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::Unframed),
            (Some(_), Some(_)) => Err(FramingFault::LengthAndCoding),
            (Some(_), None) if lengths.next().is_some() => Err(FramingFault::SeveralLengths),
            (Some(length), None) => {
                plain_number(length.as_bytes()).map(Self::Length).ok_or(FramingFault::BadLength)
            }
            (None, Some(coding))
                if codings.next().is_none()
                    && coding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
            {
                Ok(Self::Chunked)
            }
            (None, Some(_)) => Err(FramingFault::NotChunked),
        }
    }

    /// Whether a body is announced; chunks are, even where there turns out to be none.
    pub(super) const fn announces_body(self) -> bool {
        match self {
            Self::Unframed | Self::Length(0) => false,
            Self::Length(_) | Self::Chunked => true,
        }
    }

    /// The length that is announced, in bytes; 0 where it is not known.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Unframed | Self::Chunked => 0,
            Self::Length(length) => length,
        }
    }
}

/// A decimal number in its only spelling: `010` is eight to some parsers.
fn plain_number(text: &[u8]) -> Option<usize> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(text).ok()?.parse().ok()
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
