//! The gateway as a process, an upstream that behaves as it is told, and clients that tell a whole
//! answer from one that broke off.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod request;
pub(crate) mod upstream;
pub(crate) mod window;

use std::time::Duration;
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::sync::MutexGuard;
use tokio::time;

pub(crate) use client::Answer;
pub(crate) use client::Connection;
pub(crate) use client::Cut;
pub(crate) use gateway::Gateway;
pub(crate) use upstream::Asked;
pub(crate) use upstream::Reply;
pub(crate) use upstream::Upstream;

/// Nobody waits longer for an answer; who has to has found a client that hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(20);

/// The figure of the short variant, or of the full one.
pub(crate) fn scale<T>(short: T, full: T) -> T {
    if std::env::var_os("MASKGATE_FAULTS").is_some_and(|asked| asked == "full") {
        full
    } else {
        short
    }
}

/// Waits until no other test runs: what is measured is to be the gateway's alone.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// How long it takes until `condition` holds; fails when that takes longer than `limit`.
pub(crate) async fn within(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

/// The duration that so many per cent of them are not above.
pub(crate) fn percentile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort_unstable();
    durations[(durations.len() * percent / 100).min(durations.len() - 1)]
}

/// In milliseconds, for people.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
