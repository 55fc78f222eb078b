//! How clients are treated before anything is known of their requests.

use std::time::Duration;

use crate::policy::networks::Networks;

/// What holds for the connections of all clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// How long to wait for them.
    pub timeouts: ClientTimeouts,
    /// The proxies whose word on where a request comes from is passed on.
    pub trusted_proxies: Networks,
}

/// How long the gateway waits for a client; each 1 ms to 1 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From an accepted connection to the end of its PROXY header and TLS handshake.
    pub handshake: Duration,
    /// For the whole head of a request.
    pub header: Duration,
    /// For the first byte of the next request.
    pub idle: Duration,
    /// For a whole body, from the moment it is asked for.
    pub body: Duration,
    /// Between two pieces of a body.
    pub body_gap: Duration,
    /// For a client that takes nothing of its answer.
    pub write: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            body: Duration::from_secs(30),
            body_gap: Duration::from_secs(5),
            write: Duration::from_secs(15),
        }
    }
}
