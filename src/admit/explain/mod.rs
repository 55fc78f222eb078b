//! What would be decided now, and why? For an operator who asks on the admin listener.
//!
//! **Invariant:** asking charges nothing, opens no window and has none remember more: it judges a
//! copy of the window's times. What is said of one window is of one moment.

use std::time::Duration;

use super::Admission;
use super::Denial;
use super::GuardView;
use super::RateDenial;
use super::key::Rules;
use super::key::Scope;
use super::key::WindowKey;
use super::reach::Reach;
use super::standing::Standing;
use super::window::Charge;
use super::window::PlainWindow;
use super::window::Verdict;
use crate::policy::Policy;
use crate::policy::overrides::Override;
use crate::policy::rate::Mode;
use crate::policy::rate::RateLimit;
use crate::policy::rate::RateRule;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time::Tick;

/// Whose request is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The window that would judge it.
    pub key: WindowKey,
    /// The account whose credentials it would have, where that is said.
    pub account: Option<Sid>,
    /// What this process would judge it by, where that is not the limit of its rule, but a
    /// replica's share of it.
    pub limit: Option<RateLimit>,
}

/// What would be decided on a request of a caller that is known, and what that rests on.
#[derive(Clone, Debug)]
pub struct Explanation<'p> {
    /// By which rule.
    pub rule: &'p RateRule,
    /// The override that it is from; none where it is the general rate.
    pub matched: Option<&'p Override>,
    /// Whether the rule of another account would be another one.
    pub depends_on_account: bool,
    /// Why it would be refused.
    pub denial: Option<Denial>,
    /// Why it would be refused if its rule were not on trial.
    pub on_trial: Option<Denial>,
    /// What it is judged by here.
    pub limit: RateLimit,
    /// How many more would be admitted at once, by the window alone.
    pub remaining: u32,
    /// The charges that lie in the window, from the oldest to the newest.
    pub charges: Vec<HeldSlot>,
    /// How the window is guarded against strangers, where it is.
    pub guard: Option<GuardView>,
}

/// A charge that lies in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldSlot {
    /// How long ago it was made.
    pub age: Duration,
    /// When it leaves the window, and makes room for another one; none where it leaves without,
    /// as the window holds more than the limit allows by now.
    pub frees_in: Option<Duration>,
}

impl Admission {
    /// What would be decided on a request at `now`.
    pub fn explain<'p>(
        &self,
        policy: &'p Policy,
        inquiry: &Inquiry,
        now: Tick,
    ) -> Explanation<'p> {
        let limits = &policy.limits;
        let Inquiry { key, account, limit } = *inquiry;
        let (matched, rules) = Rules::asked(limits, &key, account);
        let rule = rules.own;
        let limit = limit.unwrap_or(rule.limit);
        let seen = self.windows.look(&key, now);
        let is_new = seen.is_none();
        let (times, guard) = seen.unwrap_or_default();
        let mut window = copy_of(&times);
        let judged = if rule.mode == Mode::Off {
            None
        } else if is_new && self.windows.live() >= limits.max_keys.get() {
            Some(Denial::TooManyKeys { max: limits.max_keys })
        } else {
            denial(rule, limit, window.judge(&limit, Charge::Nothing, now).verdict)
        };
        let service = match key.scope {
            Scope::Service(service) => Some(service),
            Scope::Account(_) => None,
        };
        let (denial, on_trial) = self.outcome(policy, service, rule.mode, judged);
        let standing = Standing::of(&limit, |allowed, span| window.fill(allowed, span, now));
        Explanation {
            rule,
            matched,
            depends_on_account: limits.overrides.depends_on_account(&key.asked()),
            denial,
            on_trial,
            limit,
            remaining: standing.requests(),
            charges: held(&times, &limit, now),
            guard,
        }
    }

    /// What comes of the window's word, in the order in which a request is told: of its rate
    /// first, then of the requests under way.
    fn outcome(
        &self,
        policy: &Policy,
        service: Option<ServiceKey>,
        mode: Mode,
        judged: Option<Denial>,
    ) -> (Option<Denial>, Option<Denial>) {
        let full = self.in_flight.full(&policy.limits.in_flight, service).map(Denial::from);
        match (judged, mode) {
            (Some(denial @ Denial::Rate(_)), Mode::Enforce) => (Some(denial), None),
            (judged, Mode::Enforce) => (full.or(judged), None),
            (judged, Mode::Shadow | Mode::Off) => (full, judged),
        }
    }
}

fn denial(rule: &RateRule, limit: RateLimit, verdict: Verdict) -> Option<Denial> {
    match verdict {
        Verdict::Admitted => None,
        Verdict::Denied { retry_after, by } => {
            let set_by = rule.set_by.clone();
            Some(Denial::Rate(RateDenial { limit, by, retry_after, set_by, standing: None }))
        }
    }
}

/// A window with these charges. While others charged, the oldest may have been new ones.
fn copy_of(times: &[Tick]) -> PlainWindow {
    let mut micros: Vec<u64> = times.iter().map(|time| time.as_micros()).collect();
    micros.sort_unstable();
    PlainWindow::holding(micros, Reach::default())
}

fn held(times: &[Tick], limit: &RateLimit, now: Tick) -> Vec<HeldSlot> {
    let leaves = |time: Tick| time.plus(limit.window());
    let mut held: Vec<Tick> =
        times.iter().copied().filter(|time| now < leaves(*time)).collect();
    held.sort_unstable();
    let allowed = usize::try_from(limit.admissions().get()).unwrap_or(usize::MAX);
    let too_many = held.len().saturating_sub(allowed);
    let slot = |(nth, time): (usize, Tick)| HeldSlot {
        age: now.since(time),
        frees_in: (nth >= too_many).then(|| leaves(time).since(now)),
    };
    held.into_iter().enumerate().map(slot).collect()
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
#[expect(clippy::arithmetic_side_effects, reason = "tests, built with overflow checks")]
mod tests;
