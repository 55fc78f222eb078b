//! A page of a running gateway's admin listener.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::Limited;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time;

use crate::reachable::reachable;

const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of a page.
const MAX_PAGE: usize = 16 * 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A page, and its status.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// Asks for the page at `path`; `admin` may stand for all interfaces.
pub(crate) async fn page(admin: SocketAddr, path: &str) -> Result<Page, String> {
    let address = reachable(admin);
    match time::timeout(PATIENCE, get(address, path)).await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(error)) => Err(format!("{address} cannot be asked: {error}")),
        Err(_elapsed) => Err(format!("{address} does not answer within {PATIENCE:?}")),
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<Page, Failure> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let bytes = Limited::new(body, MAX_PAGE).collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Page { status: head.status, text })
    };
    tokio::select! {
        page = answered => page,
        ended = connection => Err(ended.err().map_or("the connection closed".into(), Into::into)),
    }
}
