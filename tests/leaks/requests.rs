//! Requests with marks wherever a client can put one: one that is forwarded, and at least one for
//! each way to be refused.

use crate::marks::AGENT;
use crate::marks::COOKIE;
use crate::marks::FIELD;
use crate::marks::FIELD_NAME;
use crate::marks::FORWARDED;
use crate::marks::HOST;
use crate::marks::ID;
use crate::marks::METHOD;
use crate::marks::NAME;
use crate::marks::NUMBER;
use crate::marks::PASSWORD;
use crate::marks::PATH;
use crate::marks::QUERY;
use crate::marks::TEXT;
use crate::marks::TOKEN;
use crate::support::ACCOUNT;
use crate::support::SERVICE;
use crate::support::client::basic;

/// What an HTTP/2 client says first, with empty settings behind it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// One client's bytes; where they are no whole request, it ends its half behind them.
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_whole: bool,
}

fn whole(text: String) -> Sent {
    Sent { bytes: text.into_bytes(), is_whole: true }
}

fn broken_off(bytes: impl Into<Vec<u8>>) -> Sent {
    Sent { bytes: bytes.into(), is_whole: false }
}

/// Fields of every request: marks that none of them is refused for.
fn marked() -> String {
    format!(
        "Cookie: a={COOKIE}\r\nUser-Agent: {AGENT}\r\nX-{FIELD_NAME}: {FIELD}\r\n\
         X-Request-Id: {ID} {ID}\r\nTraceparent: 00-{ID}\r\nX-Forwarded-For: {FORWARDED}\r\n\
         Forwarded: for={FORWARDED}\r\nReferer: http://a/{FIELD}\r\nConnection: close\r\n"
    )
}

fn auth() -> String {
    format!("Authorization: {}\r\n", basic(ACCOUNT, PASSWORD))
}

fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{}{}{fields}\r\n", auth(), marked())
}

fn sessions() -> String {
    format!("/v1/Services/{SERVICE}/Sessions")
}

/// A form for a new session.
pub(crate) fn form(form: &str) -> Sent {
    let fields = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        form.len()
    );
    let line = format!("POST {}?Hint={QUERY}", sessions());
    whole(head(&line, &fields) + form)
}

/// One that nothing is wrong with.
pub(crate) fn good() -> Sent {
    form(&format!(
        "UniqueName={NAME}&Participants=%7B%22Identifier%22%3A%22%2B{NUMBER}%22%7D&Text={TEXT}"
    ))
}

/// Those that are refused, or that no request comes of.
pub(crate) fn bad() -> Vec<Sent> {
    [heads(), heads_without_a_reading(), routes(), bodies(), http2(), strangers()]
        .into_iter()
        .flatten()
        .collect()
}

fn heads() -> Vec<Sent> {
    let get = format!("GET {}?{QUERY}", sessions());
    [
        format!("Content-Length: {TEXT}\r\n"),
        format!("Transfer-Encoding: {TEXT}\r\n"),
        format!("Content-Length: 1\r\nTransfer-Encoding: {TEXT}\r\n"),
        format!("Content-Length: 1\r\nContent-Length: {TEXT}\r\n"),
        format!("X_Forwarded_For: {TEXT}\r\n"),
        format!("{TEXT} {TEXT}: a\r\n"),
        format!("{TEXT}: a\x1b[31m{TEXT}\r\n"),
        format!("{TEXT}: a\x01{TEXT}\r\n"),
        format!("{TEXT}: a\n{TEXT}: b\r\n"),
        format!("{TEXT}: a\r\n {TEXT}\r\n"),
        format!("{TEXT}\r\n"),
        format!("Host: {HOST}\r\n"),
        format!("Authorization: Bearer {TOKEN}\r\n"),
        format!("A: {}{TEXT}\r\n", "x".repeat(40_000)),
        format!("{TEXT}: a\r\n").repeat(120),
        format!("Expect: {TEXT}\r\n"),
        format!("Upgrade: {TEXT}\r\n"),
    ]
    .iter()
    .map(|fields| whole(head(&get, fields)))
    .collect()
}

fn heads_without_a_reading() -> Vec<Sent> {
    let rest = format!("Host: a\r\n{}{}\r\n", auth(), marked());
    [
        format!("{METHOD}\r\n{rest}"),
        format!("{METHOD} {PATH} HTTP/1.1\r\n{rest}"),
        format!("GET /{PATH} {PATH} HTTP/1.1\r\n{rest}"),
        format!("GET /{PATH}#{PATH} HTTP/1.1\r\n{rest}"),
        format!("GET /{PATH}\x1b[31m HTTP/1.1\r\n{rest}"),
        format!("GET /{PATH} HTTP/{PATH}\r\n{rest}"),
        format!("GET /{PATH} HTTP/3.0\r\n{rest}"),
        format!("GET /{}{PATH} HTTP/1.1\r\n{rest}", "x".repeat(9_000)),
        format!("GET http://{HOST}/{PATH} HTTP/1.1\r\n{rest}"),
        format!("GET http://{PATH}@{HOST}/ HTTP/1.1\r\n{rest}"),
        format!("CONNECT {HOST}:1 HTTP/1.1\r\n{rest}"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}/{HOST}\r\n{}{}\r\n", auth(), marked()),
        format!("GET / HTTP/1.1\r\n{}{}\r\n", auth(), marked()),
    ]
    .into_iter()
    .map(whole)
    .collect()
}

fn routes() -> Vec<Sent> {
    let with = |authorization: &str| {
        format!("GET {} HTTP/1.1\r\nHost: a\r\n{authorization}{}\r\n", sessions(), marked())
    };
    let lines = [
        format!("GET /{PATH}?{QUERY}"),
        format!("GET /{NUMBER}"),
        format!("GET /v1/Services/{NAME}%2F{NUMBER}"),
        format!("GET /v1/Services/{NAME}%0a%1b[31m"),
        format!("GET /v1/Services/{NAME};{PATH}"),
        format!("GET /v1/Services/{NAME}.json"),
        format!("GET /v1/Services/../{PATH}"),
        format!("PUT {}?{QUERY}", sessions()),
        format!("TRACE {}?{QUERY}", sessions()),
        format!("{METHOD} {}", sessions()),
    ];
    let credentials = [
        String::new(),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Digest {TOKEN}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN} {TOKEN}\r\n"),
        format!("Authorization: {}\r\n", basic("someone", PASSWORD)),
        format!("Authorization: {}\r\n", basic(ACCOUNT, &format!("\x1b[31m{PASSWORD}"))),
    ];
    let lines = lines.iter().map(|line| head(line, ""));
    lines.chain(credentials.iter().map(|field| with(field))).map(whole).collect()
}

fn bodies() -> Vec<Sent> {
    let typed = |fields: &str, body: &str| head(&format!("POST {}", sessions()), fields) + body;
    let urlencoded = "Content-Type: application/x-www-form-urlencoded\r\n";
    let chunked = format!("{urlencoded}Transfer-Encoding: chunked\r\n");
    let long = "x".repeat(300);
    let mut sent: Vec<_> = [
        format!("UniqueName={NAME}{long}"),
        format!("Ttl={TEXT}"),
        format!("Ttl=%1b[31m{TEXT}"),
        format!("{TEXT}=%zz"),
        format!("{TEXT}=%ff"),
        format!("Participants={TEXT}%2B{NUMBER}"),
        format!("Participants=[[[[[%22{TEXT}%22]]]]]"),
        format!("Participants=%7B%22{TEXT}%22:[[[[[%22{NUMBER}%22]]]]]%7D"),
        format!("Participants=%7B%22Identifier%22%3A%22{NUMBER}{long}%22%7D"),
        format!("Text={TEXT}{}", "x".repeat(3_000)),
    ]
    .iter()
    .map(|text| form(text))
    .collect();
    sent.extend(
        [
            typed(&format!("Content-Type: {TEXT}\r\nContent-Length: 3\r\n"), "a=b"),
            typed(&format!("{urlencoded}Content-Type: {TEXT}\r\n"), ""),
            typed(
                &format!("{urlencoded}Content-Encoding: {TEXT}\r\nContent-Length: 1\r\n"),
                "a",
            ),
            typed(&chunked, &format!("3\r\na=b\r\n0\r\nContent-Length: {TEXT}\r\n\r\n")),
            typed(&chunked, &format!("3;{TEXT}\r\na=b\r\n{TEXT}\r\n\r\n")),
            head(&format!("GET {}", sessions()), "Content-Length: 10\r\n") + TEXT,
        ]
        .into_iter()
        .map(whole),
    );
    sent.extend(
        [
            typed(
                &format!("{urlencoded}Content-Length: 999\r\n"),
                &format!("UniqueName={NAME}"),
            ),
            typed(&chunked, &format!("ff\r\nUniqueName={NAME}")),
            format!("GET /{PATH}?{QUERY} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}"),
        ]
        .map(broken_off),
    );
    sent
}

/// Heads of HTTP/2 that its library refuses before the gateway sees them, and others.
fn http2() -> Vec<Sent> {
    let path = format!("/{PATH}");
    let good =
        [(":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", &path)];
    let with = |at: usize, value: &str| {
        let mut fields = good.map(|(name, value)| (name, value.to_owned()));
        value.clone_into(&mut fields[at].1);
        fields.to_vec()
    };
    let and = |name: &'static str, value: &str| {
        [with(0, "GET"), vec![(name, value.to_owned())]].concat()
    };
    [
        with(0, METHOD),
        with(0, &format!("{METHOD} {METHOD}")),
        with(1, &format!("{TEXT}://")),
        with(2, &format!("{HOST} {HOST}\x1b[31m")),
        with(2, &format!("{HOST}@{HOST}:x")),
        with(3, &format!("{PATH} \x1b[31m{PATH}")),
        with(3, &format!("{PATH}?{QUERY}")),
        and("authorization", &basic(ACCOUNT, PASSWORD)),
        and("cookie", COOKIE),
        and("content-length", TEXT),
        and("transfer-encoding", TEXT),
        and("x-field", &format!("{TEXT}\x01\x1b[31m")),
        and("Zq9Field5Kx", FIELD),
        and("a b", FIELD),
        and(":unknown", FIELD),
        and("te", FIELD),
        and("x-large", &format!("{TEXT}{}", "x".repeat(16_000))),
    ]
    .iter()
    .map(|fields| broken_off([PREFACE, &frame(1, 5, &block(fields))].concat()))
    .chain([
        broken_off(
            [PREFACE, &frame(7, 0, format!("\0\0\0\0\0\0\0\0{TEXT}").as_bytes())].concat(),
        ),
        broken_off([PREFACE, &frame(99, 0, TEXT.as_bytes())].concat()),
        broken_off([PREFACE, &frame(0, 1, TEXT.as_bytes())].concat()),
        broken_off([PREFACE, &frame(1, 5, format!("\u{7f}{TEXT}").as_bytes())].concat()),
    ])
    .collect()
}

/// Fields without index and without Huffman's code (RFC 7541 §6.2.2).
fn block(fields: &[(&str, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        put(&mut block, name);
        put(&mut block, value);
    }
    block
}

/// A text behind its length (RFC 7541 §5.1, §5.2).
fn put(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest >= 127 {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
    }
    block.push(u8::try_from(rest).unwrap());
    block.extend_from_slice(text.as_bytes());
}

/// A frame of stream 1, or of the connection.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let stream = u8::from(kind < 2);
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Who speaks no HTTP at all.
fn strangers() -> Vec<Sent> {
    [
        [b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c", TEXT.as_bytes()].concat(),
        format!("PROXY TCP4 {TEXT} {TEXT} 1 2\r\n").into_bytes(),
        format!("SSH-2.0-{TEXT}\r\n").into_bytes(),
        format!("\0\x1b[31m{TEXT}\r\n\r\n").into_bytes(),
        TEXT.as_bytes().to_vec(),
    ]
    .into_iter()
    .map(broken_off)
    .collect()
}
