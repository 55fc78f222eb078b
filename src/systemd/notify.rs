//! What is the service manager told? That the service is ready, reloads, stops, or is alive.

use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use sd_notify::NotifyState;

/// The longest status that is shown, in bytes; the rest is cut off.
const MAX_STATUS: usize = 200;

/// Whoever started this process and wants to know how it is (`sd_notify(3)`), or nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceManager {
    listens: bool,
    state_directory: Option<PathBuf>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Nobody wants to know.
    pub const fn absent() -> Self {
        Self { listens: false, state_directory: None, watchdog: None }
    }

    /// The one that the environment names by `NOTIFY_SOCKET`, by `WATCHDOG_USEC` if this
    /// process has to show that it is alive, and by `STATE_DIRECTORY`.
    pub fn of_environment() -> Self {
        let listens = env::var_os("NOTIFY_SOCKET").is_some();
        let text = |name| env::var(name).ok();
        let watchdog = watchdog(text("WATCHDOG_USEC"), text("WATCHDOG_PID"));
        // Several are separated by colons.
        let state = text("STATE_DIRECTORY");
        let state = state.as_deref().and_then(|all| all.split(':').next());
        let state_directory = state.filter(|name| !name.is_empty()).map(PathBuf::from);
        Self { listens, state_directory, watchdog: watchdog.filter(|_| listens) }
    }

    /// Within which time it wants to hear again and again that the process is alive.
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The directory that it has made for what a restart has to keep (`StateDirectory=`).
    pub fn state_directory(&self) -> Option<&Path> {
        self.state_directory.as_deref()
    }

    /// The service is ready, again ready after a reload.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(shown(status))]);
    }

    /// The configuration is being read again; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        // Without the time systemd 253 and later take the reload for a failure.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
    }

    /// The service ends when what is under way has ended.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("Draining")]);
    }

    /// The service is alive.
    pub fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.listens {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

/// The time between two signs of life, where this process is the one that has to give them.
fn watchdog(micros: Option<String>, of: Option<String>) -> Option<Duration> {
    let is_meant = of.is_none_or(|of| of.parse() == Ok(process::id()));
    let micros = micros?.parse().ok().filter(|&micros: &u64| micros > 0 && is_meant)?;
    Some(Duration::from_micros(micros))
}

/// The first line of `status`: another line would be another message.
fn shown(status: &str) -> &str {
    let line = status.lines().next().unwrap_or_default();
    line.get(..line.floor_char_boundary(MAX_STATUS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::shown;
    use super::watchdog;
    use std::process;
    use std::time::Duration;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let two = Some(Duration::from_secs(2));
        assert_eq!(watchdog(Some("2000000".to_owned()), None), two);
        assert_eq!(watchdog(Some("2000000".to_owned()), Some(process::id().to_string())), two);
        assert_eq!(watchdog(Some("2000000".to_owned()), Some("1".to_owned())), None);
        for micros in ["0", "", "-1", "2s"] {
            assert_eq!(watchdog(Some(micros.to_owned()), None), None, "{micros:?}");
        }
        assert_eq!(watchdog(None, None), None);
    }

    #[test]
    fn a_status_is_one_line_and_cannot_be_another_message() {
        assert_eq!(shown("Serving\nMAINPID=1"), "Serving");
        assert_eq!(shown(&"é".repeat(150)).len(), 200);
        assert_eq!(shown(""), "");
    }
}
