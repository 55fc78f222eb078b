//! What are clients shown? The listener's certificate, which changes while connections go on.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::time;
use tokio::time::MissedTickBehavior;

use crate::config::TlsFault;
use crate::config::TlsFiles;
use crate::config::TlsWatch;
use crate::observe::metrics::Metrics;
use crate::observe::metrics::ReloadResult;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The certificate in force, with its key and whom it lets in.
#[derive(Debug)]
pub struct Certificate(ArcSwap<ServerConfig>);

impl Certificate {
    /// Reads `files`; answers also what watches them from now on.
    pub fn load(files: &TlsFiles) -> Result<(Arc<Self>, TlsWatch), TlsFault> {
        // First, so that no change between the two goes unseen.
        let watch = TlsWatch::new(files.clone());
        let server = files.server()?;
        Ok((Arc::new(Self(ArcSwap::from_pointee(server))), watch))
    }

    /// What a new connection is offered; connections keep what they began with.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

/// Puts in force whatever the files become, for ever. Files that cannot be used change nothing.
pub async fn keep_current(
    certificate: Arc<Certificate>,
    mut watch: TlsWatch,
    metrics: Arc<Metrics>,
) {
    let mut ticks = time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(read) = watch.look() else { continue };
        match read {
            Ok(server) => {
                certificate.0.store(Arc::new(server));
                tracing::info!("a new certificate is in force");
                metrics.count_tls_reload(ReloadResult::Applied);
            }
            Err(fault) => {
                tracing::error!(%fault, "the old certificate stays in force");
                metrics.count_tls_reload(ReloadResult::Refused);
            }
        }
    }
}
