//! What is handed on of a client's bytes is framed the same by a second, strict parser, however
//! the bytes come.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use maskgate::ingress::ClientStream;
use maskgate::ingress::Conversation;
use maskgate::ingress::Protocol;
use maskgate::policy::clients::ClientTimeouts;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::runtime;

use crate::mutation::WORDS;
use crate::reading;
use crate::reading::Rest;
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

/// What the server is handed.
struct Cleared {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client left.
    Left,
    /// Request number so many stands for a head that was refused.
    Refused(usize),
    /// A body is malformed.
    Broken,
}

/// Reads all of it, `most` bytes at a time; none where it is not HTTP/1.1.
fn cleared(pieces: VecDeque<Vec<u8>>, most: usize) -> Option<Cleared> {
    let conversation = Conversation::new();
    let timeouts = ClientTimeouts::default();
    let mut stream = ClientStream::new(Said(pieces), Rc::clone(&conversation), timeouts);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(Protocol::Http1)) = pin!(stream.protocol()).poll(&mut cx) else {
        return None;
    };
    let mut bytes = Vec::new();
    let mut piece = vec![0; most];
    let end = loop {
        let mut buf = ReadBuf::new(&mut piece);
        match Pin::new(&mut stream).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => break End::Left,
            Poll::Ready(Ok(())) => bytes.extend_from_slice(buf.filled()),
            Poll::Ready(Err(_)) => break End::Broken,
            // Behind a head that is refused nothing comes.
            Poll::Pending => {
                let number = (1..=bytes.len()).find(|_| conversation.begin().fault.is_some());
                let stand_in = bytes.windows(4).rposition(|four| four == b"GET ").unwrap();
                bytes.truncate(stand_in);
                break End::Refused(number.unwrap());
            }
        }
    };
    Some(Cleared { bytes, end })
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

fn holds(text: &[u8], choices: &[u8]) {
    let most = 1 + choices.first().map_or(8191, |choice| usize::from(*choice));
    let whole = cleared(cut(text, &[]), 8192);
    let pieces = cleared(cut(text, choices), most);
    let (Some(whole), Some(pieces)) = (whole, pieces) else { return };
    for cleared in [&whole, &pieces] {
        assert!(text.starts_with(&cleared.bytes), "only what was said is handed on");
        let (requests, rest) = reading::requests(&cleared.bytes);
        match (cleared.end, rest) {
            (End::Left | End::Refused(_), Rest::Nothing)
            | (End::Left | End::Broken, Rest::Incomplete)
            // The chunk that is malformed came in several pieces.
            | (End::Broken, Rest::Doubtful(_)) => {}
            (end, rest) => panic!("{end:?}, and to the second parser {rest:?}"),
        }
        if let End::Refused(number) = cleared.end {
            assert_eq!(number, requests.len() + 1, "what stands in for it is in its place");
        }
    }
    let requests = |cleared: &Cleared| reading::requests(&cleared.bytes).0;
    let shown = text.escape_ascii();
    assert_eq!(
        requests(&whole),
        requests(&pieces),
        "\"{shown}\" by {most}, cut at {choices:?}"
    );
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
fn what_is_handed_on_is_framed_the_same_by_a_second_parser() {
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
