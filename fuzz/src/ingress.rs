//! What is taken for a request in a client's bytes is the same to a second, strict parser, however
//! the bytes come.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use http_body_util::BodyExt;
use maskgate::http1::Connection;
use maskgate::http1::Protocol;
use maskgate::policy::clients::ClientTimeouts;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::runtime;

use crate::mutation::WORDS;
use crate::reading;
use crate::reading::Request;
use crate::seeds;
use crate::template;

/// A client that has said everything already, and then left.
struct Said(VecDeque<Vec<u8>>);

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is taken out of a client's bytes.
struct Taken {
    requests: Vec<Request>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client left, or what comes next is refused.
    NoRequest,
    /// The body of the next request is malformed, or breaks off.
    Broken,
}

/// Takes everything out that is a request; none where it is not HTTP/1.1.
fn taken(pieces: VecDeque<Vec<u8>>) -> Option<Taken> {
    let connection = Connection::new(Said(pieces), Rc::default(), ClientTimeouts::default());
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(Protocol::Http1)) = pin!(connection.protocol()).poll(&mut cx) else {
        return None;
    };
    let mut requests = Vec::new();
    let end = loop {
        let Poll::Ready(next) = connection.poll_next(&mut cx) else { panic!("it waits") };
        let Ok(head) = next else { break End::NoRequest };
        let mut body = pin!(connection.body().collect());
        let Poll::Ready(body) = body.as_mut().poll(&mut cx) else { panic!("it waits") };
        let Ok(body) = body else { break End::Broken };
        let fields = head.parts.headers.iter();
        let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
        requests.push(Request {
            method: head.parts.method.to_string(),
            target: head.parts.uri.to_string(),
            fields: fields.map(|(n, v)| (n.to_string(), latin(v.as_bytes()))).collect(),
            body: body.to_bytes().to_vec(),
        });
    };
    Some(Taken { requests, end })
}

fn cut(text: &[u8], choices: &[u8]) -> VecDeque<Vec<u8>> {
    let (mut pieces, mut rest) = (VecDeque::new(), text);
    for choice in choices {
        let (piece, behind) = rest.split_at(usize::from(*choice).min(rest.len()));
        pieces.push_back(piece.to_vec());
        rest = behind;
    }
    pieces.push_back(rest.to_vec());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A request without what two parsers may write differently: the order of its fields, and a target
/// that is an address.
fn comparable(request: &Request) -> impl PartialEq + Debug + use<> {
    let mut fields = request.fields.clone();
    fields.sort();
    let mut target = request.target.clone();
    if !target.starts_with('/') {
        target = target.to_ascii_lowercase().replace("/?", "?");
        target.truncate(target.trim_end_matches('/').len());
    }
    (request.method.clone(), target, fields, request.body.clone())
}

fn holds(text: &[u8], choices: &[u8]) {
    let whole = taken(cut(text, &[]));
    let pieces = taken(cut(text, choices));
    let (Some(whole), Some(pieces)) = (whole, pieces) else { return };
    let shown = text.escape_ascii();
    assert_eq!(
        (&whole.requests, whole.end),
        (&pieces.requests, pieces.end),
        "\"{shown}\" cut at {choices:?}"
    );
    let (second, _) = reading::requests(text);
    let count = whole.requests.len();
    assert!(second.len() >= count, "\"{shown}\": more requests than a strict parser reads");
    for (one, other) in whole.requests.iter().zip(&second) {
        assert_eq!(comparable(one), comparable(other), "\"{shown}\"");
    }
}

/// All cases of the wire, as far as a client speaks.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let templates = template::all(&seeds::repository("tests/wire/cases"));
    let cases = templates.iter().flatten().map(|each| template::read(each, 1));
    let mut seeds: Vec<_> = cases.map(|case| template::bytes(&case)).collect();
    seeds.extend(seeds::lines(include_str!("../seeds/ingress.txt")));
    seeds
}

#[test]
fn what_is_taken_for_a_request_is_one_to_a_second_parser() {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let seeds = seeds();
    for seed in &seeds {
        holds(seed, &[]);
    }
    seeds::fuzz!(2 * seeds::MOST_CHOICES, |choices: &[u8]| {
        let (text, left) = seeds::changed(&seeds, &WORDS, choices);
        holds(&text, left);
    });
}
