//! An upstream in this process: what it does with a request is said by a script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;
use tokio::time;

const MAX_FIELDS: usize = 64;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What follows `/v1/Services/KS`, as a number.
    pub(crate) service: usize,
    /// The client's own `X-Request-Id`.
    pub(crate) id: String,
    /// How many requests came before it on this connection.
    pub(crate) nth: usize,
}

/// What is done with it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) bytes: Bytes,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Waits for the next request.
    GoOn,
    /// Closes, without having said so, after this time.
    Close(Duration),
    /// Resets the connection.
    Reset,
}

impl Reply {
    /// A whole answer that repeats the request's id.
    pub(crate) fn to(asked: &Asked) -> Self {
        Self::with(asked.id.as_bytes())
    }

    /// A whole answer with this body.
    pub(crate) fn with(body: &[u8]) -> Self {
        let mut bytes =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self { after: Duration::ZERO, bytes: bytes.into(), then: Then::GoOn }
    }

    /// The same in chunks.
    pub(crate) fn chunked(body: &[u8]) -> Self {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(1000) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        Self { after: Duration::ZERO, bytes: bytes.into(), then: Then::GoOn }
    }

    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// Only its first bytes, and then a reset.
    pub(crate) fn killed_after(mut self, bytes: usize) -> Self {
        self.bytes.truncate(bytes);
        self.then(Then::Reset)
    }
}

/// A running upstream; its connections end with it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<S> {
    script: S,
    /// How many requests it works on at once.
    slots: Semaphore,
}

impl Upstream {
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), Semaphore::MAX_PERMITS, script)
    }

    /// One that repeats the request's id.
    pub(crate) fn plain() -> Self {
        Self::start(Reply::to)
    }

    /// One at an address that is free again, that works on so many requests at once.
    pub(crate) fn at(
        address: SocketAddr,
        slots: usize,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(4096).unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener = std::net::TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shared = Shared { script, slots: Semaphore::new(slots) };
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, Arc::new(shared)) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Ends it and its connections, whatever is under way.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().unwrap().join());
    }
}

async fn accept<S>(listener: std::net::TcpListener, shared: Arc<Shared<S>>)
where
    S: Fn(&Asked) -> Reply + Send + Sync + 'static,
{
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    }
}

async fn serve<S>(mut stream: TcpStream, shared: Arc<Shared<S>>)
where
    S: Fn(&Asked) -> Reply + Send + Sync + 'static,
{
    stream.set_nodelay(true).unwrap();
    let mut held = Vec::new();
    for nth in 0.. {
        let Some(asked) = read(&mut stream, &mut held, nth).await else { return };
        let reply = (shared.script)(&asked);
        if reply.after > Duration::ZERO {
            let _slot = shared.slots.acquire().await.unwrap();
            time::sleep(reply.after).await;
        }
        if stream.write_all(&reply.bytes).await.is_err() {
            return;
        }
        match reply.then {
            Then::GoOn => {}
            Then::Close(after) => {
                if after > Duration::ZERO {
                    time::sleep(after).await;
                }
                return;
            }
            Then::Reset => {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
        }
    }
}

/// Reads one request to its end.
async fn read(stream: &mut TcpStream, held: &mut Vec<u8>, nth: usize) -> Option<Asked> {
    loop {
        if let Some((asked, length)) = parse(held, nth)
            && held.len() >= length
        {
            held.drain(..length);
            return Some(asked);
        }
        held.reserve(4096);
        if !matches!(stream.read_buf(held).await, Ok(length) if length > 0) {
            return None;
        }
    }
}

/// The request whose head is there, and the bytes that it has in all.
fn parse(held: &[u8], nth: usize) -> Option<(Asked, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(held).unwrap() else { return None };
    let field = |name: &str| {
        let field = head.headers.iter().find(|each| each.name.eq_ignore_ascii_case(name));
        field.map(|field| std::str::from_utf8(field.value).unwrap())
    };
    let body: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
    let service =
        head.path.unwrap().strip_prefix("/v1/Services/KS").unwrap().get(..32).unwrap();
    let asked = Asked {
        service: usize::from_str_radix(service, 16).unwrap(),
        id: field("x-request-id").unwrap().to_owned(),
        nth,
    };
    Some((asked, length + body))
}
