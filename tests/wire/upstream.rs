//! The upstream: it records what it is asked, judges it, and answers with the request's own id,
//! or as a case tells it.

use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::judge;
use crate::message::Kind;
use crate::message::Message;
use crate::message::Wire;

/// What an upstream writes instead of its own answer, and does then.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    Reset,
    Hold,
}

/// What came to an upstream during one case.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) requests: Vec<Message>,
    pub(crate) faults: Vec<String>,
    reply: Option<Reply>,
}

/// A running upstream; its threads end with the test process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Mutex::new(Record::default()));
        let shared = Arc::clone(&record);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, record }
    }

    /// Begins a new record; until it is taken, requests that are no probes get this reply.
    pub(crate) fn begin(&self, reply: Option<Reply>) {
        self.record.lock().unwrap().reply = reply;
    }

    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut *self.record.lock().unwrap())
    }
}

/// The runner's own requests, which ask whether the gateway still serves.
pub(crate) fn is_probe(request: &Message) -> bool {
    request.first("x-request-id").is_some_and(|id| id.ends_with("-probe"))
}

fn serve(stream: TcpStream, record: &Mutex<Record>) {
    stream.set_nodelay(true).unwrap();
    let mut wire = Wire::new(stream);
    while let Some(request) = wire.read(Kind::Request) {
        let reply = note(&request, record).unwrap_or_else(|| own(&request));
        drop(wire.stream.write_all(&reply.bytes));
        match reply.then {
            Then::Hold if request.whole => {}
            Then::Hold | Then::Close => {
                drop(wire.stream.shutdown(Shutdown::Write));
                return drop(wire.rest());
            }
            Then::Reset => {
                drop(SockRef::from(&wire.stream).set_linger(Some(Duration::ZERO)));
                return;
            }
        }
    }
}

fn note(request: &Message, record: &Mutex<Record>) -> Option<Reply> {
    let mut record = record.lock().unwrap();
    record.faults.extend(judge::of_request(request));
    if is_probe(request) {
        return None;
    }
    record.requests.push(request.clone());
    record.reply.clone()
}

fn own(request: &Message) -> Reply {
    let id = request.first("x-request-id").unwrap_or("none");
    let body = format!("{{\"id\":\"{id}\"}}");
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Upstream-Id: {id}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if request.start.starts_with("HEAD ") { "" } else { &body };
    Reply { bytes: format!("{head}{body}").into_bytes(), then: Then::Hold }
}
