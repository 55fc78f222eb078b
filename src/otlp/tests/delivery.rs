//! What is told of batches, by a collector that answers by a list.

use std::cell::RefCell;
use std::future;
use std::num::NonZeroUsize;
use std::rc::Rc;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;

use super::span;
use crate::otlp::BATCH;
use crate::otlp::Event;
use crate::otlp::Fault;
use crate::otlp::export;
use crate::otlp::queue;
use crate::policy::traces::Otlp;
use crate::policy::traces::Sample;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;

/// Reads a request to its end; none where there is no more.
async fn read(stream: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(())
}

/// Answers one request after the other with these statuses; with 0 it closes the connection.
async fn collect(listener: TcpListener, statuses: &[u16]) {
    let mut statuses = statuses.iter();
    'connections: loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        while read(&mut stream).await.is_some() {
            let Some(status) = statuses.next() else { return };
            if *status == 0 {
                continue 'connections;
            }
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// A collector at this port.
fn otlp(port: u16) -> Otlp {
    Otlp {
        collector: Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port },
        path: "/v1/traces".to_owned(),
        tls: None,
        headers: None,
        sample: Sample::ALL,
        timeout: Otlp::TIMEOUT,
        queue: NonZeroUsize::MIN,
    }
}

/// What is told of so many full batches, where the collector answers so.
fn told(batches: usize, statuses: &[u16]) -> Vec<Event> {
    let events = Rc::new(RefCell::new(Vec::new()));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = BATCH.saturating_mul(batches);
        let (spans, waiting) = queue(NonZeroUsize::new(count).unwrap());
        for _ in 0..count {
            assert!(spans.offer(span()));
        }
        drop(spans);
        let tell = |event| events.borrow_mut().push(event);
        tokio::select! {
            () = export(otlp(port), waiting, future::pending(), tell) => {}
            () = collect(listener, statuses) => panic!("more was sent than was meant"),
        }
    });
    events.take()
}

/// A batch that was taken.
const TAKEN: [Event; 2] = [Event::Exported(BATCH_SPANS), Event::Rejected(0)];
const BATCH_SPANS: u64 = 512;

#[test]
fn a_change_is_told_once_and_not_each_batch() {
    let refused = Fault::Refused(400);
    let dropped = Event::Dropped(BATCH_SPANS, refused);
    let expected = [
        TAKEN.as_slice(),
        &[Event::Failing(refused), dropped, dropped, Event::Recovered],
        &TAKEN,
        &TAKEN,
    ];
    assert_eq!(told(5, &[200, 400, 400, 200, 200]), expected.concat());
}

#[test]
fn what_is_not_sent_at_the_end_is_told() {
    let events = RefCell::new(Vec::new());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let (spans, waiting) = queue(NonZeroUsize::new(BATCH.saturating_add(9)).unwrap());
        while spans.offer(span()) {}
        drop(spans);
        let tell = |event| events.borrow_mut().push(event);
        let (end, ended) = oneshot::channel::<()>();
        let over = async { drop(ended.await) };
        tokio::join!(export(otlp(port), waiting, over, tell), async {
            let (stream, _) = silent.accept().await.unwrap();
            drop(end);
            stream
        });
    });
    assert_eq!(events.take(), [Event::Dropped(BATCH_SPANS.saturating_add(9), Fault::Ended)]);
}

#[test]
fn a_batch_is_sent_again_where_that_may_help() {
    let [busy, gone] = [Fault::Busy(503), Fault::Unreachable].map(Event::Failing);
    let expected = [&[busy, gone, Event::Recovered], TAKEN.as_slice()].concat();
    assert_eq!(told(1, &[503, 0, 200]), expected);
    let dropped = Event::Dropped(BATCH_SPANS, Fault::Busy(503));
    assert_eq!(told(1, &[503, 503, 503]), [busy, dropped]);
}
