//! A client's stream over real sockets, with a clock that stands until it is waited for.

use crate::ingress::ClientStream;
use crate::ingress::Conversation;
use crate::ingress::HeadFault;
use crate::ingress::Protocol;
use crate::ingress::stream::PREFACE;
use crate::ingress::stream::STAND_IN;
use crate::policy::clients::ClientTimeouts;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// A client that has sent `bytes`, and what the server reads of it.
async fn connected(bytes: &[u8]) -> (TcpStream, ClientStream<TcpStream>, Rc<Conversation>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.write_all(bytes).await.unwrap();
    server.readable().await.unwrap();
    let conversation = Conversation::new();
    let stream = ClientStream::new(server, Rc::clone(&conversation), ClientTimeouts::default());
    (client, stream, conversation)
}

async fn read(stream: &mut ClientStream<TcpStream>) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    bytes
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
    let (mut client, mut stream, conversation) = connected(b"GET / HT").await;
    let begun = Instant::now();
    let drip = async {
        for byte in b"TP/1.1\r\nx: yyyyyyyyyyyyy" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.write_all(&[*byte]).await.unwrap();
        }
    };
    tokio::select! {
        bytes = read(&mut stream) => assert_eq!(bytes, STAND_IN),
        () = drip => unreachable!("it drips for longer"),
    }
    assert!(elapsed(begun, 10));
    assert_eq!(conversation.begin().fault, Some(HeadFault::Slow(Duration::from_secs(10))));
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
async fn who_connects_and_asks_nothing_is_given_up_and_who_has_asked_may_be_silent() {
    let begun = Instant::now();
    let (_client, mut stream, _) = connected(b"P").await;
    assert_eq!(stream.protocol().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(elapsed(begun, 10));
    let (_client, mut stream, _) = connected(GET).await;
    assert_eq!(stream.protocol().await.unwrap(), Protocol::Http1);
    assert_eq!(read(&mut stream).await, GET);
    let silent = tokio::time::timeout(Duration::from_mins(10), read(&mut stream));
    silent.await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn each_of_many_heads_has_its_own_time() {
    let (mut client, mut stream, _) = connected(b"G").await;
    let writing = async {
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The rest of one, and the first byte of the next.
            client.write_all(&GET[1..]).await.unwrap();
            client.write_all(b"G").await.unwrap();
        }
    };
    let reading = async {
        let mut all = vec![0; 15 * GET.len()];
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(all, GET.repeat(15));
    };
    tokio::join!(writing, reading);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (_client, mut stream, _) = connected(GET).await;
    let piece = vec![0; 1 << 20];
    let error = loop {
        if let Err(error) = stream.write_all(&piece).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn the_first_bytes_tell_what_a_client_speaks() {
    let (mut client, mut stream, _) = connected(&PREFACE[..10]).await;
    let (protocol, ()) = tokio::join!(stream.protocol(), async {
        client.write_all(&PREFACE[10..]).await.unwrap();
        client.write_all(b"frames").await.unwrap();
    });
    assert_eq!(protocol.unwrap(), Protocol::Http2);
    let mut bytes = vec![0; PREFACE.len().saturating_add(6)];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [PREFACE, b"frames"].concat());
    let (_client, mut stream, _) = connected(b"PRIx / HTTP/1.1\r\n\r\n").await;
    assert_eq!(stream.protocol().await.unwrap(), Protocol::Http1);
}
