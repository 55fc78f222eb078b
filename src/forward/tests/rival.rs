//! hyper's client, which read answers before: what it makes of the same bytes.

use crate::forward::AnswerReader;
use crate::ingress::Framing;
use crate::ingress::FramingFault;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http::header::TRANSFER_ENCODING;
use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::prelude::ProptestConfig;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::select;
use std::collections::BTreeSet;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::runtime;

/// What a client makes of the bytes of an answer, behind which the connection closes; nothing
/// where there is no answer.
type Read = Option<(u16, Vec<String>, Vec<u8>, bool)>;

/// The fields of an answer, as far as a client of the gateway may see them.
fn passed_on(headers: &HeaderMap) -> Vec<String> {
    let named: BTreeSet<_> = headers.get_all("connection").iter().flat_map(options).collect();
    let stays = |name: &str| {
        !crate::forward::fields::is_hop_by_hop(name)
            && (!named.contains(name) || name.starts_with("content-"))
            && (name != "content-length" || !headers.contains_key(TRANSFER_ENCODING))
    };
    let fields = headers.iter().filter(|(name, _)| stays(name.as_str()));
    let mut fields: Vec<_> = fields.map(|(name, value)| format!("{name}: {value:?}")).collect();
    fields.sort();
    fields
}

fn options(value: &HeaderValue) -> Vec<String> {
    let text = String::from_utf8_lossy(value.as_bytes()).to_lowercase();
    text.split(',').map(|option| option.trim_ascii().to_owned()).collect()
}

async fn hypers(asked: &Method, bytes: &[u8]) -> Read {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(ours))
        .await
        .unwrap();
    let request = Request::builder().method(asked).uri("/").body(Empty::new()).unwrap();
    let asking = async {
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return None;
        }
        framing(&head.headers).ok()?;
        let fields = passed_on(&head.headers);
        let (mut read, mut body, mut whole) = (Vec::new(), body, true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
                Err(_) => whole = false,
            }
        }
        Some((head.status.as_u16(), fields, read, whole))
    };
    let answering = async {
        // The request has no body, so it is there at once.
        let mut request = [0; 1024];
        assert!(theirs.read(&mut request).await.unwrap() > 0);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
    };
    let (read, (), ()) = tokio::join!(asking, async { drop(connection.await) }, answering);
    read
}

/// What was asked of hyper's answers before they were passed on.
fn framing(headers: &HeaderMap) -> Result<Framing, FramingFault> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    let codings = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    Framing::of_answer(lengths, codings)
}

fn ours(asked: &Method, bytes: &[u8]) -> Read {
    let mut reader = AnswerReader::default();
    reader.begin();
    reader.room().extend_from_slice(bytes);
    let head = reader.head(asked, &mut HeaderMap::new()).ok()??;
    let (mut read, mut whole) = (Vec::new(), true);
    loop {
        match reader.piece() {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => break,
            Err(_) => whole = false,
        }
        if !whole {
            break;
        }
    }
    whole &= reader.closed().is_ok();
    let fields = passed_on(&head.parts.headers);
    Some((head.parts.status.as_u16(), fields, read, whole))
}

/// Whether some line behind the head does not end in CR LF, which hyper lets pass among trailers.
fn has_bare_lf_in_body(bytes: &[u8]) -> bool {
    let ends = |four: &[u8]| four.ends_with(b"\n\n") || four.ends_with(b"\n\r\n");
    let head = (0..bytes.len()).find(|end| ends(&bytes[..*end])).unwrap_or(bytes.len());
    bytes[head..].split(|byte| *byte == b'\n').rev().skip(1).any(|line| !line.ends_with(b"\r"))
}

/// Answers in which every part is worth changing.
const SEEDS: [&str; 12] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nhe\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\nX-One: 1\r\n\r\nhello",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 599 Odd One\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
];

/// Bytes that a parser of HTTP may act upon. Control bytes are not among them: hyper lets them stand
/// in the extension of a chunk.
const BYTES: &[u8] = b"\r\n\t :;,=0159afAFxz-_\"\x80\xff";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_of_an_answer_is_what_hyper_makes_of_it(
        seed in select(&SEEDS[..]),
        is_head in any::<bool>(),
        changes in proptest::collection::vec((0_usize..200, 0_usize..3, select(BYTES)), 0..4),
        end in 0_usize..400,
    ) {
        let mut bytes = seed.as_bytes().to_vec();
        for (place, kind, byte) in changes {
            let place = place % bytes.len();
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes.truncate(end);
        let asked = if is_head { Method::HEAD } else { Method::GET };
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let theirs = runtime.block_on(hypers(&asked, &bytes));
        let ours = ours(&asked, &bytes);
        let broken = ours.as_ref().is_some_and(|ours| !ours.3);
        if !(broken && has_bare_lf_in_body(&bytes)) {
            prop_assert_eq!(ours, theirs, "{}", bytes.escape_ascii());
        }
    }
}
