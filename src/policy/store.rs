//! Where do replicas keep the windows that they share? A Redis or Valkey, and what holds without it.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

/// The store that replicas share, and how it is used.
#[derive(Clone, Debug)]
pub struct SharedStore {
    /// How the servers are found.
    pub servers: Servers,
    /// How many replicas share it: 1 to 1,000.
    pub replicas: NonZeroU32,
    /// By what a replica decides when the store cannot be trusted.
    pub on_loss: OnLoss,
    /// How long a request waits for the store: 1 ms to 1 s.
    pub deadline: Duration,
    /// Who the gateway is to the servers.
    pub credentials: StoreCredentials,
    /// How they are spoken to over TLS; none: over plain TCP.
    pub tls: Option<StoreTls>,
}

/// The servers, and how one of them is found for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One server, or a name that leads to whoever is the primary.
    One(StoreAddress),
    /// Sentinels, which know the primary.
    Sentinels {
        /// Of the sentinels: one at least.
        addresses: Vec<StoreAddress>,
        /// The name that the sentinels know the primary by.
        master: String,
        /// Who the gateway is to the sentinels.
        credentials: StoreCredentials,
    },
    /// A Cluster, of which these are known: one at least.
    Cluster(Vec<StoreAddress>),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreAddress {
    /// A name or an address, as it is resolved.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A user's name, and the file with its password: it is read for each new connection, so it may be
/// changed at any time, and is kept nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreCredentials {
    /// None: the server's default user.
    pub username: Option<String>,
    /// None: there is no password.
    pub password_file: Option<PathBuf>,
}

/// TLS to the servers. Two are the same when they trust the same file.
#[derive(Clone)]
pub struct StoreTls {
    /// The authority's file; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// What connections are made with.
    pub client: Arc<ClientConfig>,
}

impl fmt::Debug for StoreTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTls").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl PartialEq for StoreTls {
    fn eq(&self, other: &Self) -> bool {
        self.ca == other.ca
    }
}

impl Eq for StoreTls {}

impl PartialEq for SharedStore {
    fn eq(&self, other: &Self) -> bool {
        self.servers == other.servers
            && self.replicas == other.replicas
            && self.on_loss == other.on_loss
            && self.deadline == other.deadline
            && self.credentials == other.credentials
            && self.tls == other.tls
    }
}

impl Eq for SharedStore {}

/// By what a replica decides when the store cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Its share of each limit: together they keep to it.
    LocalShare,
    /// The whole of each limit, as if it were alone.
    LocalFull,
    /// Nothing: everything is admitted.
    Open,
    /// Nothing is admitted: 503.
    Closed,
}

impl OnLoss {
    /// Its word in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::LocalShare => "local_share",
            Self::LocalFull => "local_full",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl SharedStore {
    /// How long a request waits for the store, unless it is said.
    pub const DEADLINE: Duration = Duration::from_millis(5);
}
