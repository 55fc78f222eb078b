//! An upstream in this process: it answers as it is told and remembers what it was asked.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use bytes::Bytes;
use http::HeaderMap;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Collected;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maskgate::backend::Backend;
use maskgate::backend::Options;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::Semaphore;

/// What an upstream was asked.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What an upstream does.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Answers with the status that this says, or never.
    Judge(fn(&Received) -> Option<u16>),
    /// Answers when it is let, one request for each permit.
    Wait(Arc<Semaphore>),
    /// Is the embedded backend, unless something comes between.
    Backend(Arc<Backend>, Interference),
    /// Writes these bytes in answer to whatever it reads first, and closes.
    Raw(Vec<u8>),
    /// Writes these bytes in answer to the first request of a connection, and then nothing.
    Stall(Vec<u8>),
    /// Answers the first request of a connection, then closes it on the second, unanswered.
    ClosesOnReuse,
}

/// What may come between a request and the embedded backend.
#[derive(Clone)]
pub(crate) struct Interference(Arc<dyn Fn(&Received) -> Between + Send + Sync>);

/// What comes between one request and the embedded backend.
#[derive(Clone, Debug)]
pub(crate) enum Between {
    /// Nothing.
    Nothing,
    /// The request is carried out when there is a permit.
    Wait(Arc<Semaphore>),
    /// It is not carried out, and answered with this status and body.
    Answer(u16, &'static str),
    /// It is not carried out, and never answered.
    Silence,
    /// It is carried out, and never answered.
    Unheard,
    /// It is carried out, and answered with this status by something between.
    Fails(u16),
    /// It is carried out, and answered with this body instead of its own.
    Says(&'static str),
}

impl Interference {
    pub(crate) fn new(between: impl Fn(&Received) -> Between + Send + Sync + 'static) -> Self {
        Self(Arc::new(between))
    }
}

impl fmt::Debug for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interference")
    }
}

/// A running upstream; its thread ends with the test process.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    /// One that answers everything with 200 and a small JSON object.
    pub(crate) fn start() -> Self {
        Self::behaving(Behaviour::Answer(200, "{\"sid\":\"KC\"}"))
    }

    /// The embedded backend, and the same to look into and to change behind the gateway's back.
    pub(crate) fn backend(between: Interference) -> (Self, Arc<Backend>) {
        let backend = Arc::new(Backend::new(Options { seed: Some(1), ..Options::default() }));
        (Self::behaving(Behaviour::Backend(Arc::clone(&backend), between)), backend)
    }

    pub(crate) fn behaving(behaviour: Behaviour) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(accept(listener, behaviour, log));
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it was asked, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// The one request it was asked last.
    pub(crate) fn last(&self) -> Received {
        self.received.lock().unwrap().last().unwrap().clone()
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

async fn accept(listener: std::net::TcpListener, behaviour: Behaviour, log: Log) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (behaviour, log) = (behaviour.clone(), Arc::clone(&log));
        match behaviour {
            Behaviour::Answer(..)
            | Behaviour::Judge(_)
            | Behaviour::Wait(_)
            | Behaviour::Backend(..) => {
                tokio::spawn(serve(stream, behaviour, log));
            }
            Behaviour::Raw(bytes) => drop(tokio::spawn(raw(stream, bytes, log))),
            Behaviour::Stall(bytes) => drop(tokio::spawn(stall(stream, bytes, log))),
            Behaviour::ClosesOnReuse => drop(tokio::spawn(closes_on_reuse(stream, log))),
        }
    }
}

async fn serve(stream: TcpStream, behaviour: Behaviour, log: Log) {
    let answer = service_fn(|request: http::Request<Incoming>| {
        let (behaviour, log) = (&behaviour, &log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            let received = Received {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                headers: head.headers,
                body,
            };
            log.lock().unwrap().push(received.clone());
            let (status, text) = match behaviour {
                Behaviour::Backend(backend, between) => {
                    return Ok::<_, Infallible>(carry_out(backend, between, received).await);
                }
                Behaviour::Answer(status, text) => (*status, *text),
                Behaviour::Judge(judge) => match judge(&received) {
                    Some(status) => (status, "{}"),
                    None => std::future::pending().await,
                },
                Behaviour::Wait(permits) => {
                    permits.acquire().await.unwrap().forget();
                    (200, "{}")
                }
                Behaviour::Raw(_) | Behaviour::Stall(_) | Behaviour::ClosesOnReuse => (500, ""),
            };
            let response = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from_static(text.as_bytes())))
                .unwrap();
            Ok(response)
        }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

async fn carry_out(
    backend: &Backend,
    Interference(between): &Interference,
    received: Received,
) -> Response<Full<Bytes>> {
    let between = between(&received);
    match &between {
        Between::Nothing | Between::Unheard | Between::Fails(_) | Between::Says(_) => {}
        Between::Wait(permits) => permits.acquire().await.unwrap().forget(),
        Between::Silence => std::future::pending().await,
        Between::Answer(status, text) => {
            let answer = Response::builder().status(*status);
            let answer = answer.header("content-type", "application/json");
            return answer.body(Full::from(*text)).unwrap();
        }
    }
    let mut request = http::Request::new(Full::new(received.body));
    *request.method_mut() = received.method.parse().unwrap();
    *request.uri_mut() = received.target.parse().unwrap();
    *request.headers_mut() = received.headers;
    let mut answer = backend.answer(request).await;
    match between {
        Between::Unheard => std::future::pending().await,
        Between::Fails(status) => {
            *answer.status_mut() = status.try_into().unwrap();
            answer
        }
        Between::Says(text) => {
            *answer.body_mut() = Full::from(text);
            answer.headers_mut().remove("content-length");
            answer
        }
        Between::Nothing | Between::Wait(_) | Between::Answer(..) | Between::Silence => answer,
    }
}

/// Reads the head of one request; its first line goes to the log.
async fn read_head(stream: &mut TcpStream, log: &Log) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut words = text.split(' ');
    log.lock().unwrap().push(Received {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    });
    Some(())
}

async fn raw(mut stream: TcpStream, bytes: Vec<u8>, log: Log) {
    if read_head(&mut stream, &log).await.is_some() {
        drop(stream.write_all(&bytes).await);
    }
}

async fn stall(mut stream: TcpStream, bytes: Vec<u8>, log: Log) {
    if read_head(&mut stream, &log).await.is_some() {
        drop(stream.write_all(&bytes).await);
        let _ended = read_head(&mut stream, &log).await;
    }
}

async fn closes_on_reuse(mut stream: TcpStream, log: Log) {
    if read_head(&mut stream, &log).await.is_some() {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await);
        let _ended = read_head(&mut stream, &log).await;
    }
}
