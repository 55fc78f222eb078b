//! May it go on *now*? The rate of its window and the number of requests under way.
//!
//! **Invariant:** a refusal charges nothing, except where refusals are to be counted. What can
//! be given back, the place among the requests under way, is taken first; the charge that
//! cannot be given back comes last.

pub mod in_flight;
pub mod key;
mod reach;
pub mod standing;
pub mod store;
pub mod window;

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::limit::Limits;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::RateLimit;
use crate::policy::rate::SetBy;
use crate::sid::ServiceKey;
use crate::time::Tick;
use in_flight::Full;
use in_flight::InFlight;
use in_flight::InFlightGuard;
use in_flight::InFlightOf;
use key::Rules;
use key::WindowKey;
use standing::Standing;
use standing::WindowView;
use store::Case;
use store::Decision;
use store::Swept;
use store::TooManyKeys;
use store::WindowStore;
use window::Bound;
use window::Charge;
use window::Verdict;

/// Decides whether requests are admitted. One for the process; it knows no policy.
#[derive(Debug, Default)]
pub struct Admission {
    windows: WindowStore,
    in_flight: InFlight,
}

/// A request is admitted. Keep it until the last byte of the answer.
#[derive(Debug)]
#[must_use = "dropped at once, the request does not count as under way"]
pub struct Permit {
    /// The limit that it was judged by.
    pub limit: RateLimit,
    /// Whether that limit refuses.
    pub mode: Mode,
    /// What the `RateLimit` fields say of it; none where there are none to be sent.
    pub standing: Option<Standing>,
    /// Why a rule on trial would have refused it.
    pub would_deny: Option<Denial>,
    _guard: InFlightGuard,
}

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
    /// Its window would be one too many.
    #[error("requests for {max} services and endpoints are counted, as many as may be")]
    TooManyKeys {
        /// How many may be.
        max: NonZeroUsize,
    },
}

impl Denial {
    /// The whole seconds after which to come again, at least one: a client that is told to wait
    /// for none would come back at once. Of a cap nobody can know when there is room.
    pub fn seconds_to_wait(&self) -> u64 {
        match self {
            Self::Rate(denial) => denial.seconds_to_wait(),
            Self::InFlight { .. } | Self::TooManyKeys { .. } => 1,
        }
    }

    /// The rate that denies; none where a cap does.
    pub const fn limit(&self) -> Option<RateLimit> {
        match self {
            Self::Rate(denial) => Some(denial.limit),
            Self::InFlight { .. } | Self::TooManyKeys { .. } => None,
        }
    }
}

/// A window is full.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "at most {} requests in {:?} are admitted; retry in {retry_after:?}",
    self.allowed(),
    self.span()
)]
pub struct RateDenial {
    /// The limit.
    pub limit: RateLimit,
    /// Which of its two numbers denies: where both do, the one that does so for longer.
    pub by: Bound,
    /// When there is room: exact, and above zero.
    pub retry_after: Duration,
    /// Who set the limit.
    pub set_by: SetBy,
    /// What the `RateLimit` fields say; none where there are none to be sent.
    pub standing: Option<Standing>,
}

/// What is the same for every question about one request.
struct Asked<'p> {
    limits: &'p Limits,
    rules: Rules<'p>,
    key: WindowKey,
    now: Tick,
}

impl Admission {
    /// Nothing under way, nothing admitted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides on one request at `now`, and charges it.
    ///
    /// A client is told of its rate first, as that tells it when to come again; of the requests
    /// under way only when its rate would admit it.
    pub fn admit(
        &self,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<Permit, Denial> {
        let limits = &policy.limits;
        let rules = Rules::of(limits, class);
        let rule = rules.own;
        let asked = Asked { limits, rules, key: WindowKey::of(class), now };
        let guard = match self.in_flight.enter(&limits.in_flight, class.service) {
            Ok(guard) => guard,
            Err(full) => return Err(self.without_room(&asked, full)),
        };
        let charge = match rule.count {
            Counting::Admitted => Charge::Admitted,
            Counting::Offered => Charge::Offered,
        };
        let (standing, would_deny) = match (self.judge(&asked, charge), rule.mode) {
            (Ok(standing), _) => (standing, None),
            (Err(denial), Mode::Enforce) => return Err(denial),
            (Err(denial), Mode::Shadow | Mode::Off) => (None, Some(denial)),
        };
        Ok(Permit { limit: rule.limit, mode: rule.mode, standing, would_deny, _guard: guard })
    }

    /// What a request is told when there is no room for it among those under way: it is not
    /// charged, unless every request is to be.
    fn without_room(&self, asked: &Asked<'_>, full: Full) -> Denial {
        let charge = match asked.rules.own.count {
            Counting::Admitted => Charge::Nothing,
            Counting::Offered => Charge::Offered,
        };
        let judged = self.judge(asked, charge);
        if let (Err(denial @ Denial::Rate(_)), Mode::Enforce) = (judged, asked.rules.own.mode) {
            return denial;
        }
        Denial::InFlight { of: full.of, max: full.max }
    }

    /// What the window says; the standing is for the `RateLimit` fields, which only a rule that
    /// is carried out sends.
    fn judge(&self, asked: &Asked<'_>, charge: Charge) -> Result<Option<Standing>, Denial> {
        let rule = asked.rules.own;
        let fields = match rule.mode {
            Mode::Enforce => asked.limits.headers,
            Mode::Shadow => RateLimitFields::Off,
            Mode::Off => return Ok(None),
        };
        let case = Case {
            key: asked.key,
            limit: &rule.limit,
            other_limit: asked.rules.of_others.map(|rule| &rule.limit),
            charge,
            fields,
            now: asked.now,
        };
        let max_keys = asked.limits.max_keys;
        let Decision { verdict, standing } = self
            .windows
            .decide(&case, max_keys)
            .map_err(|TooManyKeys| Denial::TooManyKeys { max: max_keys })?;
        match verdict {
            Verdict::Admitted => Ok(standing),
            Verdict::Denied { retry_after, by } => Err(Denial::Rate(RateDenial {
                limit: rule.limit,
                by,
                retry_after,
                set_by: rule.set_by.clone(),
                standing,
            })),
        }
    }

    /// Drops the windows that `policy` asks for no more, and gives their memory back. It looks
    /// at every window: call it about once a second, from a thread that serves no connections.
    pub fn sweep(&self, policy: &Policy, now: Tick) -> Swept {
        self.windows.sweep(&policy.limits, now)
    }

    /// The windows of one service that are in use.
    pub fn windows_of(
        &self,
        policy: &Policy,
        service: ServiceKey,
        now: Tick,
    ) -> Vec<WindowView> {
        self.windows.windows_of(service, &policy.limits, now)
    }

    /// How many windows are in use.
    pub fn live_windows(&self) -> usize {
        self.windows.live()
    }

    /// How many requests are under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.total()
    }
}

impl RateDenial {
    /// The whole seconds after which a request is admitted, at least one.
    pub fn seconds_to_wait(&self) -> u64 {
        let wait = self.retry_after;
        wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
    }

    /// How many requests are allowed in the span that denies.
    pub fn allowed(&self) -> NonZeroU32 {
        match self.by {
            Bound::Window => self.limit.admissions(),
            Bound::Burst => self.limit.burst_admissions().unwrap_or(self.limit.admissions()),
        }
    }

    /// The span that denies.
    pub const fn span(&self) -> Duration {
        match self.by {
            Bound::Window => self.limit.window(),
            Bound::Burst => BURST_SPAN,
        }
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;
