//! A window that is shared with other processes: this process's own is asked first, then a store,
//! then this one takes the charge.
//!
//! **Invariant:** what either of them refuses is charged to neither, except where every offer is to
//! be; what is admitted is charged here too, so that this process knows what it has admitted in the
//! last span. Between question and charge others may be charged: so this process's own window may
//! hold more than its limit for a moment, but never admits more, as the store does not.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Admission;
use super::Admitted;
use super::Asked;
use super::Charged;
use super::Denial;
use super::Permit;
use super::case::Decision;
use super::guard::Place;
use super::in_flight::Full;
use super::in_flight::InFlightGuard;
use super::key::Rules;
use super::key::WindowKey;
use super::reach::Reach;
use super::standing::Standing;
use super::window::Bound;
use super::window::Charge;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::policy::rate::PerBound;
use crate::policy::rate::RateLimit;
use crate::policy::rate::RateRule;
use crate::time::Tick;

/// When a share is nothing, nobody knows when there is more.
pub const NO_SHARE: Duration = Duration::from_secs(1);

/// What this process may admit of a limit by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which part of it.
    pub part: Part,
    /// And no more than this, where that is less.
    pub most: Option<PerBound>,
    /// So many fewer, as others are being judged.
    pub under_way: u32,
}

impl Share {
    /// That of a limit; none where it is nothing.
    pub fn of(self, limit: &RateLimit) -> Option<RateLimit> {
        let share = limit.share(self.part)?;
        let most = self.most.map_or(share.most(), |most| most.with(share.most(), u32::min));
        let less = |many: u32| many.saturating_sub(self.under_way);
        share.at_most(PerBound { window: less(most.window), burst: less(most.burst) })
    }
}

/// By what this process decides without the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// By its share.
    Share(Share),
    /// By the whole limit.
    Full,
    /// By nothing: everything is admitted.
    Open,
}

/// How a request is judged, before anything is asked.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'p> {
    /// In which window.
    pub key: WindowKey,
    /// By which rule.
    pub rule: &'p RateRule,
    /// So many charges have to be remembered.
    pub admissions: u32,
    /// For so long.
    pub span: Duration,
}

impl<'p> Terms<'p> {
    /// The terms of a request of this class.
    pub fn of(policy: &'p Policy, class: &RequestClass) -> Self {
        let rules = Rules::of(&policy.limits, class);
        let others = rules.of_others.map(|rule| Reach::of(&rule.limit)).unwrap_or_default();
        let reach = Reach::of(&rules.own.limit).union(others);
        let (admissions, span) = (reach.admissions, reach.span());
        Self { key: WindowKey::of(class), rule: rules.own, admissions, span }
    }

    /// Those of a window, as far as its key tells.
    pub fn of_window(policy: &'p Policy, key: WindowKey) -> Self {
        Self::of_rule(key.rule(&policy.limits), key)
    }

    /// Those of a window that is judged by this rule.
    pub fn of_rule(rule: &'p RateRule, key: WindowKey) -> Self {
        let reach = Reach::of(&rule.limit);
        Self { key, rule, admissions: reach.admissions, span: reach.span() }
    }
}

/// What this process's own window says.
#[derive(Debug)]
pub enum Opening<'p> {
    /// The store need not be asked.
    Decided(Result<Permit, Denial>),
    /// It has to be.
    Pending(Pending<'p>),
}

/// A request that this process's own window would admit, or that is charged in any case, until the
/// store has decided.
#[derive(Debug)]
#[must_use = "a stranger's try is taken back only where it is said that the store refused"]
pub struct Pending<'p> {
    asked: Asked<'p>,
    entered: Result<InFlightGuard, Full>,
    /// Of a stranger.
    place: Option<Place>,
    /// How this process's own window stands.
    standing: Option<Standing>,
    /// Why this process's own window would not admit it, where every offer is charged: so the store
    /// is to charge it too.
    refused: Option<Denial>,
}

/// Why the store has no slot.
#[derive(Clone, Copy, Debug)]
pub struct StoreDenial {
    /// When the next one is free.
    pub retry_after: Duration,
    /// What stands in the way.
    pub by: Bound,
    /// How the shared window stands.
    pub standing: Option<Standing>,
}

/// What a window is asked before a store is.
const fn later(count: Counting) -> Charge {
    match count {
        Counting::Admitted => Charge::Later,
        Counting::Offered => Charge::OfferedLater,
    }
}

/// What a request has been charged, if it has been.
fn charged(recorded: Option<&Decision>, place: Option<Place>) -> Option<Charged> {
    Some(Charged { at: recorded?.charged_at?, place })
}

impl Asked<'_> {
    /// This process's share of the limit is nothing.
    fn without_share(&self) -> Denial {
        self.denial(self.rules.own.limit, NO_SHARE, Bound::Window, None)
    }

    /// It is refused, where that is carried out.
    fn refused(
        &self,
        denial: Denial,
        entered: Result<InFlightGuard, Full>,
    ) -> Result<Permit, Denial> {
        match self.rules.own.mode {
            Mode::Enforce => Err(denial),
            Mode::Shadow | Mode::Off => {
                Ok(self.permit(Admitted::default(), Some(denial), entered?))
            }
        }
    }
}

impl Admission {
    /// Asks this process's own window about a request that a store will be asked about too, by the
    /// limit or by this process's share of it. Nothing is charged yet.
    pub fn begin<'p>(
        &self,
        policy: &'p Policy,
        class: &RequestClass,
        share: Option<Share>,
        now: Tick,
    ) -> Opening<'p> {
        let mut asked = Asked::of(policy, class, now);
        let rule = asked.rules.own;
        let entered = self.in_flight.enter(&policy.limits.in_flight, class.service);
        if rule.mode == Mode::Off {
            return Opening::Decided(self.decide(&asked, entered));
        }
        let limit = share.map_or(Some(asked.limit), |share| share.of(&asked.limit));
        asked.limit = limit.unwrap_or(asked.limit);
        if let (Err(full), Counting::Admitted) = (&entered, rule.count) {
            return Opening::Decided(Err(self.without_room(&asked, *full)));
        }
        let judged = match limit {
            Some(_) => self.judge(&asked, later(rule.count)),
            None => Err(asked.without_share()),
        };
        let (place, standing, refused) = match (judged, rule.count) {
            (Ok(Admitted { place, standing, .. }), _) => (place, standing, None),
            (Err(denial @ Denial::Rate(_)), Counting::Offered) => (None, None, Some(denial)),
            (Err(denial), _) => return Opening::Decided(asked.refused(denial, entered)),
        };
        Opening::Pending(Pending { asked, entered, place, standing, refused })
    }

    /// The store has admitted it.
    pub fn admitted(
        &self,
        pending: Pending<'_>,
        standing: Option<Standing>,
    ) -> Result<Permit, Denial> {
        let Pending { asked, entered, place, standing: own, refused } = pending;
        let recorded = self.record(&asked);
        if let Some(refused) = refused {
            // What the client has to wait for now includes this refusal.
            let denial = recorded.and_then(|decision| asked.told(decision).err());
            return asked.refused(denial.unwrap_or(refused), entered);
        }
        let charge = charged(recorded.as_ref(), place);
        let standing = standing.map(|shared| match own {
            Some(own) => shared.no_more_than(own),
            None => shared,
        });
        let admitted = Admitted { standing, charge, place: None };
        Ok(asked.permit(admitted, None, entered?))
    }

    /// The store has refused it.
    pub fn denied(&self, pending: Pending<'_>, denial: StoreDenial) -> Result<Permit, Denial> {
        let StoreDenial { retry_after, by, standing } = denial;
        match pending.asked.rules.own.count {
            Counting::Offered => drop(self.record(&pending.asked)),
            Counting::Admitted => self.withdraw(&pending),
        }
        let Pending { asked, entered, .. } = pending;
        let denial = asked.denial(asked.rules.own.limit, retry_after, by, standing);
        asked.refused(denial, entered)
    }

    /// The store cannot be asked, or its answer not be believed.
    pub fn left_alone(&self, pending: Pending<'_>, alone: Alone) -> Result<Permit, Denial> {
        self.withdraw(&pending);
        let Pending { asked, entered, place, .. } = pending;
        drop(place);
        self.decide_alone(asked, entered, alone)
    }

    /// The store cannot be asked, and nobody may pass without it.
    pub fn turned_away(&self, pending: Pending<'_>) {
        self.withdraw(&pending);
        drop(pending);
    }

    /// Decides on a request without a store.
    pub fn admit_alone(
        &self,
        policy: &Policy,
        class: &RequestClass,
        alone: Alone,
        now: Tick,
    ) -> Result<Permit, Denial> {
        self.learned.settled(WindowKey::of(class).scope, now, |scope| {
            let class = class.within(scope);
            let asked = Asked::of(policy, &class, now);
            let entered = self.in_flight.enter(&policy.limits.in_flight, class.service);
            self.decide_alone(asked, entered, alone)
        })
    }

    fn decide_alone(
        &self,
        asked: Asked<'_>,
        entered: Result<InFlightGuard, Full>,
        alone: Alone,
    ) -> Result<Permit, Denial> {
        let rule = asked.rules.own;
        let limit = match alone {
            Alone::Share(share) => share.of(&rule.limit),
            Alone::Full => Some(rule.limit),
            Alone::Open => {
                let under_way = entered?;
                let charge = charged(self.record(&asked).as_ref(), None);
                let admitted = Admitted { charge, ..Admitted::default() };
                return Ok(asked.permit(admitted, None, under_way));
            }
        };
        match (limit, rule.mode) {
            (Some(limit), _) => self.decide(&Asked { limit, ..asked }, entered),
            (None, Mode::Off) => self.decide(&asked, entered),
            (None, Mode::Enforce | Mode::Shadow) => {
                if rule.count == Counting::Offered {
                    self.record(&asked);
                }
                asked.refused(asked.without_share(), entered)
            }
        }
    }

    /// Charges a request that has been decided on; none where rates are not.
    fn record(&self, asked: &Asked<'_>) -> Option<Decision> {
        if asked.rules.own.mode == Mode::Off {
            return None;
        }
        // What else was under way may have been faster, so whether it is full is no question; nor
        // whether the window, which was there, has been dropped meanwhile.
        self.ask_window(asked, Charge::Offered, NonZeroUsize::MAX).ok()
    }

    /// What a stranger was given for the time being is taken back.
    fn withdraw(&self, pending: &Pending<'_>) {
        let Asked { key, credential, limit, now, .. } = &pending.asked;
        if pending.place.is_some() {
            self.windows.withdraw(key, *credential, limit, *now);
        }
    }

    /// How many this process has admitted in the window and in the last second.
    pub fn held(&self, key: &WindowKey, limit: &RateLimit, now: Tick) -> PerBound {
        let times = self.times_of(key);
        let within = |span| {
            let count = times.iter().filter(|at| now < at.plus(span)).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        PerBound { window: within(limit.window()), burst: within(BURST_SPAN) }
    }

    /// When the charges of a window were made, as far as this process remembers them.
    pub fn times_of(&self, key: &WindowKey) -> Vec<Tick> {
        self.windows.times(key)
    }
}
