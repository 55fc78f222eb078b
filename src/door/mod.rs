//! Who comes in, and over what? The steps from an accepted socket to the bytes of HTTP.
//!
//! **Invariant:** all of them together have one limit in time, and whoever breaks off, is too
//! slow or makes no sense is let go without an answer: there is no HTTP yet to give it in.

mod certificate;
mod proxy;
mod transport;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsAcceptor;

pub use certificate::Certificate;
pub use certificate::keep_current;
pub use proxy::ProxyFault;
pub use transport::ClientTransport;

use crate::observe::metrics::HandshakeStage;
use crate::observe::metrics::Metrics;
use crate::policy::networks::Networks;
use crate::policy::upstream::Scheme;

/// What new connections pass; shared by all workers.
#[derive(Debug)]
pub struct Door {
    /// Where clients are spoken to over TLS: what they are shown.
    pub certificate: Option<Arc<Certificate>>,
    /// The proxies that say for whom they connect, by the PROXY protocol.
    pub proxies: Networks,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
}

/// A connection that HTTP can be spoken over.
#[derive(Debug)]
pub struct Arrived {
    /// Its bytes.
    pub transport: ClientTransport,
    /// Whose it is: the peer's address, or what a trusted proxy says.
    pub address: IpAddr,
    /// What the client speaks.
    pub scheme: Scheme,
}

/// Why a connection did not get as far as HTTP.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It came to no end.
    #[error("it was not finished within {0:?}")]
    TooSlow(Duration),
    /// The proxy did not say for whom it connects.
    #[error(transparent)]
    Proxy(#[from] ProxyFault),
    /// It failed, or the client left.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
}

impl Door {
    /// What clients have to speak.
    pub const fn scheme(&self) -> Scheme {
        if self.certificate.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Lets in a connection from `peer`, within `limit`.
    pub async fn enter(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        limit: Duration,
    ) -> Result<Arrived, HandshakeError> {
        let is_announced = self.proxies.contains(peer);
        if self.certificate.is_none() && !is_announced {
            let transport = ClientTransport::Plain(stream);
            return Ok(Arrived { transport, address: peer, scheme: Scheme::Http });
        }
        let mut stage = HandshakeStage::ProxyProtocol;
        let steps = async {
            let mut stream = stream;
            let mut address = peer;
            if is_announced {
                address = proxy::announced(&mut stream).await?.unwrap_or(peer);
            }
            stage = HandshakeStage::Tls;
            let transport = self.secure(stream).await?;
            Ok(Arrived { transport, address, scheme: self.scheme() })
        };
        let entered = time::timeout(limit, steps).await;
        let entered = entered.unwrap_or(Err(HandshakeError::TooSlow(limit)));
        if entered.is_err() {
            self.metrics.count_handshake_failure(stage);
        }
        entered
    }

    async fn secure(&self, stream: TcpStream) -> Result<ClientTransport, HandshakeError> {
        let Some(certificate) = &self.certificate else {
            return Ok(ClientTransport::Plain(stream));
        };
        let acceptor = TlsAcceptor::from(certificate.current());
        let stream = acceptor.accept(stream).await.map_err(HandshakeError::Tls)?;
        Ok(ClientTransport::Tls(Box::new(stream)))
    }
}
