//! Where do clients and operators connect? At sockets that were handed over, or at new ones.

use std::net::SocketAddr;
use std::net::TcpListener;

use super::StartError;
use crate::config::Settings;
use crate::systemd::Sockets;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// The listeners of clients and of operators.
pub(super) fn open(
    settings: &Settings,
    sockets: Sockets,
) -> Result<(TcpListener, TcpListener), StartError> {
    let listener = sockets.clients.map_or_else(|| listen(settings.listen), Ok)?;
    let Some(admin) = sockets.admin else { return Ok((listener, listen(settings.admin)?)) };
    let address = admin.local_addr()?;
    let is_local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    if is_local(address) || !is_local(settings.admin) {
        Ok((listener, admin))
    } else {
        Err(StartError::Open { address })
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        // A restart may take the address over from connections that are still closing.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|source| StartError::Bind { address, source })
}
