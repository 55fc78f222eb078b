//! `maskgate healthcheck`: asks `/readyz`, for images without a shell.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
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

/// An address that can be connected to: one that stands for all interfaces cannot.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}
