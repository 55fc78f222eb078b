//! The way to the collector: one connection, opened when it is needed and kept.
//!
//! **Invariant:** a batch takes no longer than its time-out, whatever the collector does, and no more
//! of an answer is read than [`ANSWER`].

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use prost::Message;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::otlp::Fault;
use crate::otlp::message::ExportTraceServiceResponse;
use crate::policy::headers_file;
use crate::policy::traces::Otlp;

/// The most bytes of the file with headers that are read.
const MOST_HEADERS: u64 = 64 * 1024;
/// The most bytes of an answer that are read.
const ANSWER: usize = 64 * 1024;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("maskgate-otlp/", env!("CARGO_PKG_VERSION")));

/// A collector, and the connection to it.
pub(super) struct Collector {
    otlp: Otlp,
    /// Tells this process from others: 32 random hexadecimal digits.
    instance: String,
    connection: Option<Connection>,
}

struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Collector {
    pub(super) fn new(otlp: Otlp) -> Self {
        let instance = format!("{:032x}", fastrand::u128(..));
        Self { otlp, instance, connection: None }
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// Sends a batch; answers how many of its spans were rejected.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<u64, Fault> {
        let limit = self.otlp.timeout;
        let sent = time::timeout(limit, self.exchange(body)).await.unwrap_or(Err(Fault::Late));
        if matches!(sent, Err(Fault::Unreachable | Fault::Late)) {
            self.connection = None;
        }
        sent
    }

    async fn exchange(&mut self, body: Bytes) -> Result<u64, Fault> {
        let request = self.request(body).await?;
        // One that the collector has closed meanwhile is replaced.
        let kept = self.connection.take().filter(|kept| !kept.requests.is_closed());
        let mut connection = match kept {
            Some(kept) => kept,
            None => connect(&self.otlp).await.map_err(unreachable)?,
        };
        connection.requests.ready().await.map_err(unreachable)?;
        let answer = connection.requests.send_request(request).await.map_err(unreachable)?;
        let (head, body) = answer.into_parts();
        let rejected = read(head.status, body).await?;
        self.connection = Some(connection);
        Ok(rejected)
    }

    async fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
        let request = Request::post(self.otlp.path.as_str())
            .header(header::HOST, self.otlp.collector.authority())
            .header(header::CONTENT_TYPE, PROTOBUF)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Full::new(body));
        let mut request = request.map_err(unreachable)?;
        if let Some(file) = self.otlp.headers.clone() {
            // On a thread of its own: a disk may be slow, and a batch has its time.
            let read = task::spawn_blocking(move || read_headers(&file)).await;
            request.headers_mut().extend(read.ok().flatten().ok_or(Fault::NoHeaders)?);
        }
        Ok(request)
    }
}

fn read_headers(file: &Path) -> Option<HeaderMap> {
    let mut text = String::new();
    File::open(file).ok()?.take(MOST_HEADERS).read_to_string(&mut text).ok()?;
    headers_file::parse(&text).ok()
}

/// What an answer says; without its end the connection is of no use any more.
async fn read(status: StatusCode, body: Incoming) -> Result<u64, Fault> {
    let body = Limited::new(body, ANSWER).collect().await;
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => return Err(Fault::Busy(status.as_u16())),
        _ if !status.is_success() => return Err(Fault::Refused(status.as_u16())),
        _ => {}
    }
    let body = body.map_err(unreachable)?.to_bytes();
    // An answer that cannot be read is a 2xx all the same: the batch was taken.
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    Ok(u64::try_from(rejected).unwrap_or(0))
}

async fn connect(otlp: &Otlp) -> io::Result<Connection> {
    let place = (otlp.collector.host.as_str(), otlp.collector.port);
    let stream = TcpStream::connect(place).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &otlp.tls else { return speak(stream).await };
    let name = ServerName::try_from(otlp.collector.host.clone()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(&tls.client));
    speak(connector.connect(name, stream).await?).await
}

async fn speak<S>(stream: S) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let spoken = http1::handshake(TokioIo::new(stream)).await;
    let (requests, connection) = spoken.map_err(io::Error::other)?;
    // Its end shows in the next request.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok(Connection { requests, driver })
}

/// Whatever was wrong: its words may quote the address, which may be a secret.
fn unreachable<E>(_: E) -> Fault {
    Fault::Unreachable
}
