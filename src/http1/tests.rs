//! A connection over bytes that are there, cut anyhow, and over real sockets, with a clock that
//! stands until it is waited for.

use crate::http1::Connection;
use crate::http1::NoRequest;
use crate::http1::Protocol;
use crate::http1::SendError;
use crate::http1::wire::PREFACE;
use crate::ingress::HeadFault;
use crate::policy::clients::ClientTimeouts;
use bytes::Bytes;
use http::Response;
use http::StatusCode;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use http_body_util::Full;
use proptest::prelude::ProptestConfig;
use proptest::prop_assert_eq;
use proptest::proptest;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::io::ErrorKind;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;

const GET: &str = "GET /v1/Services HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nTtl=5";
const CHUNKED: &str = "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                       5;x=y\r\nTtl=5\r\n1\r\n6\r\n0\r\nx-a: 1\r\n\r\n";
/// What ends a connection.
const LAST: [&str; 6] = [
    "",
    "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nbad field\r\n\r\n",
    "GET / HTTP/1.1\ncontent-length: 05\r\n\r\n",
    "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nTtl=5\r\nzz",
    "GET /half HTTP/1.1\r\nhos",
];

/// A client that has said everything already, in these pieces, and then left; and what it is told.
#[derive(Default)]
struct Said {
    pieces: VecDeque<Vec<u8>>,
    told: Rc<std::cell::RefCell<Vec<u8>>>,
    /// It does not leave.
    stays: bool,
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.pieces.pop_front() {
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.pieces.push_front(rest);
                }
            }
            None if self.stays => return Poll::Pending,
            None => {}
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
        self.told.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A client that says `text` cut at these places.
fn saying(text: &[u8], cuts: &[usize]) -> Said {
    let mut said = Said::default();
    let mut from = 0;
    for &cut in cuts.iter().chain([&text.len()]) {
        let to = cut.clamp(from, text.len());
        said.pieces.push_back(text[from..to].to_vec());
        from = to;
    }
    said.pieces.retain(|piece| !piece.is_empty());
    said
}

fn connection<T: AsyncRead + AsyncWrite + Unpin>(transport: T) -> Connection<T> {
    Connection::new(transport, Rc::default(), ClientTimeouts::default())
}

/// One request with its body, or why there is none.
async fn next<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &Connection<T>,
) -> Result<String, String> {
    let head = poll_fn(|cx| connection.poll_next(cx)).await.map_err(|end| end.to_string())?;
    let body = connection.body().collect().await;
    let body = body.map(|all| (all.trailers().map(http::HeaderMap::len), all.to_bytes()));
    Ok(format!("{:?} {:?} {body:?}", head.parts.method, head.parts.uri))
}

/// Everything that a client is taken to say, and what it is told.
async fn converse(said: Said) -> (Vec<Result<String, String>>, Vec<u8>) {
    let told = Rc::clone(&said.told);
    let connection = connection(said);
    let mut all = Vec::new();
    loop {
        let one = next(&connection).await;
        let is_request = one.is_ok();
        all.push(one);
        if !is_request {
            break;
        }
        let answer = Response::new(Full::new(Bytes::from_static(b"{}")));
        if !connection.send(answer, false).await.unwrap() {
            break;
        }
    }
    let mut told = told.borrow().clone();
    // The date may change in between.
    told.retain(|byte| !byte.is_ascii_digit());
    (all, told)
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn one_message_follows_the_other_whatever_frames_them() {
    let text = [GET, POST, CHUNKED, GET].concat();
    let (all, told) = now(converse(saying(text.as_bytes(), &[])));
    let requests: Vec<_> = all.iter().map_while(|one| one.as_deref().ok()).collect();
    assert_eq!(
        requests,
        [
            "GET /v1/Services Ok((None, b\"\"))",
            "POST / Ok((None, b\"Ttl=5\"))",
            "POST /c Ok((Some(1), b\"Ttl=56\"))",
            "GET /v1/Services Ok((None, b\"\"))",
        ]
    );
    assert_eq!(all.last(), Some(&Err(NoRequest::Over.to_string())));
    assert_eq!(String::from_utf8(told).unwrap().matches("HTTP/.  OK").count(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut(
        order in proptest::collection::vec(0_usize..3, 0..5),
        last in 0..LAST.len(),
        mut cuts in proptest::collection::vec(0_usize..600, 0..40),
        flip in proptest::option::of((0_usize..600, proptest::num::u8::ANY)),
    ) {
        let mut text: String = order.iter().map(|n| [GET, POST, CHUNKED][*n]).collect();
        text.push_str(LAST[last]);
        let mut text = text.into_bytes();
        if let Some((at, byte)) = flip && let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        cuts.sort_unstable();
        let whole = now(converse(saying(&text, &[])));
        prop_assert_eq!(&now(converse(saying(&text, &cuts))), &whole);
        let bytewise: Vec<_> = (0..text.len()).collect();
        prop_assert_eq!(&now(converse(saying(&text, &bytewise))), &whole);
    }

    #[test]
    fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let bytewise: Vec<_> = (0..bytes.len()).collect();
        prop_assert_eq!(now(converse(saying(&bytes, &bytewise))), now(converse(saying(&bytes, &[]))));
    }
}

/// What is told to who says `request`, when it is answered like this.
fn told<B: Body<Data = Bytes> + Unpin>(
    request: &str,
    answer: Response<B>,
) -> (String, Result<bool, SendError<B::Error>>) {
    let mut said = saying(request.as_bytes(), &[]);
    said.stays = true;
    let told = Rc::clone(&said.told);
    let connection = connection(said);
    now(poll_fn(|cx| connection.poll_next(cx))).unwrap();
    let persists = now(connection.send(answer, false));
    let text = String::from_utf8(told.borrow().clone()).unwrap();
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    (lines.collect(), persists)
}

/// A body that comes in pieces; an empty one breaks it off.
struct Pieces(Vec<&'static str>, Option<u64>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match self.0.remove(0) {
            "" => Err("broken"),
            piece => Ok(Frame::data(Bytes::from_static(piece.as_bytes()))),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn pieces(pieces: &[&'static str], length: Option<u64>) -> Response<Pieces> {
    Response::new(Pieces(pieces.to_vec(), length))
}

#[test]
fn an_answer_is_framed_as_its_client_can_read_it() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    let kept = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    for (request, length, text, goes_on) in [
        (GET, Some(3), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", true),
        (
            GET,
            None,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            true,
        ),
        (
            old,
            Some(3),
            "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc",
            false,
        ),
        (
            kept,
            Some(3),
            "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nabc",
            true,
        ),
        (kept, None, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabc", false),
    ] {
        let (heard, persists) = told(request, pieces(&["a", "bc"], length));
        assert_eq!((heard.as_str(), persists.unwrap()), (text, goes_on), "{request}");
    }
}

#[test]
fn what_has_no_body_gets_none_and_no_length_but_to_head() {
    let head = "HEAD / HTTP/1.1\r\n\r\n";
    let (heard, _) = told(head, pieces(&["abc"], Some(3)));
    assert_eq!(heard, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n");
    let mut known = pieces(&[], Some(0));
    known.headers_mut().insert("content-length", "7".parse().unwrap());
    assert_eq!(told(head, known).0, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let mut answer = pieces(&["abc"], Some(3));
        *answer.status_mut() = status;
        answer.headers_mut().insert("content-length", "3".parse().unwrap());
        let (heard, persists) = told(GET, answer);
        assert_eq!(heard, format!("HTTP/1.1 {status}\r\n\r\n"));
        assert!(persists.unwrap());
    }
}

#[test]
fn a_body_that_breaks_off_never_looks_whole() {
    let (heard, failed) = told(GET, pieces(&["a", ""], None));
    assert!(heard.ends_with("\r\n\r\n1\r\na\r\n"), "{heard}");
    assert!(matches!(failed, Err(SendError::Body("broken"))));
    let (heard, failed) = told(GET, pieces(&["a"], Some(3)));
    assert!(heard.ends_with("content-length: 3\r\n\r\na"), "{heard}");
    assert!(matches!(failed, Err(SendError::Short)));
    let (heard, persists) = told(GET, pieces(&["abcdef"], Some(3)));
    assert!(heard.ends_with("\r\n\r\nabc") && persists.unwrap(), "no byte more");
}

#[test]
fn behind_a_body_that_was_not_read_nothing_is_a_request() {
    for request in [POST, CHUNKED] {
        let (heard, persists) = told(request, pieces(&["abc"], Some(3)));
        assert!(heard.contains("\r\nconnection: close\r\n") && !persists.unwrap(), "{heard}");
    }
    let mut last = pieces(&["abc"], Some(3));
    last.headers_mut().insert("connection", "close".parse().unwrap());
    let (heard, persists) = told(GET, last);
    assert_eq!(heard.matches("connection: close").count(), 1);
    assert!(!persists.unwrap());
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked_when_it_is_wanted() {
    let head = "POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    for body in ["", "ab"] {
        let mut said = saying(format!("{head}{body}").as_bytes(), &[]);
        said.stays = true;
        let told = Rc::clone(&said.told);
        let connection = connection(said);
        now(poll_fn(|cx| connection.poll_next(cx))).unwrap();
        assert!(told.borrow().is_empty());
        let read =
            pin!(connection.body().frame()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(read.is_ready(), !body.is_empty());
        assert_eq!(*told.borrow(), b"HTTP/1.1 100 Continue\r\n\r\n");
    }
}

/// A client that has sent `bytes`.
async fn connected(bytes: &[u8]) -> (TcpStream, Connection<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.write_all(bytes).await.unwrap();
    server.readable().await.unwrap();
    (client, connection(server))
}

async fn fault(connection: &Connection<TcpStream>) -> Option<HeadFault> {
    match poll_fn(|cx| connection.poll_next(cx)).await {
        Err(NoRequest::Refused(fault)) => Some(fault),
        Ok(_) | Err(_) => None,
    }
}

fn elapsed(since: Instant, seconds: u64) -> bool {
    let taken = since.elapsed();
    (Duration::from_secs(seconds)
        ..=Duration::from_secs(seconds).saturating_add(Duration::from_secs(1)))
        .contains(&taken)
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn a_head_that_does_not_end_is_given_up_after_its_time_however_it_drips() {
    let (mut client, connection) = connected(b"GET / HT").await;
    let begun = Instant::now();
    let drip = async {
        for byte in b"TP/1.1\r\nx: yyyyyyyyyyyyy" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.write_all(&[*byte]).await.unwrap();
        }
    };
    tokio::select! {
        fault = fault(&connection) => {
            assert_eq!(fault, Some(HeadFault::Slow(Duration::from_secs(10))));
        }
        () = drip => unreachable!("it drips for longer"),
    }
    assert!(elapsed(begun, 10));
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn who_connects_and_asks_nothing_is_given_up_and_who_has_asked_may_be_silent() {
    let begun = Instant::now();
    let (_client, silent) = connected(b"P").await;
    assert_eq!(silent.protocol().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(elapsed(begun, 10));
    let (_client, asked) = connected(GET.as_bytes()).await;
    assert_eq!(asked.protocol().await.unwrap(), Protocol::Http1);
    next(&asked).await.unwrap();
    let answered = Instant::now();
    assert!(matches!(poll_fn(|cx| asked.poll_next(cx)).await, Err(NoRequest::Over)));
    assert!(elapsed(answered, 60));
}

#[tokio::test(start_paused = true)]
async fn each_of_many_heads_has_its_own_time() {
    let (mut client, connection) = connected(b"G").await;
    let writing = async {
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The rest of one, and the first byte of the next.
            client.write_all(&GET.as_bytes()[1..]).await.unwrap();
            client.write_all(b"G").await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..15 {
            next(&connection).await.unwrap();
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn a_client_that_takes_nothing_is_given_up() {
    let (_client, connection) = connected(GET.as_bytes()).await;
    next(&connection).await.unwrap();
    let begun = Instant::now();
    let large = Response::new(Full::new(Bytes::from(vec![0; 64 << 20])));
    let failed = connection.send(large, false).await.unwrap_err();
    assert!(matches!(failed, SendError::Io(error) if error.kind() == ErrorKind::TimedOut));
    assert!(elapsed(begun, 15));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_unless_it_has_asked_something_else() {
    let (client, connection) = connected(GET.as_bytes()).await;
    next(&connection).await.unwrap();
    drop(client);
    poll_fn(|cx| connection.poll_left(cx)).await;
    let (mut client, connection) = connected([GET, GET].concat().as_bytes()).await;
    next(&connection).await.unwrap();
    client.shutdown().await.unwrap();
    let has_left = poll_fn(|cx| Poll::Ready(connection.poll_left(cx).is_ready())).await;
    assert!(!has_left);
    next(&connection).await.unwrap();
    poll_fn(|cx| connection.poll_left(cx)).await;
}

#[tokio::test]
async fn the_first_bytes_tell_what_a_client_speaks() {
    let (mut client, connection) = connected(&PREFACE[..10]).await;
    let (protocol, ()) = tokio::join!(connection.protocol(), async {
        client.write_all(&PREFACE[10..]).await.unwrap();
        client.write_all(b"frames").await.unwrap();
        client.shutdown().await.unwrap();
    });
    assert_eq!(protocol.unwrap(), Protocol::Http2);
    let (first, mut rest) = connection.into_parts();
    let mut bytes = first.to_vec();
    rest.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [PREFACE, b"frames"].concat());
    let (_client, other) = connected(b"PRIx / HTTP/1.1\r\n\r\n").await;
    assert_eq!(other.protocol().await.unwrap(), Protocol::Http1);
}
