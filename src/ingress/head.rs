//! Is the head of a request beyond doubt? Then it is read, once.
//!
//! The parsing is httparse's; what is added is what it overlooks.

use std::fmt;
use std::mem::MaybeUninit;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Uri;
use http::Version;
use http::header::CONNECTION;
use http::header::EXPECT;
use http::request::Parts;
use http::uri::Scheme;
use httparse::Header;
use httparse::Status;

use crate::ingress::Framing;
use crate::ingress::FramingFault;
use crate::ingress::HeadFault;
use crate::ingress::alias::is_alias;

/// The largest head, in bytes, from the request line to the empty line, both included.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// The longest target, in bytes.
pub(super) const MAX_TARGET: usize = 8 * 1024;
/// The most fields.
pub(super) const MAX_FIELDS: usize = 100;
/// The longest method: no registered one has half as many letters.
const MAX_METHOD: usize = 32;
/// What a request line may have beside its target: a method and a version.
const BESIDE_TARGET: usize = 64;
/// The bytes of empty lines that may precede a request line (RFC 9112 §2.2 wants one line).
const MAX_PRELUDE: usize = 8;
/// Fields that the gateway adds before a head goes on; there is room for them from the start.
const ADDED_FIELDS: usize = 8;

/// The head of a request of HTTP/1.1 or HTTP/1.0 that has one reading.
pub struct Head {
    /// What it says; boxed, as it is handed on often and is large to move.
    pub parts: Box<Parts>,
    /// Where its body ends.
    pub framing: Framing,
    /// Whether the client would go on with the connection behind the answer (RFC 9112 §9.3).
    pub persists: bool,
    /// Whether it may wait to be asked for the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Its bytes, empty lines before it included.
    pub length: usize,
}

impl Head {
    /// Reads the head at the beginning of `bytes`; none as long as more of it has to come. Its
    /// values are slices of `bytes`, and its fields come into the `empty` map.
    pub fn read(
        bytes: &Bytes,
        empty: impl FnOnce() -> HeaderMap,
    ) -> Result<Option<Self>, HeadFault> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        // What is behind the longest head is not looked at, however it comes.
        let looked_at = bytes.get(..MAX_HEAD).unwrap_or(bytes);
        match request.parse_with_uninit_headers(looked_at, &mut fields) {
            Ok(Status::Partial) => still_fits(bytes).map(|()| None),
            Ok(Status::Complete(length)) => {
                Self::judge(&request, bytes, length, empty).map(Some)
            }
            Err(error) => Err(fault_of(error)),
        }
    }

    /// What stands for a head that is none: the record of a request needs one.
    pub fn of_none() -> Box<Parts> {
        Box::new(Request::new(()).into_parts().0)
    }

    fn judge(
        request: &httparse::Request<'_, '_>,
        bytes: &Bytes,
        length: usize,
        empty: impl FnOnce() -> HeaderMap,
    ) -> Result<Self, HeadFault> {
        let head = bytes.get(..length).unwrap_or(bytes);
        prelude(head)?;
        let method = request.method.unwrap_or_default();
        if method.len() > MAX_METHOD {
            return Err(HeadFault::RequestLine);
        }
        let target = request.path.unwrap_or_default();
        if target.len() > MAX_TARGET {
            return Err(HeadFault::TargetTooLong);
        }
        if has_bare_lf(head) {
            return Err(HeadFault::LineEnd);
        }
        if method == "CONNECT" {
            return Err(HeadFault::Tunnel);
        }
        let mut parts = Self::of_none();
        parts.method =
            Method::from_bytes(method.as_bytes()).map_err(|_| HeadFault::RequestLine)?;
        parts.uri = uri(bytes.slice_ref(target.as_bytes()))?;
        parts.headers = headers(request.headers, bytes, empty)?;
        let is_old = request.version == Some(0);
        parts.version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
        let framing = Framing::of(&parts.headers)?;
        if framing == Framing::Chunked && is_old {
            return Err(FramingFault::CodingBefore11.into());
        }
        let persists = persists(&parts.headers, is_old);
        let expects_continue =
            framing.announces_body() && !is_old && expects_continue(&parts.headers);
        Ok(Self { parts, framing, persists, expects_continue, length })
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its fields may be secrets.
        f.debug_struct("Head").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// Whether the beginning of a head may become one.
fn still_fits(bytes: &[u8]) -> Result<(), HeadFault> {
    let begins = prelude(bytes)?;
    let line = bytes.get(begins..).unwrap_or_default();
    if line.len() > MAX_METHOD
        && !line.iter().take(MAX_METHOD.saturating_add(1)).any(|b| *b == b' ')
    {
        return Err(HeadFault::RequestLine);
    }
    let longest = MAX_TARGET.saturating_add(BESIDE_TARGET);
    if line.len() > longest && !line.iter().take(longest).any(|byte| *byte == b'\n') {
        return Err(HeadFault::TargetTooLong);
    }
    if bytes.len() > MAX_HEAD {
        return Err(HeadFault::TooLarge);
    }
    Ok(())
}

/// Whether the empty lines before the request line are few. As many are too many of a whole head as
/// of a partial one, or it would matter how the bytes are cut.
fn prelude(bytes: &[u8]) -> Result<usize, HeadFault> {
    let length = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
    if length > MAX_PRELUDE { Err(HeadFault::RequestLine) } else { Ok(length) }
}

/// Whether some LF stands without a CR before it; the parser takes it for a line's end, but a CR only
/// before an LF. No byte decides by itself: that way sixteen of them are looked at at once.
fn has_bare_lf(head: &[u8]) -> bool {
    let pairs = head.iter().zip(head.iter().skip(1));
    let is_bare = |(first, second): (&u8, &u8)| *first != b'\r' && *second == b'\n';
    head.first() == Some(&b'\n') || pairs.fold(false, |found, pair| found | is_bare(pair))
}

/// Reads a target. A fragment is never sent (RFC 9112 §3.2), and would be cut off by one parser and
/// kept by another.
fn uri(target: Bytes) -> Result<Uri, HeadFault> {
    if !target.is_ascii() || target.contains(&b'#') {
        return Err(HeadFault::Target);
    }
    let is_path = target.starts_with(b"/") || *target == *b"*";
    let uri = Uri::from_maybe_shared(target).map_err(|_| HeadFault::Target)?;
    let is_target = match uri.scheme() {
        Some(scheme) => *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS,
        // Or the host and port of a CONNECT.
        None => is_path || uri.path().is_empty(),
    };
    if is_target { Ok(uri) } else { Err(HeadFault::Target) }
}

fn headers(
    fields: &[Header<'_>],
    bytes: &Bytes,
    empty: impl FnOnce() -> HeaderMap,
) -> Result<HeaderMap, HeadFault> {
    if fields.iter().any(|field| is_alias(field.name.as_bytes())) {
        return Err(HeadFault::Underscore);
    }
    let mut headers = empty();
    headers.reserve(fields.len().saturating_add(ADDED_FIELDS));
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value));
        headers.append(
            name.map_err(|_| HeadFault::FieldName)?,
            value.map_err(|_| HeadFault::FieldValue)?,
        );
    }
    Ok(headers)
}

/// Whether `Connection` leaves the connection open, and in HTTP/1.0 asks for it.
fn persists(headers: &HeaderMap, is_old: bool) -> bool {
    let says = |option: &str| {
        let values = headers.get_all(CONNECTION).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|each| each.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    };
    !says("close") && (!is_old || says("keep-alive"))
}

fn expects_continue(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    let last = expectations.next_back();
    last.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
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
    use super::Head;
    use super::MAX_HEAD;
    use super::MAX_TARGET;
    use crate::ingress::Framing;
    use crate::ingress::FramingFault;
    use crate::ingress::HeadFault;
    use bytes::Bytes;
    use http::HeaderMap;
    use http::Version;

    /// The length of a head and where its body ends; none while more has to come.
    type Look = Result<Option<(usize, Framing)>, HeadFault>;

    fn look(bytes: &[u8]) -> Look {
        let head = Head::read(&Bytes::copy_from_slice(bytes), HeaderMap::new)?;
        Ok(head.map(|head| (head.length, head.framing)))
    }

    fn is_whole(look: &Look) -> bool {
        look.is_ok_and(|head| head.is_some())
    }

    fn with(fields: &str) -> Look {
        look(format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").as_bytes())
    }

    fn framing(fields: &str) -> Result<Framing, HeadFault> {
        with(fields).map(|head| head.unwrap().1)
    }

    #[test]
    fn a_whole_head_is_as_long_as_its_empty_line_says() {
        let bytes = b"GET /v1 HTTP/1.1\r\nhost: a\r\n\r\nrest";
        assert_eq!(look(bytes), Ok(Some((bytes.len() - 4, Framing::Unframed))));
        for length in 0..bytes.len() - 4 {
            assert_eq!(look(&bytes[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn one_empty_line_may_precede_it_and_many_may_not() {
        let after = |prelude: &str| look(format!("{prelude}GET / HTTP/1.1\r\n\r\n").as_bytes());
        assert!(is_whole(&after("\r\n")));
        assert!(is_whole(&after(&"\r\n".repeat(4))));
        assert_eq!(after(&"\r\n".repeat(5)), Err(HeadFault::RequestLine));
        assert_eq!(look("\r\n".repeat(5).as_bytes()), Err(HeadFault::RequestLine));
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
            assert_eq!(framing(fields), Err(fault.into()), "{fields}");
        }
        let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(look(old), Err(FramingFault::CodingBefore11.into()));
    }

    #[test]
    fn lines_end_in_cr_lf_only() {
        for head in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(look(head.as_bytes()), Err(HeadFault::LineEnd), "{head:?}");
        }
        assert_eq!(with("a: b\rc\r\n"), Err(HeadFault::FieldValue));
    }

    #[test]
    fn a_field_that_a_framework_takes_for_another_is_refused() {
        for name in
            ["Content_Length", "transfer-Encoding_", "TRANSFER_ENCODING", "content_type"]
        {
            let expected = if name.ends_with('_') { None } else { Some(HeadFault::Underscore) };
            let found = with(&format!("{name}: 1\r\n")).err();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_target_with_a_fragment_or_raw_bytes_is_refused() {
        for target in ["/a#b", "/\u{e9}", "/a{b}", "*", "http://a/b"] {
            let looked = look(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
            let well_formed = is_whole(&looked);
            assert_eq!(well_formed, target.starts_with(['*', 'h']) || target == "/a{b}");
        }
    }

    #[test]
    fn sizes_are_exact() {
        let target = |length: usize| {
            look(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1)).as_bytes())
        };
        assert!(is_whole(&target(MAX_TARGET)));
        assert_eq!(target(MAX_TARGET + 1), Err(HeadFault::TargetTooLong));
        let endless = format!("GET /{}", "a".repeat(MAX_TARGET + 100));
        assert_eq!(look(endless.as_bytes()), Err(HeadFault::TargetTooLong));

        let frame = "GET / HTTP/1.1\r\na: \r\n\r\n".len();
        let head = |length: usize| {
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(length - frame))
        };
        assert!(is_whole(&look(head(MAX_HEAD).as_bytes())));
        assert_eq!(look(head(MAX_HEAD + 1).as_bytes()), Err(HeadFault::TooLarge));
        let unfinished = &head(MAX_HEAD + 9)[..=MAX_HEAD];
        assert_eq!(look(unfinished.as_bytes()), Err(HeadFault::TooLarge));

        assert!(is_whole(&with(&"a: b\r\n".repeat(99))));
        assert_eq!(with(&"a: b\r\n".repeat(100)), Err(HeadFault::TooManyFields));
    }

    #[test]
    fn other_versions_and_malformed_lines_are_refused() {
        let line = |line: &str| look(format!("{line}\r\nhost: a\r\n\r\n").as_bytes());
        assert_eq!(line("GET / HTTP/2.0"), Err(HeadFault::Version));
        assert_eq!(line("GET / HTTP/1.2"), Err(HeadFault::Version));
        for malformed in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /",
            " GET / HTTP/1.1",
            "G\u{0}T / HTTP/1.1",
        ] {
            assert!(line(malformed).is_err(), "{malformed:?}");
        }
        assert_eq!(with("a : b\r\n"), Err(HeadFault::FieldName));
        assert_eq!(with("a: b\r\n c\r\n"), Err(HeadFault::FieldName));
    }

    #[test]
    fn what_is_read_is_what_was_said() {
        let bytes = "\r\nPATCH /a?b=c HTTP/1.0\r\nX-A:  1 \r\nx-a: \u{e9}\r\nEMPTY:\r\n\r\n";
        let head =
            Head::read(&Bytes::from_static(bytes.as_bytes()), HeaderMap::new).unwrap().unwrap();
        assert_eq!((head.parts.method.as_str(), head.length), ("PATCH", bytes.len()));
        assert_eq!(
            (head.parts.uri, head.parts.version),
            ("/a?b=c".parse().unwrap(), Version::HTTP_10)
        );
        let fields: Vec<_> = head.parts.headers.iter().collect();
        let shown: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let accent = "\u{e9}".as_bytes();
        assert_eq!(shown, [("x-a", &b"1"[..]), ("x-a", accent), ("empty", b"")]);
    }

    #[test]
    fn a_connection_goes_on_unless_it_is_said_otherwise() {
        let persists = |version: u8, connection: &str| {
            let text = format!("GET / HTTP/1.{version}\r\n{connection}\r\n");
            Head::read(&Bytes::from(text), HeaderMap::new).unwrap().unwrap().persists
        };
        assert!(persists(1, "") && persists(1, "connection: keep-alive\r\n"));
        assert!(!persists(1, "Connection: x, Close\r\n"));
        assert!(!persists(1, "connection: close\r\nconnection: keep-alive\r\n"));
        assert!(!persists(0, "") && persists(0, "connection: Keep-Alive\r\n"));
    }

    #[test]
    fn only_who_has_a_body_and_speaks_http11_is_asked_for_it() {
        let expects = |line: &str, fields: &str| {
            let text = format!("{line}\r\n{fields}\r\n");
            Head::read(&Bytes::from(text), HeaderMap::new).unwrap().unwrap().expects_continue
        };
        let (line, expect) =
            ("POST / HTTP/1.1", "Expect: 100-Continue\r\ncontent-length: 1\r\n");
        assert!(expects(line, expect));
        assert!(!expects("POST / HTTP/1.0", expect));
        assert!(!expects(line, "expect: 100-continue\r\n"));
        assert!(!expects(line, "expect: more\r\ncontent-length: 1\r\n"));
    }
}
