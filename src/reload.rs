//! When does a change of the configuration take effect? When its bytes differ, or on SIGHUP.
//!
//! **Invariant:** a configuration with a mistake changes nothing: the last good policy stays in
//! force, the mistakes go to the log and a metric counts them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time;
use tokio::time::MissedTickBehavior;

use crate::config;
use crate::config::ConfigErrors;
use crate::config::Configuration;
use crate::config::Format;
use crate::config::Look;
use crate::config::Settings;
use crate::config::Watch;
use crate::gateway::Shared;
use crate::observe::metrics::ReloadResult;
use crate::policy::Policy;
use crate::state::Reload;
use crate::state::State;
use crate::time::wall_clock;

/// How often the file is looked at: a `stat` costs a few microseconds.
const EVERY: Duration = Duration::from_secs(1);

/// Watches a configuration and publishes what it becomes.
#[derive(Debug)]
pub struct Reloader {
    watch: Watch,
    state: Arc<State>,
    settings: Settings,
    hangup: Signal,
    requests: mpsc::UnboundedReceiver<oneshot::Sender<ReloadResult>>,
}

/// Asks for a reload, as SIGHUP does.
#[derive(Clone, Debug)]
pub struct ReloadRequest(mpsc::UnboundedSender<oneshot::Sender<ReloadResult>>);

/// What the service manager shows of a reload.
const fn status(result: ReloadResult) -> &'static str {
    match result {
        ReloadResult::Applied => "Serving by the configuration that was read again",
        ReloadResult::Refused => "Serving by the old configuration: the new one has mistakes",
    }
}

impl ReloadRequest {
    /// Reads the configuration again; answers what became of it, or nothing when the server has
    /// ended.
    pub async fn reload(&self) -> Option<ReloadResult> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).ok()?;
        answered.await.ok()
    }
}

impl Reloader {
    /// Keeps `state` to what `watch` watches; `settings` are those in force, which take a
    /// restart to change. Needs a runtime.
    pub fn new(
        watch: Watch,
        state: Arc<State>,
        settings: Settings,
    ) -> io::Result<(Self, ReloadRequest)> {
        let (sender, requests) = mpsc::unbounded_channel();
        let reloader =
            Self { watch, state, settings, hangup: signal(SignalKind::hangup())?, requests };
        Ok((reloader, ReloadRequest(sender)))
    }

    /// Watches for ever.
    pub async fn run(mut self) {
        let mut ticks = time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => match self.watch.look() {
                    Look::Same => {}
                    Look::Changed(loaded) => {
                        self.apply(*loaded);
                    }
                },
                Some(()) = self.hangup.recv() => {
                    self.state.manager.reloading();
                    let loaded = self.watch.force();
                    self.state.manager.ready(status(self.apply(loaded)));
                }
                Some(answer) = self.requests.recv() => {
                    let loaded = self.watch.force();
                    let result = self.apply(loaded);
                    // Who asked may have left.
                    let _unheard = answer.send(result);
                }
            }
        }
    }

    fn apply(&self, loaded: Result<Configuration, ConfigErrors>) -> ReloadResult {
        let at = self.state.shared.clock.now();
        let (result, mistakes) = match loaded {
            Ok(configuration) => {
                self.publish(configuration);
                (ReloadResult::Applied, None)
            }
            Err(errors) => {
                let mistakes = config::render(&errors, Format::Text);
                tracing::error!(%mistakes, "the configuration has mistakes; the old one stays");
                (ReloadResult::Refused, Some(mistakes))
            }
        };
        self.state.last_reload.set(Reload { at, mistakes });
        self.state.metrics.count_reload(result, wall_clock());
        result
    }

    fn publish(&self, configuration: Configuration) {
        let Configuration { settings, policy, warnings } = configuration;
        if !warnings.is_empty() {
            tracing::warn!(%warnings, "the configuration may not be what was meant");
        }
        for key in self.settings.differing(&settings) {
            tracing::warn!(key, "the change takes effect after a restart");
        }
        self.state.events.apply(&policy.log);
        self.map_accounts(&policy);
        let generation = self.state.shared.policy.publish(policy);
        tracing::info!(generation, "a new policy is in force");
    }

    /// API keys that the next policy gives to another account than the one in force, and those
    /// that it says nothing of any more: their windows are the account's before any request is
    /// judged by it, so that a reload gives nobody a second burst.
    fn map_accounts(&self, next: &Policy) {
        let Shared { policy, admission, digests, clock, .. } = &*self.state.shared;
        let (before, now) = (policy.snapshot(), clock.now());
        let given =
            next.accounts.iter().filter(|(key, of)| before.accounts.get(key) != Some(of));
        let dropped =
            before.accounts.iter().filter(|(key, _)| !next.accounts.contains_key(key));
        let changed: Vec<_> =
            given.chain(dropped).map(|(key, of)| (digests.of_api_key(*key), *of)).collect();
        if !changed.is_empty() {
            let moved = admission.map_accounts(&changed, &next.limits, now);
            self.state.shared.owe_moved(next, &moved);
        }
    }
}
