//! A client that says exactly what it is told to.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::ACCOUNT;

/// A request; made anew for each time that it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let request =
            Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() };
        request.with("authorization", &basic(ACCOUNT, "password"))
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    pub(crate) fn post(path: impl Into<String>, form: impl Into<Bytes>) -> Self {
        let mut request =
            Self::new("POST", path).with("content-type", "application/x-www-form-urlencoded");
        request.body = form.into();
        request
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(each, _)| each != name);
        self
    }

    fn build(&self, address: SocketAddr) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.path.as_str())
            .header(header::HOST, address.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).unwrap()
    }
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The API's error code.
    pub(crate) fn code(&self) -> u64 {
        self.json()["code"].as_u64().unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The value of `Authorization` for a user and a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// One connection.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    /// Over a stream that leads to `address`.
    pub(crate) async fn over<S>(stream: S, address: SocketAddr) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { address, sender }
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Reply {
        let response = self.start(request).await;
        read(response).await
    }

    /// Sends a request and answers with the head of what comes back.
    pub(crate) async fn start(
        &mut self,
        request: &Request,
    ) -> http::Response<hyper::body::Incoming> {
        self.sender.ready().await.unwrap();
        self.sender.send_request(request.build(self.address)).await.unwrap()
    }

    /// Whether the other side has closed.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.sender.ready().await.is_err()
    }
}

pub(crate) async fn read<B>(response: http::Response<B>) -> Reply
where
    B: Body,
    B::Error: fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Sends `request` `count` times, one behind the other; answers with the statuses.
pub(crate) async fn statuses(address: SocketAddr, request: &Request, count: usize) -> Vec<u16> {
    let mut connection = Connection::open(address).await;
    let mut statuses = Vec::with_capacity(count);
    for _ in 0..count {
        statuses.push(connection.send(request).await.status);
    }
    statuses
}

/// Writes raw bytes and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
