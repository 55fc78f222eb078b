//! One client's connection, from its first byte to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderValue;
use http::Request;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::sync::watch;
use tokio::time;

use crate::door::ClientTransport;
use crate::door::HandshakeError;
use crate::gateway::Client;
use crate::ingress::ClientStream;
use crate::ingress::Conversation;
use crate::ingress::Protocol;
use crate::worker::Local;
use crate::worker::Stage;
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
        let stream = tokio::net::TcpStream::from_std(stream)?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        let timeouts = local.gateway.shared.policy.snapshot().clients.timeouts;
        let arrived = local.door.enter(stream, peer.ip(), timeouts.handshake).await?;
        let client = Client::new(peer, arrived.address, arrived.scheme);
        let conversation = Conversation::new();
        let mut stream =
            ClientStream::new(arrived.transport, Rc::clone(&conversation), timeouts);
        let mut stages = local.stage.clone();
        let protocol = tokio::select! {
            biased;
            protocol = stream.protocol() => protocol?,
            // Nothing has been asked.
            () = too_late(&mut stages, &conversation) => return Ok(()),
        };
        match protocol {
            Protocol::Http1 => {
                self.serve_http1(stream, &client, &conversation, timeouts.idle).await
            }
            Protocol::Http2 => {
                http2::serve(local, stream, client, conversation, timeouts).await
            }
        }
    }

    async fn serve_http1(
        &self,
        stream: ClientStream<ClientTransport>,
        client: &Client,
        conversation: &Rc<Conversation>,
        idle_limit: Duration,
    ) -> Result<(), ServeError> {
        let local = &self.local;
        let answer = service_fn(|request: Request<Incoming>| {
            let turn = conversation.begin();
            async move {
                // Boxed, so that an idle connection does not hold what a request needs: the server
                // keeps the place of the last one's future.
                let answering = Box::pin(local.gateway.handle(request, client, turn));
                let mut answer = answering.await;
                // An idle connection is not closed: a request may be on its way over it. Its
                // client hears of the end with the answer to the next.
                if *local.stage.borrow() >= Stage::Draining {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let mut stages = local.stage.clone();
        let mut serving = pin!(local.http1.serve_connection(TokioIo::new(stream), answer));
        tokio::select! {
            biased;
            served = serving.as_mut() => return Ok(served?),
            () = too_late(&mut stages, conversation) => {}
            () = idle(conversation, idle_limit) => {}
        }
        // Idle: closed now. Busy: closed behind the answer, which says so.
        serving.as_mut().graceful_shutdown();
        Ok(serving.await?)
    }
}

/// Waits until nothing has been asked for as long as `limit`.
pub(super) async fn idle(conversation: &Conversation, limit: Duration) {
    loop {
        let Some(since) = conversation.quiet_since() else {
            // When it ends it will have been quiet for less than this.
            time::sleep(limit).await;
            continue;
        };
        time::sleep_until(since.checked_add(limit).unwrap_or(since)).await;
        if conversation.quiet_since() == Some(since) {
            return;
        }
    }
}

/// Waits until a request that comes is one too many.
async fn too_late(stages: &mut watch::Receiver<Stage>, conversation: &Conversation) {
    reached(stages, Stage::Closing).await;
    if conversation.begun() == 0 {
        time::sleep(FIRST_REQUEST).await;
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let local = &self.local;
        local.open.fetch_sub(1, Ordering::Relaxed);
        local.closed.notify_one();
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
    #[error("{0}")]
    Http(#[from] hyper::Error),
}
