//! Who admits a request whose window is shared with other replicas: this process, the store, or
//! both?
//!
//! ```text
//! begin ─ Ledger::stance ─ refused lately ─▶ 429
//!              │ ask                 alone ─▶ Admission::admit_alone ─▶ Ledger::owe
//!              ▼                       ▲
//!         Admission::begin ─▶ Asking ┄ │ ┄ no answer, another epoch
//!                               ┊      │
//! answered ◀┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┘
//!     └─▶ Admission::admitted · denied
//! ```
//!
//! **Invariant:** what is admitted is charged in this process's own window and in the store's, or is
//! owed to it; what is refused is charged in neither, except where every offer is to be (and not those
//! that are refused because the store is lost). No I/O and no clock: who asks the store is
//! `gateway::sharing`, or a simulation.

use std::time::Duration;

use crate::admit::Admission;
use crate::admit::Alone;
use crate::admit::Denial;
use crate::admit::Opening;
use crate::admit::Pending;
use crate::admit::Permit;
use crate::admit::RateDenial;
use crate::admit::Share;
use crate::admit::StoreDenial;
use crate::admit::Terms;
use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::admit::standing::Standing;
use crate::admit::window::Bound;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::policy::rate::PerBound;
use crate::policy::rate::RateLimit;
use crate::policy::store::OnLoss;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::store::Count;
use crate::store::Counted;
use crate::store::Epoch;
use crate::store::GiveBack;
use crate::store::Keep;
use crate::store::Ledger;
use crate::store::Loss;
use crate::store::Question;
use crate::store::Refused;
use crate::store::Said;
use crate::store::SharedKey;
use crate::store::Stance;
use crate::store::StoreBound;
use crate::store::StoreCharge;
use crate::store::Told;
use crate::time::Tick;

/// A request that is admitted, and what it has taken of the shared window.
pub type Admitted = (Permit, Option<Ticket>);

/// What a request has taken of a shared window, so that it can be given back.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// The window.
    pub key: SharedKey,
    taken: Taken,
}

#[derive(Clone, Copy, Debug)]
enum Taken {
    /// The store has charged it: µs of its clock.
    ByStore(u64),
    /// This replica has, and owes it to the store.
    ByReplica(Tick),
}

impl Ticket {
    /// The charge is given back by this process, so it has to be by the store too.
    pub fn give_back(self, ledger: &Ledger) {
        match self.taken {
            Taken::ByStore(charged_at) => {
                ledger.give_back(GiveBack { key: self.key, charged_at });
            }
            Taken::ByReplica(at) => ledger.owe_no_more(self.key, at),
        }
    }
}

/// One request for a shared window, and all that decides about it.
#[derive(Clone, Copy, Debug)]
pub struct Sharing<'s> {
    /// This process's own windows.
    pub admission: &'s Admission,
    /// What it knows of the store.
    pub ledger: &'s Ledger,
    /// What holds while the store is lost.
    pub on_loss: OnLoss,
    /// This replica's part of the limit, of so many replicas.
    pub part: Part,
    /// What is in force.
    pub policy: &'s Policy,
    /// Whose request it is, and what it asks for.
    pub class: &'s RequestClass,
    /// How it is judged.
    pub terms: Terms<'s>,
    /// The window's name in the store.
    pub key: SharedKey,
    /// When it came.
    pub now: Tick,
}

/// By whom a request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By a refusal of the store that still holds.
    Remembered,
    /// By this process's own window, and by the store if that was asked.
    Both,
    /// By this process alone: the store does not answer, or cannot be believed.
    Alone,
}

/// A request that is decided.
#[derive(Debug)]
pub struct Decision {
    /// By whom.
    pub by: By,
    /// How.
    pub outcome: Result<Admitted, Denial>,
}

/// How it goes on.
#[derive(Debug)]
pub enum Step<'s> {
    /// It does not.
    Decided(Decision),
    /// The store has to be asked.
    Ask(Asking<'s>),
}

/// A request that this process would admit, or that is charged in any case, until the store has
/// answered.
#[derive(Debug)]
pub struct Asking<'s> {
    /// What the store is asked.
    pub question: Question<'s>,
    pending: Pending<'s>,
    /// Only where this replica keeps to its share, as the answer alone cannot be believed.
    counted: Option<Counted<'s>>,
}

impl<'s> Sharing<'s> {
    /// Begins with a request; `answers`: whether the window's server does, as far as is known.
    pub fn begin(&self, answers: bool) -> Step<'s> {
        match self.stance(answers) {
            Stance::Refused(refused) => Step::Decided(self.refuse(&refused)),
            Stance::Ask(epoch) => self.ask(epoch, None),
            Stance::Share { epoch, is_new } => self.share(epoch, is_new),
            Stance::Alone | Stance::Seed { .. } => Step::Decided(self.alone(None)),
        }
    }

    /// Ends with what the store said to a question that was sent at `sent`; nothing, where there was
    /// no answer in time: then it may have charged the request, or not.
    pub fn answered(&self, asking: Asking<'_>, said: Option<Said>, sent: Tick) -> Decision {
        // Counted until it is charged.
        let Asking { question, pending, counted } = asking;
        let is_whole = counted.is_none();
        let outcome = match said {
            Some(Said::Admitted { charged_at, count }) => {
                self.told(&count, is_whole, None, sent);
                let standing = self.standing(&count);
                let admitted = self.admission.admitted(pending, standing);
                let at = admitted.as_ref().ok().and_then(Permit::charged_at);
                self.owe_if_gone(question.epoch, at.unwrap_or(self.now));
                let taken = Taken::ByStore(charged_at);
                admitted.map(|permit| (permit, Some(Ticket { key: self.key, taken })))
            }
            Some(Said::Denied { retry_after, bound: by, count }) => {
                let until = sent.plus(retry_after);
                let limit = self.terms.rule.limit;
                let refused = Refused { limit, until, bound: by, count };
                if question.charge == StoreCharge::Offered {
                    self.owe_if_gone(question.epoch, self.now);
                }
                self.told(&count, is_whole, Some(refused), sent);
                let standing = self.standing(&count);
                let denial = StoreDenial { retry_after, by: bound(by), standing };
                self.admission.denied(pending, denial).map(|permit| (permit, None))
            }
            Some(Said::OtherEpoch) | None => return self.alone(Some(pending)),
        };
        Decision { by: By::Both, outcome }
    }

    /// Who decides; what this replica remembers of the window is handed in where that is wanted.
    fn stance(&self, answers: bool) -> Stance {
        let Self { admission, ledger, terms, key, now, .. } = self;
        let limit = match terms.rule.count {
            Counting::Admitted => Some(&terms.rule.limit),
            // Each refusal is charged too.
            Counting::Offered => None,
        };
        let stance = || ledger.stance(*key, limit, terms.span, *now);
        if !answers {
            return Stance::Alone;
        }
        let first = stance();
        let Stance::Seed { .. } = first else { return first };
        ledger.seed(*key, self.keep(), admission.times_of(&terms.key), *now);
        stance()
    }

    fn keep(&self) -> Keep {
        Keep { admissions: self.terms.admissions, span: self.terms.span }
    }

    /// The store has refused a moment ago.
    fn refuse(&self, refused: &Refused) -> Decision {
        let rule = self.terms.rule;
        let (retry_after, by) = (refused.until.since(self.now), bound(refused.bound));
        let standing = self.standing(&refused.count);
        let decided = if rule.mode == Mode::Enforce {
            let (limit, set_by) = (rule.limit, rule.set_by.clone());
            Err(Denial::Rate(RateDenial { limit, by, retry_after, set_by, standing }))
        } else {
            match self.admission.begin(self.policy, self.class, None, self.now) {
                Opening::Decided(decided) => decided,
                Opening::Pending(pending) => {
                    let denial = StoreDenial { retry_after, by, standing };
                    self.admission.denied(pending, denial)
                }
            }
        };
        Decision { by: By::Remembered, outcome: decided.map(|permit| (permit, None)) }
    }

    /// The store answers, and may not know of all admissions.
    fn share(&self, epoch: Epoch, is_new: bool) -> Step<'s> {
        match self.on_loss {
            OnLoss::LocalShare => {
                let counted = self.ledger.begin(self.key);
                let most = if is_new { self.allowance(false) } else { None };
                let under_way = counted.before;
                let share = Share { part: self.part, most, under_way };
                self.ask(epoch, Some((share, counted)))
            }
            OnLoss::LocalFull => self.ask(epoch, None),
            OnLoss::Open | OnLoss::Closed => Step::Decided(self.alone(None)),
        }
    }

    /// Asks about what this replica would admit, by the limit or by its share of it.
    fn ask(&self, epoch: Epoch, share: Option<(Share, Counted<'s>)>) -> Step<'s> {
        let Self { admission, terms, key, now, .. } = *self;
        let (share, counted) = share.unzip();
        let pending = match admission.begin(self.policy, self.class, share, now) {
            Opening::Decided(decided) => {
                let outcome = decided.map(|permit| (permit, None));
                return Step::Decided(Decision { by: By::Both, outcome });
            }
            Opening::Pending(pending) => pending,
        };
        let charge = match terms.rule.count {
            Counting::Admitted => StoreCharge::Admitted,
            Counting::Offered => StoreCharge::Offered,
        };
        let limit = &terms.rule.limit;
        let question = Question { key, limit, keep: self.keep(), charge, epoch };
        Step::Ask(Asking { question, pending, counted })
    }

    /// This replica decides by itself.
    fn alone(&self, pending: Option<Pending<'_>>) -> Decision {
        let Self { admission, policy, class, now, .. } = *self;
        let alone = match self.on_loss {
            OnLoss::LocalShare => Alone::Share(Share {
                part: self.part,
                most: self.allowance(true),
                under_way: 0,
            }),
            OnLoss::LocalFull => Alone::Full,
            OnLoss::Open => Alone::Open,
            // A rule on trial refuses nothing.
            OnLoss::Closed if self.terms.rule.mode == Mode::Shadow => Alone::Open,
            OnLoss::Closed => {
                if let Some(pending) = pending {
                    admission.turned_away(pending);
                }
                return Decision { by: By::Alone, outcome: Err(Denial::StoreLost) };
            }
        };
        let decided = match pending {
            Some(pending) => admission.left_alone(pending, alone),
            None => admission.admit_alone(policy, class, alone, now),
        };
        let charged = match (self.terms.rule.count, &decided) {
            (Counting::Offered, _) => Some(now),
            (Counting::Admitted, Ok(permit)) => permit.charged_at(),
            (Counting::Admitted, Err(_)) => None,
        };
        let ticket = charged.map(|at| self.owe(at));
        Decision { by: By::Alone, outcome: decided.map(|permit| (permit, ticket)) }
    }

    /// What this replica may have of a window that the store told of before it, or its data, was
    /// lost.
    fn allowance(&self, is_lost: bool) -> Option<PerBound> {
        let limit = &self.terms.rule.limit;
        let own = || self.admission.held(&self.terms.key, limit, self.now);
        let loss = Loss { limit, replicas: self.part.replicas(), is_lost, now: self.now };
        self.ledger.allowance(self.key, loss, own)
    }

    fn told(&self, count: &Count, is_whole: bool, refused: Option<Refused>, sent: Tick) {
        let taken = PerBound { window: count.taken, burst: count.burst_taken };
        let limit = self.terms.rule.limit;
        let told = Told { limit, taken, span: self.terms.span, is_whole, refused };
        self.ledger.told(self.key, told, sent);
    }

    /// The store has charged it in this epoch: what was in it may be lost by now.
    fn owe_if_gone(&self, epoch: Epoch, at: Tick) {
        if !self.ledger.is_current(self.key.bucket(), epoch) {
            self.owe(at);
        }
    }

    fn owe(&self, at: Tick) -> Ticket {
        self.ledger.owe(self.key, self.keep(), at);
        Ticket { key: self.key, taken: Taken::ByReplica(at) }
    }

    /// What the `RateLimit` fields say of the shared window.
    fn standing(&self, count: &Count) -> Option<Standing> {
        let is_sent = self.terms.rule.mode == Mode::Enforce
            && self.policy.limits.headers == RateLimitFields::On;
        is_sent.then(|| standing(&self.terms.rule.limit, count, self.now))
    }
}

fn standing(limit: &RateLimit, count: &Count, now: Tick) -> Standing {
    let window: (u32, Duration) = (count.taken, count.resets_at.since(now));
    Standing::of_shared(limit, window, (count.burst_taken, count.burst_resets_at.since(now)))
}

pub(crate) const fn bound(bound: StoreBound) -> Bound {
    match bound {
        StoreBound::Window => Bound::Window,
        StoreBound::Burst => Bound::Burst,
    }
}

/// The name of a window that all replicas know; none where nobody knows yet whose it is.
pub fn shared_key(key: &WindowKey) -> Option<SharedKey> {
    let sid = match key.scope {
        Scope::Service(ServiceKey::Sid(sid)) | Scope::Account(AccountKey::Sid(sid)) => sid,
        Scope::Service(ServiceKey::Named(_)) | Scope::Account(AccountKey::Credential(_)) => {
            return None;
        }
    };
    Some(SharedKey { sid, endpoint: key.endpoint })
}
