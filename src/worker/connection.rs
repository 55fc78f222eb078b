//! One client's connection, from its first byte to its end.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time;

use crate::door::HandshakeError;
use crate::forward::AnswerError;
use crate::gateway::Client;
use crate::http1::Connection;
use crate::http1::Protocol;
use crate::http1::SendError;
use crate::worker::Local;
use crate::worker::Stage;
use crate::worker::frames::Frames;
use crate::worker::http1;
use crate::worker::http2;
use crate::worker::reached;

/// The socket takes no more of an answer while so many bytes are unsent. A larger buffer would hide
/// for a long time that a slow client takes something, and then its end would look like a stall.
const UNSENT: u32 = 64 * 1024;
/// For how long a connection may still ask for the first time when there are no new ones any more:
/// it may have come a moment ago.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// A connection that counts as open until it is dropped.
pub(super) struct OpenConnection {
    local: Rc<Local>,
}

impl OpenConnection {
    pub(super) fn new(local: Rc<Local>) -> Self {
        local.left.set(local.left.get().saturating_add(1));
        local.gateway.observer.metrics.connection_opened();
        Self { local }
    }

    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<(), ServeError> {
        let local = &self.local;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        let timeouts = local.gateway.shared.policy.snapshot().clients.timeouts;
        let arrived = local.door.enter(stream, peer.ip(), timeouts.handshake).await?;
        let client = Client::new(peer, arrived.address, arrived.scheme);
        let connection =
            Connection::new(arrived.transport, Rc::clone(&local.workbench), timeouts);
        let (begun, mut stages) = (Cell::new(false), local.stage.clone());
        let mut too_late = pin!(too_late(&mut stages, &begun));
        let protocol = tokio::select! {
            biased;
            protocol = connection.protocol() => protocol?,
            // Nothing has been asked.
            () = too_late.as_mut() => return Ok(()),
        };
        match protocol {
            Protocol::Http1 => {
                http1::serve(local, &connection, &client, &begun, too_late).await
            }
            Protocol::Http2 => {
                let (first, transport) = connection.into_parts();
                let frames = Frames::new(first, transport, timeouts.write);
                // Boxed, as it is much larger.
                Box::pin(http2::serve(local, frames, client, timeouts)).await
            }
        }
    }
}

/// Waits until a request that comes is one too many.
async fn too_late(stages: &mut watch::Receiver<Stage>, begun: &Cell<bool>) {
    reached(stages, Stage::Closing).await;
    if !begun.get() {
        time::sleep(FIRST_REQUEST).await;
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let local = &self.local;
        local.place.closed();
        local.gateway.observer.metrics.connection_closed();
        local.left.set(local.left.get().saturating_sub(1));
        local.emptied.notify_one();
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Answer(#[from] SendError<AnswerError>),
    #[error("{0}")]
    Http2(#[from] hyper::Error),
}
