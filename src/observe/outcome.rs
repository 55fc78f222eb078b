//! What became of a request, as metrics and log lines have it?

use std::time::Duration;

use http::StatusCode;

use crate::admit::Denial;
use crate::policy::pools::PoolKind;
use crate::policy::rate::SetBy;
use crate::pool;
use crate::pool::Full;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::reject::UpstreamFault;

/// What became of a request.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) decision: Decision,
    pub(super) status: Option<StatusCode>,
    pub(super) refusal: Option<Refusal>,
    pub(super) fault: Option<UpstreamFault>,
    /// The limit on trial that would have refused.
    pub(super) on_trial: Option<Refusal>,
    /// The rate or the pool that refused, or would have.
    pub(super) limit: Option<LimitOutcome>,
}

/// The limit that refused, or would have.
#[derive(Debug)]
pub(super) struct LimitOutcome {
    pub(super) allowed: u32,
    pub(super) set_by: Option<SetBy>,
    pub(super) found: Found,
}

/// What was found beyond what is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A window that has room again after so long.
    Rate(Duration),
    /// So many numbers in a pool.
    Pool(PoolKind, u32),
}

impl LimitOutcome {
    pub(super) fn of_rate(denial: &Denial) -> Option<Self> {
        match denial {
            Denial::Rate(rate) => Some(Self {
                allowed: rate.allowed(),
                set_by: Some(rate.set_by.clone()),
                found: Found::Rate(rate.retry_after),
            }),
            Denial::InFlight { .. } | Denial::StoreLost | Denial::TooManyKeys { .. } => None,
        }
    }

    pub(super) fn of_pool(denial: &pool::Denial) -> Option<Self> {
        match denial {
            pool::Denial::Full { full, set_by, .. }
            | pool::Denial::ShareUsed { full, set_by, .. } => {
                Some(Self { set_by: Some(set_by.clone()), ..Self::of_full(full) })
            }
            pool::Denial::Uncounted { .. } => None,
        }
    }

    pub(super) const fn of_full(full: &Full) -> Self {
        let found = Found::Pool(full.kind, full.used);
        Self { allowed: full.limit, set_by: None, found }
    }
}
