//! What there is to know of the store that replicas share.

use prometheus::Histogram;
use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::observe::metrics::Metrics;
use crate::observe::metrics::increment;
use crate::observe::metrics::register::Maker;
use crate::observe::metrics::set;
use crate::observe::store::RoomCall;
use crate::observe::store::StoreCall;
use crate::store::Condition;

/// How the store stands, and what it is asked.
#[derive(Debug)]
pub(super) struct StoreMetrics {
    calls: Vec<IntCounter>,
    rooms: Vec<IntCounter>,
    duration: Histogram,
    condition: Vec<IntGauge>,
    changes: Vec<IntCounter>,
    owed: IntGauge,
}

/// How the store stands now.
#[derive(Clone, Copy, Debug)]
pub struct StoreReading {
    /// Whether its answers are believed.
    pub condition: Condition,
    /// Admissions that it does not know of.
    pub owed: u64,
}

impl StoreMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let conditions = || Condition::ALL.iter().map(|condition| condition.label());
        Ok(Self {
            calls: make.counters(
                (
                    "maskgate_store_decisions_total",
                    "Requests for shared windows by who decided, and how",
                ),
                "result",
                StoreCall::ALL.iter().map(|call| call.label()),
            )?,
            rooms: make.counters(
                (
                    "maskgate_store_pool_claims_total",
                    "Requests for room in shared number pools by what they came to",
                ),
                "result",
                RoomCall::ALL.iter().map(|call| call.label()),
            )?,
            duration: make.quick_histogram(
                "maskgate_store_call_duration_seconds",
                "Time that a request waited for the shared store",
            )?,
            condition: make.int_gauges(
                (
                    "maskgate_store_condition",
                    "1 for how the shared store stands; all 0 where there is none",
                ),
                "condition",
                conditions(),
            )?,
            changes: make.counters(
                ("maskgate_store_changes_total", "Changes of how the shared store stands"),
                "condition",
                conditions(),
            )?,
            owed: make.int_gauge(
                "maskgate_store_owed",
                "Admissions that this replica made by itself and the shared store does not know of",
            )?,
        })
    }

    /// Shows how the store stands, where there is one.
    pub(super) fn show(&self, reading: Option<StoreReading>) {
        let Some(StoreReading { condition, owed }) = reading else { return };
        for (each, gauge) in Condition::ALL.iter().zip(&self.condition) {
            gauge.set(i64::from(*each == condition));
        }
        set(&self.owed, owed);
    }
}

impl Metrics {
    /// Counts a request for a shared window.
    pub fn count_store_call(&self, call: StoreCall) {
        increment(&self.store.calls, call.index());
    }

    /// Counts a request for room in a pool that is shared.
    pub fn count_room_call(&self, call: RoomCall) {
        increment(&self.store.rooms, call.index());
    }

    /// Notes how long a request has waited for the store.
    pub fn observe_store(&self, taken: std::time::Duration) {
        self.store.duration.observe(taken.as_secs_f64());
    }

    /// Counts a change of how the store stands.
    pub fn count_store_change(&self, condition: Condition) {
        increment(&self.store.changes, condition.index());
    }
}

#[cfg(test)]
mod tests {
    use super::StoreReading;
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use crate::observe::store::StoreCall;
    use crate::store::Condition;
    use std::time::Duration;

    #[test]
    fn a_store_that_is_lost_is_shown_as_nothing_else() {
        let metrics = Metrics::new(Duration::ZERO).unwrap();
        metrics.count_store_call(StoreCall::Late);
        metrics.count_store_change(Condition::Lost);
        let reading = StoreReading { condition: Condition::Lost, owed: 3 };
        let readings = Readings { store: Some(reading), ..Readings::default() };
        let text = metrics.render(&readings).unwrap();
        for line in [
            "maskgate_store_decisions_total{result=\"late\"} 1",
            "maskgate_store_changes_total{condition=\"lost\"} 1",
            "maskgate_store_condition{condition=\"lost\"} 1",
            "maskgate_store_condition{condition=\"trusted\"} 0",
            "maskgate_store_owed 3",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}\n{text}");
        }
    }
}
