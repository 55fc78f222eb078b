//! A service's numbers are counted, or near their end: events, and counts of them.

use crate::observe::Observer;
use crate::policy::pools::ByKind;
use crate::pool::CountOutcome;
use crate::pool::Near;
use crate::sid::Sid;

/// The API's own warning: "Approaching Maximum Number Pool Size".
const APPROACHING: u32 = 80624;

impl Observer {
    /// A pool is nearly full.
    pub fn pool_near(&self, service: Sid, near: &Near) {
        let Near { kind, limit, used } = *near;
        tracing::warn!(
            code = APPROACHING,
            %service,
            pool = kind.label(),
            used,
            limit,
            "a number pool is nearly full"
        );
        self.metrics.count_pool_warning(kind);
    }

    /// A service's numbers were counted, or were to be.
    pub fn pool_counted(&self, service: Sid, outcome: CountOutcome) {
        match outcome {
            CountOutcome::Counted => tracing::debug!(%service, "numbers counted"),
            CountOutcome::Refused => {
                tracing::info!(%service, "the upstream refuses the list of numbers");
            }
            CountOutcome::Failed => {
                tracing::warn!(%service, "the numbers could not be counted");
            }
        }
        self.metrics.count_pool_count(outcome);
    }

    /// A count has found so many more numbers than were known, or fewer.
    pub fn pool_drift(&self, drift: ByKind<i64>) {
        self.metrics.count_pool_drift(drift);
    }
}
