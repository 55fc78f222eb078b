//! Ring or list? A window is a ring without a lock, and a list under one while it is guarded.
//!
//! **Invariant:** a form is changed with the window alone in hand (`&mut`, in the store the
//! shard's write lock), so no charge is under way: none is lost and none is made twice.

mod merge;

use std::sync::PoisonError;
use std::time::Duration;

use crate::admit::case::Case;
use crate::admit::case::Decision;
use crate::admit::guard;
use crate::admit::guard::Guard;
use crate::admit::reach::Reach;
use crate::admit::standing::Standing;
use crate::admit::window::Charge;
use crate::admit::window::Fill;
use crate::admit::window::Judgement;
use crate::admit::window::MustGrow;
use crate::admit::window::PlainWindow;
use crate::admit::window::SlidingWindow;
use crate::admit::window::Verdict;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::sync::Mutex;
use crate::sync::MutexGuard;
use crate::time::Tick;

/// A window in one of its two forms.
#[derive(Debug)]
pub(crate) enum Form {
    /// Nobody is kept short.
    Open(Open),
    /// Strangers are, and what they took can be given back.
    Guarded(Box<Mutex<Guarded>>),
}

/// A window that nobody guards.
#[derive(Debug)]
pub(crate) struct Open {
    window: SlidingWindow,
    /// Strangers that got no answer of the upstream's, and what they were charged: fewer than
    /// would be a reason to guard it.
    spent: Vec<(Digest, Tick)>,
}

/// A guarded window.
#[derive(Debug)]
pub(crate) struct Guarded {
    window: PlainWindow,
    guard: Guard,
}

/// A stranger that was admitted, and not accepted.
#[derive(Clone, Copy, Debug)]
pub struct Unwelcome<'p> {
    /// Its credentials.
    pub credential: Digest,
    /// What it was judged by.
    pub limit: &'p RateLimit,
    /// The time that the window was charged with.
    pub charged_at: Tick,
    /// Whether it was admitted before the window was guarded.
    pub was_unguarded: bool,
    /// What becomes of the charge.
    pub fate: Fate,
}

/// What becomes of the charge of a stranger that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The upstream has refused it: it is taken back.
    GivenBack,
    /// The upstream said nothing: it stays, and holds a place of the strangers'.
    Spent,
}

/// How a window is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardView {
    /// For how long, if no stranger is refused from now on.
    pub ends_in: Duration,
    /// Strangers that wait for the upstream's answer.
    pub unanswered: u32,
}

impl Form {
    /// A window that remembers nothing, and nobody guards.
    pub(crate) fn new() -> Self {
        Self::of(SlidingWindow::new())
    }

    /// The same with what a window remembers.
    pub(crate) const fn of(window: SlidingWindow) -> Self {
        Self::Open(Open { window, spent: Vec::new() })
    }

    /// Decides one case.
    pub(crate) fn judge(&self, case: &Case<'_>) -> Result<Decision, MustGrow> {
        match self {
            Self::Open(open) => judge_open(&open.window, case),
            Self::Guarded(guarded) => {
                let stranger = case.stranger();
                Ok(lock(guarded).judge(case, stranger))
            }
        }
    }

    /// Decides one case with nobody else at the window.
    pub(crate) fn judge_alone(&mut self, case: &Case<'_>) -> Decision {
        loop {
            match self.judge(case) {
                Ok(decision) => return decision,
                // Once is enough: a ring that has just grown has a free slot.
                Err(MustGrow) => self.grow(),
            }
        }
    }

    fn grow(&mut self) {
        match self {
            Self::Open(open) => open.window.grow(),
            // A list has room for all it may be asked for.
            Self::Guarded(_) => {}
        }
    }

    /// A stranger is not accepted: the window is guarded from now on. One that got no answer is
    /// a reason only together with others. Tells what has changed.
    pub(crate) fn turn_away(&mut self, stranger: &Unwelcome<'_>, now: Tick) -> Change {
        let Unwelcome { credential, limit, charged_at, was_unguarded, fate } = *stranger;
        if let Self::Open(open) = self
            && fate == Fate::Spent
        {
            let is_reason = open.spend(credential, charged_at, limit, now);
            let is_new = is_reason && self.guard(limit, now);
            return Change { is_new, is_given_back: false };
        }
        let is_new = self.guard(limit, now);
        let Self::Guarded(guarded) = self else { return Change::default() };
        let Guarded { window, guard } = &mut *lock(guarded);
        guard.extend(now);
        if was_unguarded {
            guard.note(credential, limit, charged_at);
        }
        let is_given_back = match fate {
            Fate::GivenBack => window.give_back(charged_at),
            Fate::Spent => {
                guard.spend(charged_at, now);
                false
            }
        };
        Change { is_given_back, is_new }
    }

    /// Makes the window a list; answers whether it was none.
    fn guard(&mut self, limit: &RateLimit, now: Tick) -> bool {
        let Self::Open(open) = self else { return false };
        let guarded = open.guarded(Guard::new(now), limit, now);
        *self = Self::Guarded(Box::new(Mutex::new(guarded)));
        true
    }

    /// Makes the window a ring again where its guard is over, or where `is_crowded` and it has
    /// seen no stranger for `span`; answers whether it did.
    pub(crate) fn open(&mut self, is_crowded: bool, span: Duration, now: Tick) -> bool {
        let Self::Guarded(guarded) = self else { return false };
        let window = {
            let mut guarded = lock(guarded);
            let Guarded { window, guard } = &mut *guarded;
            if guard.is_on(now) && (!is_crowded || guard.is_busy(span, now)) {
                return false;
            }
            SlidingWindow::from(window)
        };
        *self = Self::of(window);
        true
    }

    pub(crate) const fn is_guarded(&self) -> bool {
        matches!(self, Self::Guarded(_))
    }

    /// How the window is guarded, where it is.
    pub(crate) fn guard_view(&self, now: Tick) -> Option<GuardView> {
        let Self::Guarded(guarded) = self else { return None };
        let guard = &lock(guarded).guard;
        let (ends_in, unanswered) = (guard.ends_in(now), guard.unanswered());
        guard.is_on(now).then_some(GuardView { ends_in, unanswered })
    }

    /// What the window itself would say to a request of anybody known.
    pub(crate) fn peek(&self, limit: &RateLimit, now: Tick) -> Verdict {
        match self {
            // A peek charges nothing, so it never needs a larger ring.
            Self::Open(Open { window, .. }) => {
                window.decide(limit, Charge::Nothing, now).unwrap_or(Verdict::Admitted)
            }
            Self::Guarded(guarded) => {
                lock(guarded).window.judge(limit, Charge::Nothing, now).verdict
            }
        }
    }

    /// How full the window is when `allowed` charges may lie in the last `span`.
    pub(crate) fn fill(&self, allowed: u32, span: Duration, now: Tick) -> Fill {
        match self {
            Self::Open(open) => open.window.fill(allowed, span, now),
            Self::Guarded(guarded) => lock(guarded).window.fill(allowed, span, now),
        }
    }

    /// A stranger that would have been admitted at `at` is not: its try is taken back.
    pub(crate) fn withdraw(&self, credential: Digest, limit: &RateLimit, at: Tick) {
        if let Self::Guarded(guarded) = self {
            lock(guarded).guard.withdraw(credential, limit, at);
        }
    }

    /// Forgets all charges; a guard stays, and what it holds against strangers.
    pub(crate) fn empty(&mut self) {
        match self {
            Self::Open(_) => *self = Self::new(),
            Self::Guarded(guarded) => lock(guarded).window.empty(),
        }
    }

    /// When each charge was made, from the oldest to the newest, as far as they are remembered.
    pub(crate) fn times(&self) -> Vec<Tick> {
        match self {
            Self::Open(open) => open.window.times(),
            Self::Guarded(guarded) => lock(guarded).window.times(),
        }
    }

    /// When the newest charge was made.
    pub(crate) fn newest(&self) -> Option<Tick> {
        match self {
            Self::Open(open) => open.window.newest(),
            Self::Guarded(guarded) => lock(guarded).window.newest(),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        match self {
            Self::Open(open) => open.window.reach(),
            Self::Guarded(guarded) => lock(guarded).window.reach(),
        }
    }

    pub(crate) fn set_reach(&mut self, reach: Reach) {
        match self {
            Self::Open(open) => open.window.set_reach(reach),
            Self::Guarded(guarded) => lock(guarded).window.set_reach(reach),
        }
    }
}

/// What has changed when a stranger was turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whether its charge was taken back: it was to be, and was still remembered.
    pub(crate) is_given_back: bool,
    /// Whether the window was not guarded before.
    pub(crate) is_new: bool,
}

impl Open {
    /// A stranger got no answer; answers whether that is a reason to guard the window. A client
    /// of one's own whose first form is refused is none, but who does nothing else takes the
    /// window from its owner.
    fn spend(
        &mut self,
        credential: Digest,
        charged_at: Tick,
        limit: &RateLimit,
        now: Tick,
    ) -> bool {
        self.spent.push((credential, charged_at));
        self.is_spent(limit, now)
    }

    /// Whether strangers without an answer hold as much of the window as they may.
    fn is_spent(&mut self, limit: &RateLimit, now: Tick) -> bool {
        self.forget(limit, now);
        u32::try_from(self.spent.len())
            .is_ok_and(|spent| spent >= guard::most_unanswered(limit))
    }

    /// Forgets what has left the window, or would be older than a guard.
    fn forget(&mut self, limit: &RateLimit, now: Tick) {
        let span = limit.window().min(guard::GUARDED_FOR);
        self.spent.retain(|(_, at)| now < at.plus(span));
    }

    /// What it is in the other form, under `guard`, which holds against strangers what they have
    /// had so far.
    fn guarded(&mut self, mut guard: Guard, limit: &RateLimit, now: Tick) -> Guarded {
        self.forget(limit, now);
        for (credential, charged_at) in std::mem::take(&mut self.spent) {
            guard.note(credential, limit, charged_at);
            guard.spend(charged_at, now);
        }
        Guarded { window: PlainWindow::from(&mut self.window), guard }
    }
}

fn judge_open(window: &SlidingWindow, case: &Case<'_>) -> Result<Decision, MustGrow> {
    for other in case.other_limits.into_iter().flatten() {
        window.remember_for(other);
    }
    let Judgement { verdict, charged_at } = window.judge(case.limit, case.charge, case.now)?;
    let standing = case.standing(|allowed, span| window.fill(allowed, span, case.now));
    Ok(Decision { verdict, standing, charged_at, place: None })
}

impl Guarded {
    fn judge(&mut self, case: &Case<'_>, stranger: Option<Digest>) -> Decision {
        let Case { limit, now, .. } = *case;
        for other in case.other_limits.into_iter().flatten() {
            self.window.remember_for(other);
        }
        let stranger = stranger.filter(|_| self.guard.is_on(now));
        let refused =
            stranger.and_then(|credential| self.guard.refuses(credential, limit, now));
        let charge = if refused.is_some() { Charge::Nothing } else { case.charge };
        let Judgement { verdict, charged_at } = self.window.judge(limit, charge, now);
        let verdict = match (refused, verdict) {
            (None, verdict) => verdict,
            // Both stand in the way: the one that does so for longer.
            (Some((wait, _)), Verdict::Denied { retry_after, .. }) if retry_after >= wait => {
                verdict
            }
            (Some((retry_after, by)), _) => Verdict::Denied { retry_after, by },
        };
        let is_pending = case.charge == Charge::Later && verdict == Verdict::Admitted;
        let place = stranger
            .filter(|_| charged_at.is_some() || is_pending)
            .map(|credential| self.guard.admit(credential, limit, now));
        let standing = case.standing(|allowed, span| self.window.fill(allowed, span, now));
        let standing = standing.map(|standing| match stranger {
            Some(credential) => standing.within(self.guard.room(credential, limit, now)),
            None => standing,
        });
        Decision { verdict, standing, charged_at, place }
    }
}

impl Case<'_> {
    fn standing(&self, fill: impl Fn(u32, Duration) -> Fill) -> Option<Standing> {
        match self.fields {
            RateLimitFields::On => Some(Standing::of(self.limit, fill)),
            RateLimitFields::Off => None,
        }
    }
}

fn lock(guarded: &Mutex<Guarded>) -> MutexGuard<'_, Guarded> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}
