//! `maskgate healthcheck`: asks `/readyz`, for images without a shell.

use std::net::SocketAddr;

use http::StatusCode;

use crate::ask;
use crate::reachable::reachable;

/// Whether the gateway whose admin listener is at `admin` is ready.
pub(crate) async fn ask(admin: SocketAddr) -> Result<(), String> {
    match ask::page(admin, "/readyz").await?.status {
        StatusCode::OK => Ok(()),
        status => Err(format!("{} is not ready: it answers {status}", reachable(admin))),
    }
}
