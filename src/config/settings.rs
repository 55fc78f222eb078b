//! What holds until the next start? Everything that sockets and threads are made of.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::config::tls_files::TlsFiles;
use crate::policy::networks::Networks;
use crate::policy::store::SharedStore;
use crate::policy::traces::Otlp;

/// What a reload cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How many of them may be connected at once: 1 to 1,000,000.
    pub max_connections: NonZeroUsize,
    /// The files by which clients are spoken to over TLS; none: over plain TCP.
    pub tls: Option<TlsFiles>,
    /// From whom the PROXY protocol's header is required, and nobody else's is read.
    pub proxies: Networks,
    /// Where metrics and health are asked for.
    pub admin: SocketAddr,
    /// Whether windows may be emptied there.
    pub resets: Resets,
    /// How many threads answer requests: 1 to 1,024.
    pub workers: NonZeroUsize,
    /// How long a stop waits for what is under way: at most one hour.
    pub drain: Duration,
    /// For how long of that new connections are still served, as nobody who sends them knows of
    /// the stop at once.
    pub linger: Duration,
    /// What a restart keeps the windows in.
    pub state_file: StateFile,
    /// Where windows are shared with other replicas; none: this process is alone.
    pub store: Option<SharedStore>,
    /// Where spans of requests are sent; none: nowhere.
    pub traces: Option<Otlp>,
}

/// Whether an operator may empty windows by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resets {
    /// No.
    #[default]
    Off,
    /// Whoever reaches the admin listener may.
    Allowed,
}

/// Where the windows are kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateFile {
    /// Where the service manager has made a directory for it; nowhere without one.
    #[default]
    OfManager,
    /// Nowhere.
    Off,
    /// In this file.
    At(PathBuf),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_connections: NonZeroUsize::MIN.saturating_add(9_999),
            tls: None,
            proxies: Networks::default(),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9091)),
            resets: Resets::default(),
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            drain: Duration::from_secs(25),
            linger: Duration::from_secs(1),
            state_file: StateFile::default(),
            store: None,
            traces: None,
        }
    }
}

impl Settings {
    /// The keys whose values differ from those of `other`: a change of them needs a restart.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        [
            (self.listen != other.listen, "listen.address"),
            (self.max_connections != other.max_connections, "listen.max_connections"),
            (self.tls != other.tls, "listen.tls"),
            (self.proxies != other.proxies, "listen.proxy_protocol"),
            (self.admin != other.admin, "admin.address"),
            (self.resets != other.resets, "admin.allow_reset"),
            (self.workers != other.workers, "workers"),
            (self.drain != other.drain, "drain"),
            (self.linger != other.linger, "linger"),
            (self.state_file != other.state_file, "state_file"),
            (self.store != other.store, "store"),
            (self.traces != other.traces, "traces"),
        ]
        .into_iter()
        .filter_map(|(differs, key)| differs.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Resets;
    use super::Settings;
    use super::StateFile;
    use crate::config::tls_files::ClientCertificates;
    use crate::config::tls_files::TlsFiles;
    use crate::policy::networks::Networks;
    use crate::policy::store::OnLoss;
    use crate::policy::store::Servers;
    use crate::policy::store::SharedStore;
    use crate::policy::store::StoreCredentials;
    use crate::policy::traces::Otlp;
    use crate::policy::traces::Sample;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use std::num::NonZeroU32;
    use std::num::NonZeroUsize;
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn the_keys_that_need_a_restart_are_named() {
        let settings = Settings { workers: NonZeroUsize::MIN, ..Settings::default() };
        assert!(settings.differing(&settings.clone()).is_empty());
        let other = Settings {
            listen: settings.admin,
            max_connections: NonZeroUsize::MIN,
            tls: Some(TlsFiles {
                certificate: PathBuf::from("tls.crt"),
                private_key: PathBuf::from("tls.key"),
                client_ca: None,
                client_certificates: ClientCertificates::Required,
            }),
            proxies: Networks::new(vec!["10.0.0.0/8".parse().unwrap()]),
            admin: settings.listen,
            resets: Resets::Allowed,
            workers: NonZeroUsize::MIN.saturating_add(1),
            drain: Duration::ZERO,
            linger: Duration::ZERO,
            state_file: StateFile::Off,
            store: Some(SharedStore {
                servers: Servers::Cluster(Vec::new()),
                replicas: NonZeroU32::MIN,
                on_loss: OnLoss::LocalShare,
                deadline: SharedStore::DEADLINE,
                credentials: StoreCredentials::default(),
                tls: None,
            }),
            traces: Some(Otlp {
                collector: Origin { scheme: Scheme::Http, host: "a".to_owned(), port: 4318 },
                path: "/v1/traces".to_owned(),
                tls: None,
                headers: None,
                sample: Sample::DEFAULT,
                timeout: Otlp::TIMEOUT,
                queue: Otlp::QUEUE,
            }),
        };
        let all = [
            "listen.address",
            "listen.max_connections",
            "listen.tls",
            "listen.proxy_protocol",
            "admin.address",
            "admin.allow_reset",
            "workers",
            "drain",
            "linger",
            "state_file",
            "store",
            "traces",
        ];
        assert_eq!(settings.differing(&other), all);
    }
}
