//! Why is a request not admitted now, and when may it come again?

use std::fmt;
use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::admit::guard;
use crate::admit::in_flight::Full;
use crate::admit::in_flight::InFlightOf;
use crate::admit::standing::Standing;
use crate::admit::window::Bound;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::RateLimit;
use crate::policy::rate::SetBy;

/// Why a request is not admitted now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Too many lately.
    #[error(transparent)]
    Rate(RateDenial),
    /// Too many under way.
    #[error("{max} requests are under way for {}, as many as may be", match .of {
        InFlightOf::Total => "all services",
        InFlightOf::Service => "this service",
    })]
    InFlight {
        /// Where.
        of: InFlightOf,
        /// How many may be.
        max: NonZeroU32,
    },
    /// Nobody is admitted without the store that replicas share.
    #[error("the store of shared limits cannot be trusted, and nobody is admitted without it")]
    StoreLost,
    /// Its window would be one too many.
    #[error("requests for {max} services and endpoints are counted, as many as may be")]
    TooManyKeys {
        /// How many may be.
        max: NonZeroUsize,
    },
}

impl From<Full> for Denial {
    fn from(full: Full) -> Self {
        Self::InFlight { of: full.of, max: full.max }
    }
}

impl Denial {
    /// The whole seconds after which to come again, at least one: a client that is told to wait
    /// for none would come back at once. Of a cap nobody can know when there is room.
    pub fn seconds_to_wait(&self) -> u64 {
        match self {
            Self::Rate(denial) => denial.seconds_to_wait(),
            Self::InFlight { .. } | Self::StoreLost | Self::TooManyKeys { .. } => 1,
        }
    }

    /// The rate that denies; none where a cap does.
    pub const fn limit(&self) -> Option<RateLimit> {
        match self {
            Self::Rate(denial) => Some(denial.limit),
            Self::InFlight { .. } | Self::StoreLost | Self::TooManyKeys { .. } => None,
        }
    }
}

/// A window is full.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {} are admitted; retry in {retry_after:?}", self.rule())]
pub struct RateDenial {
    /// The limit.
    pub limit: RateLimit,
    /// Which number denies: where several do, the one that does so for longest.
    pub by: Bound,
    /// When there is room: exact, and above zero.
    pub retry_after: Duration,
    /// Who set the limit.
    pub set_by: SetBy,
    /// What the `RateLimit` fields say; none where there are none to be sent.
    pub standing: Option<Standing>,
}

impl RateDenial {
    /// The whole seconds after which a request is admitted, at least one.
    pub fn seconds_to_wait(&self) -> u64 {
        let wait = self.retry_after;
        wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
    }

    /// How many requests the number that denies allows.
    pub fn allowed(&self) -> u32 {
        let limit = &self.limit;
        match self.by {
            Bound::Window => limit.admissions().get(),
            Bound::Burst => limit.burst_admissions().unwrap_or(limit.admissions()).get(),
            Bound::Cell => guard::TRIES,
            Bound::Unanswered => guard::most_unanswered(limit),
        }
    }

    /// Whether it is the window's guard that denies, and not the limit.
    pub const fn is_guards(&self) -> bool {
        match self.by {
            Bound::Cell | Bound::Unanswered => true,
            Bound::Window | Bound::Burst => false,
        }
    }

    /// What is allowed, in words.
    pub const fn rule(&self) -> RuleInWords<'_> {
        RuleInWords(self)
    }
}

/// What a [`RateDenial`]'s limit or guard allows, as a client is told.
#[derive(Clone, Copy, Debug)]
pub struct RuleInWords<'d>(&'d RateDenial);

impl fmt::Display for RuleInWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STRANGERS: &str = "of credentials that were not accepted here lately";
        let (allowed, window) = (self.0.allowed(), self.0.limit.window());
        match self.0.by {
            Bound::Window => write!(f, "{allowed} requests in any {window:?}"),
            Bound::Burst => write!(f, "{allowed} requests in any {BURST_SPAN:?}"),
            Bound::Cell => write!(f, "{allowed} requests in any {window:?} {STRANGERS}"),
            Bound::Unanswered => write!(f, "{allowed} unanswered requests {STRANGERS}"),
        }
    }
}
