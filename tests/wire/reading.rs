//! What a second, strict parser reads in a client's bytes: whatever it does not read there must
//! not reach an upstream.

use crate::message::is_token;
use crate::message::latin;

/// A whole request, as it stands in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What stands behind the last whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of another.
    Incomplete,
    /// What no two parsers need agree on.
    Doubtful(&'static str),
}

impl Request {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |field| field.0 == name).map(|field| field.1.as_str())
    }
}

/// Every whole request at the beginning of `bytes`, and what is behind them.
pub(crate) fn requests(mut bytes: &[u8]) -> (Vec<Request>, Rest) {
    let mut requests = Vec::new();
    loop {
        // Empty lines before a request are none of it (RFC 9112 §2.2).
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        if bytes.is_empty() {
            return (requests, Rest::Nothing);
        }
        match request(&mut bytes) {
            Ok(request) => requests.push(request),
            Err(rest) => return (requests, rest),
        }
    }
}

fn request(bytes: &mut &[u8]) -> Result<Request, Rest> {
    let lines = head(bytes)?;
    let (start, fields) = lines.split_first().ok_or(Rest::Doubtful("no request line"))?;
    let [method, target, version] = start.split(' ').collect::<Vec<_>>()[..] else {
        return Err(Rest::Doubtful("no three words"));
    };
    let is_target = !target.is_empty()
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if method.is_empty() || !method.bytes().all(is_token) || !is_target {
        return Err(Rest::Doubtful("the request line"));
    }
    if !["HTTP/1.1", "HTTP/1.0"].contains(&version) {
        return Err(Rest::Doubtful("the version"));
    }
    let fields = fields.iter().map(|line| field(line)).collect::<Option<Vec<_>>>();
    let fields = fields.ok_or(Rest::Doubtful("a field"))?;
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut request = Request { method, target, fields, body: Vec::new() };
    request.body = body(&request, bytes)?;
    Ok(request)
}

/// The lines up to the empty one, which is taken off too.
fn head(bytes: &mut &[u8]) -> Result<Vec<String>, Rest> {
    let mut lines = Vec::new();
    loop {
        let line = line(bytes)?;
        if line.is_empty() {
            return Ok(lines);
        }
        if line.iter().any(|byte| *byte != b'\t' && (*byte < 0x20 || *byte == 0x7f)) {
            return Err(Rest::Doubtful("a control character"));
        }
        lines.push(latin(line));
    }
}

/// What is before the next CRLF; a CR or LF by itself ends no line.
fn line<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Rest> {
    let end = bytes.iter().position(|byte| b"\r\n".contains(byte)).ok_or(Rest::Incomplete)?;
    let (line, rest) = bytes.split_at(end);
    match rest {
        [b'\r', b'\n', rest @ ..] => {
            *bytes = rest;
            Ok(line)
        }
        b"\r" => Err(Rest::Incomplete),
        _ => Err(Rest::Doubtful("a bare CR or LF")),
    }
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    is_name.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn body(request: &Request, bytes: &mut &[u8]) -> Result<Vec<u8>, Rest> {
    let lengths: Vec<_> = request.all("content-length").collect();
    let codings: Vec<_> = request.all("transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Vec::new()),
        ([length], []) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let is_plain = digits && (*length == "0" || !length.starts_with('0'));
            let length = length.parse().ok().filter(|_| is_plain);
            take(bytes, length.ok_or(Rest::Doubtful("a length"))?)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => chunks(bytes),
        _ => Err(Rest::Doubtful("two framings")),
    }
}

fn take(bytes: &mut &[u8], length: usize) -> Result<Vec<u8>, Rest> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Rest::Incomplete)?;
    *bytes = rest;
    Ok(taken.to_vec())
}

fn chunks(bytes: &mut &[u8]) -> Result<Vec<u8>, Rest> {
    let mut body = Vec::new();
    loop {
        let size = latin(line(bytes)?);
        let digits = size.split(';').next().unwrap_or_default();
        let digits =
            if size.contains(';') { digits.trim_end_matches([' ', '\t']) } else { digits };
        let is_number =
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| is_number);
        let size = size.ok_or(Rest::Doubtful("the size of a chunk"))?;
        if size == 0 {
            while !line(bytes)?.is_empty() {}
            return Ok(body);
        }
        body.extend(take(bytes, size)?);
        match line(bytes)? {
            b"" => {}
            _ => return Err(Rest::Doubtful("more data than a chunk has")),
        }
    }
}

#[test]
fn only_what_has_one_reading_is_read() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let of = |text: &str| {
        let (requests, rest) = requests(text.as_bytes());
        (requests.len(), rest)
    };
    let post =
        |fields: &str, body: &str| of(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n{body}"));
    assert_eq!(of(&get.repeat(2)), (2, Rest::Nothing));
    assert_eq!(of(&format!("\r\n{get}GET")), (1, Rest::Incomplete));
    assert_eq!(post("Content-Length: 2", "ab"), (1, Rest::Nothing));
    assert_eq!(post("Transfer-Encoding: chunked", "1;x\r\na\r\n0\r\n\r\n"), (1, Rest::Nothing));
    for (fields, body) in [
        ("Content-Length: 02", "ab"),
        ("Content-Length: 2\r\nContent-Length: 2", "ab"),
        ("Content-Length : 2", "ab"),
        ("Content-Length: 2\r\n x", "ab"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "1 \r\na\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "1\na\r\n0\r\n\r\n"),
        ("A: b\nC: d", ""),
    ] {
        let (read, rest) = post(fields, body);
        assert!(
            read == 0 && matches!(rest, Rest::Doubtful(_)),
            "{fields:?} {body:?}: {rest:?}"
        );
    }
}
