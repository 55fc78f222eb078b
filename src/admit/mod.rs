//! May it go on *now*? The rate of its window and the number of requests under way.
//!
//! **Invariant:** a refusal charges nothing, except where refusals are to be counted. What is
//! always given back, the place among the requests under way, is taken first; the charge comes
//! last. It is taken back only where the upstream refuses a stranger.

mod answered;
pub mod busiest;
pub mod case;
mod denial;
mod explain;
mod form;
pub mod guard;
pub mod in_flight;
mod kept;
pub mod key;
pub mod known;
pub mod learned;
mod learning;
mod reach;
mod reset;
mod shared;
mod shrink;
pub mod standing;
pub mod store;
pub mod window;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::limit::Limits;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time::Tick;
pub use answered::GiveBack;
use case::Caller;
use case::Case;
use case::Decision;
pub use denial::Denial;
pub use denial::RateDenial;
pub use denial::RuleInWords;
pub use explain::Explanation;
pub use explain::HeldSlot;
pub use explain::Inquiry;
pub use form::GuardView;
use guard::Place;
use in_flight::Full;
use in_flight::InFlight;
use in_flight::InFlightGuard;
pub use kept::KeptMeaning;
pub use kept::KeptWindow;
use key::Rules;
use key::Scope;
use key::WindowKey;
use known::KnownCredentials;
use learned::Learned;
pub use learning::Told;
pub use reset::Emptied;
pub use shared::Alone;
pub use shared::NO_SHARE;
pub use shared::Opening;
pub use shared::Pending;
pub use shared::Share;
pub use shared::StoreDenial;
pub use shared::Terms;
use standing::Standing;
use standing::WindowView;
pub use store::Moved;
use store::Swept;
use store::TooManyKeys;
use store::WindowStore;
use window::Bound;
use window::Charge;
use window::Verdict;

/// Decides whether requests are admitted. One for the process; it knows no policy.
#[derive(Debug, Default)]
pub struct Admission {
    learned: Learned,
    windows: WindowStore,
    known: KnownCredentials,
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
    /// The window that judged it.
    key: WindowKey,
    /// What it was charged, until the upstream has answered; none where every offer is charged.
    charge: Option<Charged>,
    /// Its place among the requests under way; none while its body is still to come.
    under_way: Option<InFlightGuard>,
}

/// What an admitted request has taken of its window.
#[derive(Debug)]
struct Charged {
    at: Tick,
    /// Where a guarded window admitted a stranger.
    place: Option<Place>,
}

/// What an admitted request has taken of its window; nothing where no window is asked.
#[derive(Default)]
struct Admitted {
    standing: Option<Standing>,
    charge: Option<Charged>,
    /// The place of a stranger that is not charged yet.
    place: Option<Place>,
}

/// What is the same for every question about one request.
#[derive(Clone, Copy, Debug)]
struct Asked<'p> {
    limits: &'p Limits,
    rules: Rules<'p>,
    /// What it is judged by.
    limit: RateLimit,
    key: WindowKey,
    credential: Digest,
    now: Tick,
}

impl<'p> Asked<'p> {
    fn of(policy: &'p Policy, class: &RequestClass, now: Tick) -> Self {
        let limits = &policy.limits;
        let rules = Rules::of(limits, class);
        let (key, credential) = (WindowKey::of(class), class.credential);
        Self { limits, rules, limit: rules.own.limit, key, credential, now }
    }

    fn charge(&self) -> Charge {
        match self.rules.own.count {
            Counting::Admitted => Charge::Admitted,
            Counting::Offered => Charge::Offered,
        }
    }

    /// What a window's decision comes to.
    fn told(&self, decision: Decision) -> Result<Admitted, Denial> {
        let Decision { verdict, standing, charged_at, place } = decision;
        match verdict {
            Verdict::Admitted => {
                let Some(at) = charged_at else {
                    return Ok(Admitted { standing, charge: None, place });
                };
                let charge = Some(Charged { at, place });
                Ok(Admitted { standing, charge, place: None })
            }
            Verdict::Denied { retry_after, by } => {
                Err(self.denial(self.limit, retry_after, by, standing))
            }
        }
    }

    fn denial(
        &self,
        limit: RateLimit,
        retry_after: Duration,
        by: Bound,
        standing: Option<Standing>,
    ) -> Denial {
        let set_by = self.rules.own.set_by.clone();
        Denial::Rate(RateDenial { limit, by, retry_after, set_by, standing })
    }

    fn permit(
        &self,
        admitted: Admitted,
        would_deny: Option<Denial>,
        under_way: InFlightGuard,
    ) -> Permit {
        let rule = self.rules.own;
        Permit {
            limit: self.limit,
            mode: rule.mode,
            standing: admitted.standing,
            would_deny,
            key: self.key,
            charge: admitted.charge.filter(|_| rule.count == Counting::Admitted),
            under_way: Some(under_way),
        }
    }
}

impl Permit {
    /// The window that judged it.
    pub const fn key(&self) -> WindowKey {
        self.key
    }

    /// What its window is charged with, where that can be taken back.
    pub fn charged_at(&self) -> Option<Tick> {
        self.charge.as_ref().map(|charge| charge.at)
    }

    /// The body is still to come, and while it does the request has no place among those under
    /// way: clients that drip would hold them all.
    pub fn step_aside(&mut self) {
        self.under_way = None;
    }
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
    ///
    /// Where the class was made before an answer told what its name or its credentials stand for,
    /// it is decided as the service or the account that they do stand for.
    pub fn admit(
        &self,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<Permit, Denial> {
        self.learned.settled(WindowKey::of(class).scope, now, |scope| {
            self.admit_settled(policy, &class.within(scope), now)
        })
    }

    fn admit_settled(
        &self,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<Permit, Denial> {
        let asked = Asked::of(policy, class, now);
        let entered = self.in_flight.enter(&policy.limits.in_flight, class.service);
        self.decide(&asked, entered)
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        entered: Result<InFlightGuard, Full>,
    ) -> Result<Permit, Denial> {
        let under_way = match entered {
            Ok(under_way) => under_way,
            Err(full) => return Err(self.without_room(asked, full)),
        };
        let judged = self.judge(asked, asked.charge());
        let (admitted, would_deny) = match (judged, asked.rules.own.mode) {
            (Ok(admitted), _) => (admitted, None),
            (Err(denial), Mode::Enforce) => return Err(denial),
            (Err(denial), Mode::Shadow | Mode::Off) => (Admitted::default(), Some(denial)),
        };
        Ok(asked.permit(admitted, would_deny, under_way))
    }

    /// The body of an admitted request is all there: it is under way again, if there is room.
    pub fn resume(
        &self,
        policy: &Policy,
        class: &RequestClass,
        permit: &mut Permit,
    ) -> Result<(), Denial> {
        let entered = self.in_flight.enter(&policy.limits.in_flight, class.service);
        permit.under_way = Some(entered.map_err(Denial::from)?);
        Ok(())
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
        full.into()
    }

    /// What the window says of a request.
    fn judge(&self, asked: &Asked<'_>, charge: Charge) -> Result<Admitted, Denial> {
        if asked.rules.own.mode == Mode::Off {
            return Ok(Admitted::default());
        }
        let max = asked.limits.max_keys;
        let decided = self.ask_window(asked, charge, max);
        asked.told(decided.map_err(|TooManyKeys| Denial::TooManyKeys { max })?)
    }

    /// The standing is for the `RateLimit` fields, which only a rule that is carried out sends.
    fn ask_window(
        &self,
        asked: &Asked<'_>,
        charge: Charge,
        max_keys: NonZeroUsize,
    ) -> Result<Decision, TooManyKeys> {
        let fields = match asked.rules.own.mode {
            Mode::Enforce => asked.limits.headers,
            Mode::Shadow | Mode::Off => RateLimitFields::Off,
        };
        let (full, of_others) = (&asked.rules.own.limit, asked.rules.of_others);
        let case = Case {
            key: asked.key,
            limit: &asked.limit,
            other_limits: [
                of_others.map(|rule| &rule.limit),
                (*full != asked.limit).then_some(full),
            ],
            charge,
            fields,
            caller: Caller { credential: asked.credential, known: &self.known },
            now: asked.now,
        };
        self.windows.decide(&case, max_keys)
    }

    /// Drops the windows that `policy` asks for no more, ends guards, forgets credentials and what
    /// was learned when its time is over, and gives the memory back. It looks at every window:
    /// call it about once a second, from a thread that serves no connections.
    pub fn sweep(&self, policy: &Policy, now: Tick) -> Swept {
        self.learned.sweep(now);
        self.known.sweep(now);
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

    /// How many of them are guarded against strangers.
    pub fn guarded_windows(&self) -> usize {
        self.windows.guarded()
    }

    /// Whether the upstream has accepted these credentials at this service lately.
    pub fn knows(&self, service: Sid, credential: Digest, now: Tick) -> bool {
        self.known.is_known(Scope::Service(ServiceKey::Sid(service)), credential, now)
    }

    /// How many credentials are no strangers, each counted for every service and account.
    pub fn known_credentials(&self) -> usize {
        self.known.len()
    }

    /// How many requests are under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.total()
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;
