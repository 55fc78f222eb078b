//! Who comes in, and over what? The steps from an accepted socket to the bytes of HTTP.
//!
//! **Invariant:** all of them together have one limit in time, and whoever breaks off, is too
//! slow or makes no sense is let go without an answer: there is no HTTP yet to give it in.

mod certificate;
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
pub use transport::ClientTransport;

use crate::observe::metrics::HandshakeStage;
use crate::observe::metrics::Metrics;
use crate::policy::upstream::Scheme;

/// What new connections pass; shared by all workers.
#[derive(Debug)]
pub struct Door {
    /// Where clients are spoken to over TLS: what they are shown.
    pub certificate: Option<Arc<Certificate>>,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
}

/// A connection that HTTP can be spoken over.
#[derive(Debug)]
pub struct Arrived {
    /// Its bytes.
    pub transport: ClientTransport,
    /// Whose it is.
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
        let Some(certificate) = &self.certificate else {
            let transport = ClientTransport::Plain(stream);
            return Ok(Arrived { transport, address: peer, scheme: Scheme::Http });
        };
        let acceptor = TlsAcceptor::from(certificate.current());
        let shaken = match time::timeout(limit, acceptor.accept(stream)).await {
            Ok(shaken) => shaken.map_err(HandshakeError::Tls),
            Err(_) => Err(HandshakeError::TooSlow(limit)),
        };
        match shaken {
            Ok(stream) => {
                let transport = ClientTransport::Tls(Box::new(stream));
                Ok(Arrived { transport, address: peer, scheme: Scheme::Https })
            }
            Err(error) => {
                self.metrics.count_handshake_failure(HandshakeStage::Tls);
                Err(error)
            }
        }
    }
}
