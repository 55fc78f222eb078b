//! What there is to know of number pools.

use prometheus::Gauge;
use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::observe::metrics::Metrics;
use crate::observe::metrics::increment;
use crate::observe::metrics::register::Maker;
use crate::observe::metrics::set;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::pool::CountOutcome;
use crate::pool::Fill;

/// How full the number pools are, and what becomes of counting them. Lists are by pool kind.
#[derive(Debug)]
pub(super) struct PoolMetrics {
    fill: Vec<Gauge>,
    near: Vec<IntGauge>,
    known: IntGauge,
    counts: Vec<IntCounter>,
    drift: Vec<IntCounter>,
    warnings: Vec<IntCounter>,
    shadow_refusals: Vec<IntCounter>,
}

impl PoolMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let kinds = || PoolKind::ALL.iter().map(|kind| kind.label());
        Ok(Self {
            fill: make.gauges(
                (
                    "maskgate_pool_fill_ratio",
                    "Share of its limit in the fullest number pool of all services",
                ),
                "kind",
                kinds(),
            )?,
            near: make.int_gauges(
                (
                    "maskgate_pools_near_limit",
                    "Services with a number pool at or above limits.pools.warn_at",
                ),
                "kind",
                kinds(),
            )?,
            known: make.int_gauge(
                "maskgate_pools_known",
                "Services whose numbers have been counted",
            )?,
            counts: make.counters(
                ("maskgate_pool_counts_total", "Counts of a service's numbers"),
                "result",
                CountOutcome::ALL.iter().map(|outcome| outcome.label()),
            )?,
            drift: make.counters(
                (
                    "maskgate_pool_drift_total",
                    "Numbers by which counts differed from what was thought before",
                ),
                "kind",
                kinds(),
            )?,
            warnings: make.counters(
                (
                    "maskgate_pool_warnings_total",
                    "Log lines that a number pool is nearly full (80624)",
                ),
                "kind",
                kinds(),
            )?,
            shadow_refusals: make.counters(
                (
                    "maskgate_pool_shadow_refusals_total",
                    "Requests forwarded that a full pool would have refused with mode: enforce",
                ),
                "kind",
                kinds(),
            )?,
        })
    }

    /// Shows how full the pools are.
    pub(super) fn show(&self, fill: &Fill) {
        set(&self.known, fill.known);
        for ((kind, ratio), near) in PoolKind::ALL.iter().zip(&self.fill).zip(&self.near) {
            ratio.set(*fill.ratio.get(*kind));
            set(near, *fill.near.get(*kind));
        }
    }
}

impl Metrics {
    /// Counts a count of a service's numbers.
    pub fn count_pool_count(&self, outcome: CountOutcome) {
        increment(&self.pools.counts, outcome.index());
    }

    /// Counts by how many numbers a count differed from what was thought before, in whichever
    /// direction.
    pub fn count_pool_drift(&self, drift: ByKind<i64>) {
        for kind in PoolKind::ALL {
            if let Some(counter) = self.pools.drift.get(kind.index()) {
                counter.inc_by(drift.get(kind).unsigned_abs());
            }
        }
    }

    /// Counts a log line that a pool is nearly full.
    pub fn count_pool_warning(&self, kind: PoolKind) {
        increment(&self.pools.warnings, kind.index());
    }

    /// Counts a request that was forwarded only because the mode of the full pool is `shadow`.
    pub fn count_pool_shadow_refusal(&self, kind: PoolKind) {
        increment(&self.pools.shadow_refusals, kind.index());
    }
}

#[cfg(test)]
mod tests {
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use crate::policy::pools::ByKind;
    use crate::policy::pools::PoolKind;
    use crate::pool::CountOutcome;
    use crate::pool::Fill;
    use std::time::Duration;

    #[test]
    fn what_happens_to_pools_is_counted_by_kind_and_outcome() {
        let metrics = Metrics::new(Duration::ZERO).unwrap();
        metrics.count_pool_count(CountOutcome::Counted);
        metrics.count_pool_drift(ByKind { reserved: -3, unreserved: 2 });
        metrics.count_pool_drift(ByKind { reserved: 1, unreserved: 0 });
        metrics.count_pool_warning(PoolKind::Unreserved);
        metrics.count_pool_shadow_refusal(PoolKind::Reserved);
        let pools = Fill {
            known: 7,
            ratio: ByKind { reserved: 0.5, unreserved: 1.25 },
            near: ByKind { reserved: 0, unreserved: 2 },
        };
        let text = metrics.render(&Readings { pools, ..Readings::default() }).unwrap();
        for line in [
            "maskgate_pool_counts_total{result=\"counted\"} 1",
            "maskgate_pool_counts_total{result=\"failed\"} 0",
            "maskgate_pool_drift_total{kind=\"reserved\"} 4",
            "maskgate_pool_drift_total{kind=\"unreserved\"} 2",
            "maskgate_pool_warnings_total{kind=\"unreserved\"} 1",
            "maskgate_pool_shadow_refusals_total{kind=\"reserved\"} 1",
            "maskgate_pool_fill_ratio{kind=\"unreserved\"} 1.25",
            "maskgate_pools_near_limit{kind=\"unreserved\"} 2",
            "maskgate_pools_known 7",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}\n{text}");
        }
    }
}
