//! Is the head of a request beyond doubt? Asked of the bytes as they came, before the server's
//! parser settles on one of two readings.
//!
//! The parsing is httparse's, which is the server's own, so the two agree on where a head ends;
//! what is added is what both of them overlook.

use std::mem::MaybeUninit;

use http::Uri;
use http::uri::Scheme;
use httparse::Header;
use httparse::Request;
use httparse::Status;

use crate::ingress::Framing;
use crate::ingress::FramingFault;
use crate::ingress::HeadFault;

/// The largest head, in bytes, from the request line to the empty line, both included.
pub const MAX_HEAD: usize = 32 * 1024;
/// The longest target, in bytes.
pub(super) const MAX_TARGET: usize = 8 * 1024;
/// The most fields.
pub const MAX_FIELDS: usize = 100;
/// What a request line may have beside its target: a method and a version.
const BESIDE_TARGET: usize = 64;
/// The bytes of empty lines that may precede a request line (RFC 9112 §2.2 wants one line).
const MAX_PRELUDE: usize = 8;

/// Fields that the gateway or the upstream acts upon, as a framework spells them that reads `-`
/// and `_` as one. Every `content_…` and `x_forwarded_…` is meant too.
const ACTED_UPON: [&[u8]; 9] = [
    b"transfer_encoding",
    b"x_http_method_override",
    b"x_http_method",
    b"x_method_override",
    b"x_original_url",
    b"x_rewrite_url",
    b"x_real_ip",
    b"x_request_id",
    b"proxy_connection",
];

/// What the bytes at the beginning of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// More has to come.
    Partial,
    /// A head of this length, and where its body ends.
    Whole { length: usize, framing: Framing },
    /// Not to be handed on.
    Refused(HeadFault),
}

/// Looks at what begins a request.
pub(super) fn look(bytes: &[u8]) -> Look {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = Request::new(&mut []);
    let looked = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Partial) => partial(bytes),
        Ok(Status::Complete(length)) => judge(&request, bytes.get(..length).unwrap_or(bytes)),
        Err(error) => Err(fault_of(error)),
    };
    looked.unwrap_or_else(Look::Refused)
}

fn partial(bytes: &[u8]) -> Result<Look, HeadFault> {
    let begins = prelude(bytes)?;
    let line = bytes.iter().skip(begins).take(MAX_TARGET.saturating_add(BESIDE_TARGET));
    if bytes.len() > begins.saturating_add(line.len()) && !line.clone().any(|b| *b == b'\n') {
        return Err(HeadFault::TargetTooLong);
    }
    if bytes.len() > MAX_HEAD {
        return Err(HeadFault::TooLarge);
    }
    Ok(Look::Partial)
}

/// How many bytes of empty lines precede the request line. As many are too many of a whole head as
/// of a partial one, or it would matter how the bytes are cut.
fn prelude(bytes: &[u8]) -> Result<usize, HeadFault> {
    let length = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
    if length > MAX_PRELUDE { Err(HeadFault::RequestLine) } else { Ok(length) }
}

fn judge(request: &Request<'_, '_>, head: &[u8]) -> Result<Look, HeadFault> {
    prelude(head)?;
    let target = request.path.unwrap_or_default();
    if target.len() > MAX_TARGET {
        return Err(HeadFault::TargetTooLong);
    }
    if head.len() > MAX_HEAD {
        return Err(HeadFault::TooLarge);
    }
    // The parser takes a bare LF for a line's end, but a CR only before an LF.
    let count = |wanted| head.iter().map(|byte| u32::from(*byte == wanted)).sum::<u32>();
    if count(b'\n') != count(b'\r') {
        return Err(HeadFault::LineEnd);
    }
    if request.method == Some("CONNECT") {
        return Err(HeadFault::Tunnel);
    }
    if !is_target(target) {
        return Err(HeadFault::Target);
    }
    let fields: &[Header<'_>] = request.headers;
    if fields.iter().any(|field| is_alias(field.name.as_bytes())) {
        return Err(HeadFault::Underscore);
    }
    let values = |name: &'static str| {
        let named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        fields.iter().filter(named).map(|field| field.value)
    };
    let framing = Framing::of_values(values("content-length"), values("transfer-encoding"))?;
    if framing == Framing::Chunked && request.version == Some(0) {
        return Err(FramingFault::CodingBefore11.into());
    }
    Ok(Look::Whole { length: head.len(), framing })
}

/// Whether a target is what it looks like. A fragment is never sent (RFC 9112 §3.2), and would be
/// cut off by one parser and kept by another.
fn is_target(target: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~?&=%+:,@".contains(&byte);
    if target.starts_with('/') && target.bytes().all(plain) {
        return true;
    }
    if !target.is_ascii() || target.contains('#') {
        return false;
    }
    Uri::try_from(target).is_ok_and(|uri| match uri.scheme() {
        Some(scheme) => *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS,
        // A path, `*`, or the host and port of a CONNECT.
        None => target.starts_with('/') || target == "*" || uri.path().is_empty(),
    })
}

pub(super) fn is_alias(name: &[u8]) -> bool {
    if !name.contains(&b'_') {
        return false;
    }
    let folded: Vec<u8> = name
        .iter()
        .map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() })
        .collect();
    folded.starts_with(b"content_")
        || folded.starts_with(b"x_forwarded_")
        || ACTED_UPON.contains(&folded.as_slice())
}

const fn fault_of(error: httparse::Error) -> HeadFault {
    use httparse::Error;
    match error {
        Error::HeaderName => HeadFault::FieldName,
        Error::HeaderValue => HeadFault::FieldValue,
        Error::NewLine => HeadFault::LineEnd,
        Error::Version => HeadFault::Version,
        Error::TooManyHeaders => HeadFault::TooManyFields,
        Error::Status | Error::Token => HeadFault::RequestLine,
    }
}

#[cfg(test)]
mod tests {
    use super::Look;
    use super::MAX_HEAD;
    use super::MAX_TARGET;
    use super::look;
    use crate::ingress::Framing;
    use crate::ingress::FramingFault;
    use crate::ingress::HeadFault;

    fn refused(fault: HeadFault) -> Look {
        Look::Refused(fault)
    }

    fn with(fields: &str) -> Look {
        look(format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").as_bytes())
    }

    fn framing(fields: &str) -> Result<Framing, Look> {
        match with(fields) {
            Look::Whole { framing, .. } => Ok(framing),
            other @ (Look::Partial | Look::Refused(_)) => Err(other),
        }
    }

    #[test]
    fn a_whole_head_is_as_long_as_its_empty_line_says() {
        let bytes = b"GET /v1 HTTP/1.1\r\nhost: a\r\n\r\nrest";
        let whole = Look::Whole { length: bytes.len() - 4, framing: Framing::Unframed };
        assert_eq!(look(bytes), whole);
        for length in 0..bytes.len() - 4 {
            assert_eq!(look(&bytes[..length]), Look::Partial, "{length} bytes");
        }
    }

    #[test]
    fn one_empty_line_may_precede_it_and_many_may_not() {
        let after = |prelude: &str| look(format!("{prelude}GET / HTTP/1.1\r\n\r\n").as_bytes());
        assert!(matches!(after("\r\n"), Look::Whole { .. }));
        assert!(matches!(after(&"\r\n".repeat(4)), Look::Whole { .. }));
        assert_eq!(after(&"\r\n".repeat(5)), refused(HeadFault::RequestLine));
        assert_eq!(look("\r\n".repeat(5).as_bytes()), refused(HeadFault::RequestLine));
    }

    #[test]
    fn what_two_parsers_could_frame_differently_is_refused() {
        assert_eq!(framing("content-length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
        for (fields, fault) in [
            ("content-length: 5\r\ncontent-length: 5\r\n", FramingFault::SeveralLengths),
            (
                "content-length: 5\r\ntransfer-encoding: chunked\r\n",
                FramingFault::LengthAndCoding,
            ),
            (
                "transfer-encoding: chunked\r\nContent-Length: 5\r\n",
                FramingFault::LengthAndCoding,
            ),
            ("content-length: 010\r\n", FramingFault::BadLength),
            ("content-length: 18446744073709551615\r\n", FramingFault::BadLength),
            ("transfer-encoding: chunked, chunked\r\n", FramingFault::NotChunked),
        ] {
            assert_eq!(framing(fields), Err(refused(fault.into())), "{fields}");
        }
        let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(look(old), refused(FramingFault::CodingBefore11.into()));
    }

    #[test]
    fn lines_end_in_cr_lf_only() {
        for head in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(look(head.as_bytes()), refused(HeadFault::LineEnd), "{head:?}");
        }
        assert_eq!(with("a: b\rc\r\n"), refused(HeadFault::FieldValue));
    }

    #[test]
    fn a_field_that_a_framework_takes_for_another_is_refused() {
        for name in
            ["Content_Length", "transfer-Encoding_", "TRANSFER_ENCODING", "content_type"]
        {
            let expected = if name.ends_with('_') { None } else { Some(HeadFault::Underscore) };
            let found = match with(&format!("{name}: 1\r\n")) {
                Look::Refused(fault) => Some(fault),
                Look::Partial | Look::Whole { .. } => None,
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_target_with_a_fragment_or_raw_bytes_is_refused() {
        for target in ["/a#b", "/\u{e9}", "/a{b}", "*", "http://a/b"] {
            let looked = look(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
            let well_formed = matches!(looked, Look::Whole { .. });
            assert_eq!(well_formed, target.starts_with(['*', 'h']) || target == "/a{b}");
        }
    }

    #[test]
    fn sizes_are_exact() {
        let target = |length: usize| {
            look(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1)).as_bytes())
        };
        assert!(matches!(target(MAX_TARGET), Look::Whole { .. }));
        assert_eq!(target(MAX_TARGET + 1), refused(HeadFault::TargetTooLong));
        let endless = format!("GET /{}", "a".repeat(MAX_TARGET + 100));
        assert_eq!(look(endless.as_bytes()), refused(HeadFault::TargetTooLong));

        let frame = "GET / HTTP/1.1\r\na: \r\n\r\n".len();
        let head = |length: usize| {
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(length - frame))
        };
        assert!(matches!(look(head(MAX_HEAD).as_bytes()), Look::Whole { .. }));
        assert_eq!(look(head(MAX_HEAD + 1).as_bytes()), refused(HeadFault::TooLarge));
        let unfinished = &head(MAX_HEAD + 9)[..=MAX_HEAD];
        assert_eq!(look(unfinished.as_bytes()), refused(HeadFault::TooLarge));

        assert!(matches!(with(&"a: b\r\n".repeat(99)), Look::Whole { .. }));
        assert_eq!(with(&"a: b\r\n".repeat(100)), refused(HeadFault::TooManyFields));
    }

    #[test]
    fn other_versions_and_malformed_lines_are_refused() {
        let line = |line: &str| look(format!("{line}\r\nhost: a\r\n\r\n").as_bytes());
        assert_eq!(line("GET / HTTP/2.0"), refused(HeadFault::Version));
        assert_eq!(line("GET / HTTP/1.2"), refused(HeadFault::Version));
        for malformed in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /",
            " GET / HTTP/1.1",
            "G\u{0}T / HTTP/1.1",
        ] {
            assert!(matches!(line(malformed), Look::Refused(_)), "{malformed:?}");
        }
        assert_eq!(with("a : b\r\n"), refused(HeadFault::FieldName));
        assert_eq!(with("a: b\r\n c\r\n"), refused(HeadFault::FieldName));
    }
}
