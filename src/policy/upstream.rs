//! Where admitted requests go, and how long the gateway waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::policy::public_url::PublicUrl;

/// The masking backend behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The servers, asked in turn.
    pub origins: Origins,
    /// What the upstream is told as `Host`.
    pub host: HostHeader,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How `https` origins are spoken to; roots and protocol versions are settled in it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What takes the upstream's place in the links of its answers; none: they stay as they are.
    pub public_url: Option<Arc<PublicUrl>>,
}

impl Upstream {
    /// Plain HTTP to one server, with the default timeouts.
    pub fn plain(origin: Origin) -> Self {
        Self {
            origins: Origins::one(origin),
            host: HostHeader::Preserve,
            timeouts: Timeouts::default(),
            tls: None,
            public_url: None,
        }
    }
}

/// One server or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    first: Origin,
    rest: Vec<Origin>,
}

impl Origins {
    /// A single server.
    pub const fn one(origin: Origin) -> Self {
        Self { first: origin, rest: Vec::new() }
    }

    /// All of `origins`, or nothing when there is none.
    pub fn from_vec(origins: Vec<Origin>) -> Option<Self> {
        let mut origins = origins.into_iter();
        Some(Self { first: origins.next()?, rest: origins.collect() })
    }

    /// The server whose turn it is when requests are numbered by `turn`.
    pub fn in_turn(&self, turn: usize) -> &Origin {
        let index = turn.checked_rem(self.rest.len().saturating_add(1)).unwrap_or(0);
        index.checked_sub(1).and_then(|index| self.rest.get(index)).unwrap_or(&self.first)
    }

    /// Every server once, beginning with the one whose turn it is.
    pub fn from_turn(&self, turn: usize) -> impl Iterator<Item = &Origin> {
        let count = self.rest.len().saturating_add(1);
        (0..count).map(move |step| self.in_turn(turn.wrapping_add(step)))
    }

    /// The servers, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// One server: scheme, host and port, nothing more (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Plain or over TLS.
    pub scheme: Scheme,
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Origin {
    /// The value of a `Host` field for this server: the port is left out where it is the
    /// scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme's name in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL of this scheme leaves out.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What the upstream is told as `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// What the client sent.
    Preserve,
    /// The upstream's own host and port.
    Upstream,
    /// A fixed value.
    Name(HeaderValue),
}

/// How long the gateway waits for the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS handshake included.
    pub connect: Duration,
    /// For the head of an answer, and between two pieces of its body.
    pub response: Duration,
    /// How long an unused connection is kept. Below the upstream's own idle time, or a request
    /// may meet a connection that is just being closed (Node and uvicorn close after 5 s).
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(15),
            idle: Duration::from_secs(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;
    use super::Origins;
    use super::Scheme;

    fn origin(host: &str, port: u16) -> Origin {
        Origin { scheme: Scheme::Http, host: host.to_owned(), port }
    }

    #[test]
    fn origins_are_asked_in_turn() {
        let origins = Origins::from_vec(vec![origin("a", 1), origin("b", 2)]).unwrap();
        let hosts: Vec<_> = (0..5).map(|turn| origins.in_turn(turn).host.as_str()).collect();
        assert_eq!(hosts, ["a", "b", "a", "b", "a"]);
        let all: Vec<_> = origins.from_turn(1).map(|origin| origin.host.as_str()).collect();
        assert_eq!(all, ["b", "a"]);
        assert!(Origins::from_vec(Vec::new()).is_none());
    }

    #[test]
    fn an_authority_leaves_out_the_schemes_own_port_and_brackets_ipv6() {
        assert_eq!(origin("::1", 80).authority(), "[::1]");
        assert_eq!(origin("::1", 9000).authority(), "[::1]:9000");
        assert_eq!(origin("backend", 9000).to_string(), "http://backend:9000");
    }
}
