//! `maskgate healthcheck`: asks `/readyz`, for images without a shell.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time;

use crate::reachable::reachable;

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the gateway whose admin listener is at `admin` is ready.
pub(crate) async fn ask(admin: SocketAddr) -> Result<(), String> {
    let address = reachable(admin);
    match time::timeout(PATIENCE, ready_status(address)).await {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(status)) => Err(format!("{address} is not ready: it answers {status}")),
        Ok(Err(error)) => Err(format!("{address} cannot be asked: {error}")),
        Err(_elapsed) => Err(format!("{address} does not answer within {PATIENCE:?}")),
    }
}

async fn ready_status(address: SocketAddr) -> Result<StatusCode, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/readyz")
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    tokio::select! {
        response = sender.send_request(request) => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or("the connection closed".into(), Into::into)),
    }
}
