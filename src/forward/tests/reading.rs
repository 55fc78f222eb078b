//! However the bytes of an answer are cut, they come to the same; and that is what a reader
//! makes of them that has all of them at once.

use crate::forward::AnswerFault;
use crate::forward::AnswerReader;
use http::HeaderMap;
use http::Method;
use proptest::prelude::Just;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

/// What became of an answer whose bytes have all come.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// Status and fields, where there was a head.
    head: Option<(u16, HeaderMap)>,
    body: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing came behind it.
    Clear,
    /// Something did.
    Stray,
    /// It is no answer, or broke off.
    Broken,
}

/// Reads an answer that comes in pieces which end at `cuts`, and then the connection closes.
fn read(asked: &Method, bytes: &[u8], cuts: &[usize]) -> Read {
    let mut reader = AnswerReader::default();
    reader.begin();
    let mut read = Read { head: None, body: Vec::new(), end: End::Broken };
    let mut begun = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        reader.room().extend_from_slice(&bytes[begun..cut.max(begun)]);
        begun = cut.max(begun);
        if take(&mut reader, asked, &mut read).is_err() {
            return read;
        }
    }
    let whole = read.head.is_some() && reader.closed().is_ok();
    if whole {
        read.end = if reader.is_clear() { End::Clear } else { End::Stray };
    }
    read
}

fn take(reader: &mut AnswerReader, asked: &Method, read: &mut Read) -> Result<(), AnswerFault> {
    if read.head.is_none() {
        let Some(head) = reader.head(asked, &mut HeaderMap::new())? else { return Ok(()) };
        read.head = Some((head.parts.status.as_u16(), head.parts.headers));
    }
    let begun = (read.body.len(), reader.left());
    while let Some(piece) = reader.piece()? {
        assert!(!piece.is_empty());
        read.body.extend_from_slice(&piece);
    }
    if let ((before, Some(then)), Some(now)) = (begun, reader.left()) {
        assert_eq!(then - now, u64::try_from(read.body.len() - before).unwrap());
    }
    Ok(())
}

/// An answer that is no more than its framing and its body.
#[derive(Clone, Debug)]
struct Answer {
    interim: usize,
    status: u16,
    body: Vec<u8>,
    framing: Framing,
    behind: &'static [u8],
}

#[derive(Clone, Debug)]
enum Framing {
    Length,
    /// In chunks of these sizes, and the rest in a last one.
    Chunks(Vec<usize>),
    UntilClose,
}

impl Answer {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n".repeat(self.interim);
        bytes.extend(format!("HTTP/1.1 {} X\r\nX-One: 1\r\n", self.status).bytes());
        match &self.framing {
            Framing::Length => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).bytes());
                bytes.extend(&self.body);
            }
            Framing::Chunks(sizes) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                let mut rest = &self.body[..];
                for size in sizes.iter().chain([&rest.len()]) {
                    let (chunk, behind) = rest.split_at((*size).min(rest.len()));
                    rest = behind;
                    if !chunk.is_empty() {
                        bytes.extend(format!("{:x};x=\"y\"\r\n", chunk.len()).bytes());
                        bytes.extend(chunk);
                        bytes.extend(b"\r\n");
                    }
                }
                bytes.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
            }
            Framing::UntilClose => {
                bytes.extend(b"\r\n");
                bytes.extend(&self.body);
            }
        }
        bytes.extend(self.behind);
        bytes
    }

    /// What a reader has to make of it.
    fn expected(&self) -> (u16, Vec<u8>, End) {
        let mut body = self.body.clone();
        if let Framing::UntilClose = self.framing {
            body.extend(self.behind);
            return (self.status, body, End::Clear);
        }
        let end = if self.behind.is_empty() { End::Clear } else { End::Stray };
        (self.status, body, end)
    }
}

fn answers() -> impl Strategy<Value = Answer> {
    let framing = prop_oneof![
        Just(Framing::Length),
        proptest::collection::vec(1_usize..90, 0..5).prop_map(Framing::Chunks),
        Just(Framing::UntilClose),
    ];
    let behind =
        prop_oneof![Just(&b""[..]), Just(&b"\r\n"[..]), Just(&b"HTTP/1.1 200 OK\r\n\r\n"[..])];
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (0_usize..3, 200_u16..204, body, framing, behind).prop_map(
        |(interim, status, body, framing, behind)| Answer {
            interim,
            status,
            body,
            framing,
            behind,
        },
    )
}

fn cuts(most: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..most, 0..12).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

/// The same cuts, as far as there is something to cut.
fn within(cuts: &[usize], bytes: &[u8]) -> Vec<usize> {
    cuts.iter().copied().filter(|cut| *cut <= bytes.len()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_what_was_sent_however_it_is_cut(answer in answers(), cuts in cuts(700)) {
        let bytes = answer.bytes();
        let read = read(&Method::GET, &bytes, &within(&cuts, &bytes));
        let status = read.head.as_ref().map(|head| head.0);
        let fields = read.head.map(|head| head.1.len());
        let length = usize::from(matches!(answer.framing, Framing::Length));
        prop_assert_eq!(fields, Some(1 + length));
        prop_assert_eq!((status.unwrap(), read.body, read.end), answer.expected());
    }

    #[test]
    fn a_changed_answer_comes_to_the_same_however_it_is_cut(
        answer in answers(),
        changes in proptest::collection::vec((0_usize..500, any::<u8>()), 0..4),
        end in 0_usize..500,
        cuts in cuts(500),
    ) {
        let mut bytes = answer.bytes();
        for (place, byte) in changes {
            if let Some(changed) = bytes.get_mut(place) {
                *changed = byte;
            }
        }
        bytes.truncate(end);
        let whole = read(&Method::GET, &bytes, &[]);
        prop_assert_eq!(&read(&Method::GET, &bytes, &within(&cuts, &bytes)), &whole);
        let bytewise: Vec<_> = (0..bytes.len()).collect();
        prop_assert_eq!(&read(&Method::GET, &bytes, &bytewise), &whole);
    }

    #[test]
    fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let behind = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &bytes].concat();
        for bytes in [&bytes, &behind] {
            let whole = read(&Method::GET, bytes, &[]);
            let bytewise: Vec<_> = (0..bytes.len()).collect();
            prop_assert_eq!(read(&Method::GET, bytes, &bytewise), whole);
        }
    }
}

#[test]
fn malformed_chunks_break_an_answer_off_behind_what_was_good() {
    for (chunks, good) in [
        ("5\r\nhello\r\nx\r\n", "hello"),
        ("5\r\nhello0\r\n\r\n", "hello"),
        ("4\r\nhello\r\n0\r\n\r\n", "hell"),
        ("5\nhello\r\n0\r\n\r\n", ""),
        ("5 5\r\nhello\r\n0\r\n\r\n", ""),
        ("10000000000000005\r\nhello", ""),
        ("5\r\nhello\r\n", "hello"),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let read = read(&Method::GET, bytes.as_bytes(), &[]);
        assert_eq!((read.end, &read.body[..]), (End::Broken, good.as_bytes()), "{chunks}");
    }
}

#[test]
fn a_head_of_64_kb_is_the_largest() {
    for (size, fits) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let frame = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
        let long = "x".repeat(size - frame);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {long}\r\n\r\n");
        for cuts in [vec![], (0..65).map(|piece| piece * 1024).collect()] {
            assert_eq!(
                read(&Method::GET, head.as_bytes(), &cuts).head.is_some(),
                fits,
                "{size}"
            );
        }
    }
}

#[test]
fn the_next_answer_is_read_where_the_last_ended() {
    let mut reader = AnswerReader::default();
    for number in 0..3 {
        reader.begin();
        let body = "x".repeat(number);
        let length = body.len();
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        reader.room().extend_from_slice(bytes.as_bytes());
        assert!(reader.head(&Method::GET, &mut HeaderMap::new()).unwrap().is_some());
        assert_eq!(reader.piece().unwrap().unwrap_or_default(), body);
        assert!(reader.is_clear());
        reader.rest();
    }
}

/// What was left of the count of an interim head's bytes was taken for that of the next.
#[test]
fn a_head_behind_an_interim_one_that_came_in_pieces_is_read() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let bytes = [&interim[..], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"].concat();
    for first in 1..interim.len() {
        let read = read(&Method::GET, &bytes, &[first, interim.len()]);
        assert_eq!((read.end, &read.body[..]), (End::Clear, &b"hello"[..]), "{first}");
    }
}
