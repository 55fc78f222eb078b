//! What there is to know of reloads: how many, and whether the last one was taken over.

use std::time::Duration;

use prometheus::Gauge;
use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::observe::metrics::Metrics;
use crate::observe::metrics::increment;
use crate::observe::metrics::register::Maker;

/// What happened to an attempt to reload the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// A new policy is in force.
    Applied,
    /// The configuration has mistakes; the old policy stays.
    Refused,
}

impl ReloadResult {
    const ALL: [Self; 2] = [Self::Applied, Self::Refused];

    const fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    const fn index(self) -> usize {
        self as usize
    }
}

/// Reloads of the configuration and of the listener's certificate.
#[derive(Debug)]
pub(super) struct ReloadMetrics {
    config: Vec<IntCounter>,
    config_successful: IntGauge,
    config_success: Gauge,
    tls: Vec<IntCounter>,
    tls_successful: IntGauge,
}

impl ReloadMetrics {
    /// `started` is the wall clock at the start, when both were read for the first time.
    pub(super) fn new(make: &Maker<'_>, started: Duration) -> prometheus::Result<Self> {
        let results = || ReloadResult::ALL.iter().map(|result| result.label());
        let metrics = Self {
            config: make.counters(
                ("maskgate_config_reloads_total", "Attempts to reload the configuration"),
                "result",
                results(),
            )?,
            config_successful: make.int_gauge(
                "maskgate_config_last_reload_successful",
                "1 where the last attempt to read the configuration was taken over, 0 where it \
                 was refused",
            )?,
            config_success: make.gauge(
                "maskgate_config_last_reload_success_timestamp_seconds",
                "When a configuration was taken over last, in seconds since 1970",
            )?,
            tls: make.counters(
                (
                    "maskgate_tls_reloads_total",
                    "Attempts to put changed files of the listener's certificate in force",
                ),
                "result",
                results(),
            )?,
            tls_successful: make.int_gauge(
                "maskgate_tls_last_reload_successful",
                "1 where the files of the listener's certificate are in force as they were read \
                 last, 0 where they were refused",
            )?,
        };
        metrics.config_successful.set(1);
        metrics.config_success.set(started.as_secs_f64());
        metrics.tls_successful.set(1);
        Ok(metrics)
    }
}

impl Metrics {
    /// Counts an attempt to reload the configuration; `now` is the wall clock, since 1970.
    pub fn count_reload(&self, result: ReloadResult, now: Duration) {
        increment(&self.reloads.config, result.index());
        self.reloads.config_successful.set(i64::from(result == ReloadResult::Applied));
        if result == ReloadResult::Applied {
            self.reloads.config_success.set(now.as_secs_f64());
        }
    }

    /// Counts an attempt to reload the listener's certificate.
    pub fn count_tls_reload(&self, result: ReloadResult) {
        increment(&self.reloads.tls, result.index());
        self.reloads.tls_successful.set(i64::from(result == ReloadResult::Applied));
    }
}

#[cfg(test)]
mod tests {
    use super::ReloadResult;
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use std::time::Duration;

    #[test]
    fn a_refused_reload_is_the_last_one_until_one_is_taken_over() {
        let metrics = Metrics::new(Duration::from_millis(1_500)).unwrap();
        let reads = |[config, success, tls]: [&str; 3]| {
            let text = metrics.render(&Readings::default()).unwrap();
            for (name, value) in [
                ("config_last_reload_successful", config),
                ("config_last_reload_success_timestamp_seconds", success),
                ("tls_last_reload_successful", tls),
            ] {
                let line = format!("maskgate_{name} {value}");
                assert!(text.lines().any(|each| each == line), "{line}\n{text}");
            }
        };
        reads(["1", "1.5", "1"]);
        metrics.count_reload(ReloadResult::Refused, Duration::from_millis(2_500));
        metrics.count_tls_reload(ReloadResult::Refused);
        reads(["0", "1.5", "0"]);
        metrics.count_reload(ReloadResult::Applied, Duration::from_millis(3_500));
        reads(["1", "3.5", "0"]);
        metrics.count_tls_reload(ReloadResult::Applied);
        reads(["1", "3.5", "1"]);
    }
}
