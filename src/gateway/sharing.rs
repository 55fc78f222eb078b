//! A request whose window is shared with other replicas: this process, the store, and what holds
//! without it.
//!
//! ```text
//! Ledger::stance ─ refused lately ─▶ 429
//!      │ ask                          alone ─▶ Admission::admit_alone ─▶ Ledger::owe
//!      ▼                                ▲
//! Admission::begin ─▶ Links::ask ─ no answer, another epoch
//!                          │
//!                          ▼
//!              Admission::admitted · denied
//! ```

use std::time::Duration;

use crate::admit::Alone;
use crate::admit::Denial;
use crate::admit::Moved;
use crate::admit::Opening;
use crate::admit::Pending;
use crate::admit::Permit;
use crate::admit::RateDenial;
use crate::admit::StoreDenial;
use crate::admit::Terms;
use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::admit::standing::Standing;
use crate::admit::window::Bound;
use crate::classify::RequestClass;
use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::observe::store::StoreCall;
use crate::policy::Policy;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::policy::rate::RateLimit;
use crate::policy::store::OnLoss;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::store::Count;
use crate::store::Epoch;
use crate::store::Fault;
use crate::store::GiveBack;
use crate::store::Keep;
use crate::store::Links;
use crate::store::Question;
use crate::store::Refused;
use crate::store::Said;
use crate::store::SharedKey;
use crate::store::Stance;
use crate::store::StoreBound;
use crate::store::StoreCharge;
use crate::time::Tick;

/// A request that is admitted, and what it has taken of the shared window.
pub(super) type Admitted = (Permit, Option<Ticket>);

/// What a request has taken of a shared window, so that it can be given back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    key: SharedKey,
    taken: Taken,
}

#[derive(Clone, Copy, Debug)]
enum Taken {
    /// The store has charged it: µs of its clock.
    ByStore(u64),
    /// This replica has, and owes it to the store.
    ByReplica(Tick),
}

/// One request for a shared window.
struct Sharing<'g> {
    gateway: &'g Gateway,
    links: &'g Links,
    policy: &'g Policy,
    class: &'g RequestClass,
    terms: Terms<'g>,
    key: SharedKey,
    now: Tick,
}

impl Gateway {
    /// Admits a request where windows are shared.
    pub(super) async fn admit_shared(
        &self,
        links: &Links,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<Admitted, Denial> {
        let admission = &self.shared.admission;
        let terms = Terms::of(policy, class);
        if terms.rule.mode == Mode::Off {
            return Ok((admission.admit(policy, class, now)?, None));
        }
        let Some(key) = shared_key(&terms.key) else {
            // Nobody knows yet whose it is.
            let part = Part::one_of(links.store().config.replicas);
            let share = Alone::Share { part, most: None };
            return Ok((admission.admit_alone(policy, class, share, now)?, None));
        };
        let sharing = Sharing { gateway: self, links, policy, class, terms, key, now };
        match sharing.stance() {
            Stance::Refused(refused) => Ok((sharing.refuse(&refused)?, None)),
            Stance::Ask(epoch) => sharing.ask(epoch, None).await,
            Stance::Share(epoch) => sharing.share(epoch).await,
            Stance::Alone | Stance::Seed => sharing.alone(None),
        }
    }
}

impl Sharing<'_> {
    /// Who decides; what this replica remembers of the window is handed in where that is wanted.
    fn stance(&self) -> Stance {
        let Self { links, terms, key, now, .. } = self;
        let store = links.store();
        let limit = match terms.rule.count {
            Counting::Admitted => Some(&terms.rule.limit),
            // Each refusal is charged too.
            Counting::Offered => None,
        };
        let stance = || store.ledger.stance(*key, limit, terms.span, *now);
        if !store.answers(key.bucket()) {
            return Stance::Alone;
        }
        let first = stance();
        if first != Stance::Seed {
            return first;
        }
        let times = self.gateway.shared.admission.times_of(&terms.key);
        store.ledger.seed(*key, self.keep(), times, *now);
        store.remind(key.bucket());
        stance()
    }

    fn keep(&self) -> Keep {
        Keep { admissions: self.terms.admissions, span: self.terms.span }
    }

    /// The store has refused a moment ago.
    fn refuse(&self, refused: &Refused) -> Result<Permit, Denial> {
        self.gateway.observer.metrics.count_store_call(StoreCall::Remembered);
        let rule = self.terms.rule;
        let (retry_after, by) = (refused.until.since(self.now), bound(refused.bound));
        let standing = self.standing(&refused.count);
        if rule.mode == Mode::Enforce {
            let (limit, set_by) = (rule.limit, rule.set_by.clone());
            return Err(Denial::Rate(RateDenial { limit, by, retry_after, set_by, standing }));
        }
        let admission = &self.gateway.shared.admission;
        match admission.begin(self.policy, self.class, None, self.now) {
            Opening::Decided(decided) => decided,
            Opening::Pending(pending) => {
                admission.denied(pending, StoreDenial { retry_after, by, standing })
            }
        }
    }

    /// The store answers, and may not know of all admissions.
    async fn share(&self, epoch: Epoch) -> Result<Admitted, Denial> {
        let config = &self.links.store().config;
        match config.on_loss {
            OnLoss::LocalShare => self.ask(epoch, Some(self.part())).await,
            OnLoss::LocalFull => self.ask(epoch, None).await,
            OnLoss::Open | OnLoss::Closed => self.alone(None),
        }
    }

    /// Asks the store about what this replica would admit, by the limit or as one of so many.
    async fn ask(&self, epoch: Epoch, part: Option<Part>) -> Result<Admitted, Denial> {
        let Self { gateway, links, key, now, .. } = self;
        let admission = &gateway.shared.admission;
        let pending = match admission.begin(self.policy, self.class, part, *now) {
            Opening::Decided(decided) => return Ok((decided?, None)),
            Opening::Pending(pending) => pending,
        };
        let sent = gateway.shared.clock.now();
        let said = self.put(epoch).await;
        match said {
            Ok(Said::Admitted { charged_at, count }) => {
                let store = links.store();
                store.ledger.told(*key, (count.taken, self.terms.span), None, sent);
                let permit = admission.admitted(pending, self.standing(&count))?;
                if !store.ledger.is_current(key.bucket(), epoch) {
                    // It was charged in data that is lost by now.
                    self.owe(permit.charged_at().unwrap_or(*now));
                }
                Ok((permit, Some(Ticket { key: *key, taken: Taken::ByStore(charged_at) })))
            }
            Ok(Said::Denied { retry_after, bound: by, count }) => {
                let until = sent.plus(retry_after);
                let limit = self.terms.rule.limit;
                let refused = Refused { limit, until, bound: by, count };
                let taken = (count.taken, self.terms.span);
                links.store().ledger.told(*key, taken, Some(refused), sent);
                let standing = self.standing(&count);
                let denial = StoreDenial { retry_after, by: bound(by), standing };
                Ok((admission.denied(pending, denial)?, None))
            }
            Ok(Said::OtherEpoch) | Err(_) => self.alone(Some(pending)),
        }
    }

    /// Puts the question.
    async fn put(&self, epoch: Epoch) -> Result<Said, Fault> {
        let Self { gateway, links, terms, key, .. } = self;
        let charge = match terms.rule.count {
            Counting::Admitted => StoreCharge::Admitted,
            Counting::Offered => StoreCharge::Offered,
        };
        let limit = &terms.rule.limit;
        let question = Question { key: *key, limit, keep: self.keep(), charge, epoch };
        let sent = gateway.shared.clock.now();
        let said = links.ask(&question).await;
        let metrics = &gateway.observer.metrics;
        metrics.observe_store(gateway.shared.clock.now().since(sent));
        metrics.count_store_call(match said {
            Ok(Said::Admitted { .. }) => StoreCall::Admitted,
            Ok(Said::Denied { .. }) => StoreCall::Denied,
            Ok(Said::OtherEpoch) => StoreCall::OtherEpoch,
            Err(Fault::Late) => StoreCall::Late,
            Err(_) => StoreCall::Failed,
        });
        said
    }

    /// This replica decides by itself.
    fn alone(&self, pending: Option<Pending<'_>>) -> Result<Admitted, Denial> {
        let Self { gateway, links, policy, class, now, .. } = self;
        let admission = &gateway.shared.admission;
        let config = &links.store().config;
        gateway.observer.metrics.count_store_call(StoreCall::Alone);
        let alone = match config.on_loss {
            OnLoss::LocalShare => Alone::Share { part: self.part(), most: self.allowance() },
            OnLoss::LocalFull => Alone::Full,
            OnLoss::Open => Alone::Open,
            OnLoss::Closed => {
                if let Some(pending) = pending {
                    admission.turned_away(pending);
                }
                return Err(Denial::StoreLost);
            }
        };
        let decided = match pending {
            Some(pending) => admission.left_alone(pending, alone),
            None => admission.admit_alone(policy, class, alone, *now),
        };
        let charged = match (self.terms.rule.count, &decided) {
            (Counting::Offered, _) => Some(*now),
            (Counting::Admitted, Ok(permit)) => permit.charged_at(),
            (Counting::Admitted, Err(_)) => None,
        };
        let ticket = charged.map(|at| self.owe(at));
        Ok((decided?, ticket))
    }

    /// Which part of the limit is this replica's.
    fn part(&self) -> Part {
        self.links.store().part(self.key.bucket(), self.now)
    }

    /// What this replica may have of a window that the store told of before it was lost.
    fn allowance(&self) -> Option<u32> {
        let Self { gateway, links, terms, key, now, .. } = self;
        let store = links.store();
        let own = || {
            let times = gateway.shared.admission.times_of(&terms.key);
            let is_in = |at: &&Tick| *now < at.plus(terms.span);
            u32::try_from(times.iter().filter(is_in).count()).unwrap_or(u32::MAX)
        };
        let of = (terms.rule.limit.admissions(), store.config.replicas);
        store.ledger.allowance(*key, of, own, *now)
    }

    fn owe(&self, at: Tick) -> Ticket {
        let store = self.links.store();
        store.ledger.owe(self.key, self.keep(), at);
        store.remind(self.key.bucket());
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

const fn bound(bound: StoreBound) -> Bound {
    match bound {
        StoreBound::Window => Bound::Window,
        StoreBound::Burst => Bound::Burst,
    }
}

/// The name of a window that all replicas know; none where nobody knows yet whose it is.
fn shared_key(key: &WindowKey) -> Option<SharedKey> {
    let sid = match key.scope {
        Scope::Service(ServiceKey::Sid(sid)) | Scope::Account(AccountKey::Sid(sid)) => sid,
        Scope::Service(ServiceKey::Named(_)) | Scope::Account(AccountKey::Credential(_)) => {
            return None;
        }
    };
    Some(SharedKey { sid, endpoint: key.endpoint })
}

impl Shared {
    /// The charge of a request is given back here, so it is there too.
    pub(super) fn give_back(&self, ticket: Ticket) {
        let Some(store) = &self.store else { return };
        match ticket.taken {
            Taken::ByStore(charged_at) => {
                store.ledger.give_back(GiveBack { key: ticket.key, charged_at });
            }
            Taken::ByReplica(at) => store.ledger.owe_no_more(ticket.key, at),
        }
        store.remind(ticket.key.bucket());
    }

    /// Charges that this replica alone knew of have become those of shared windows.
    pub fn owe_moved(&self, policy: &Policy, moved: &[Moved]) {
        let Some(store) = &self.store else { return };
        for Moved { key, times } in moved {
            let Some(shared) = shared_key(key) else { continue };
            let terms = Terms::of_window(policy, *key);
            let keep = Keep { admissions: terms.admissions, span: terms.span };
            for at in times {
                store.ledger.owe(shared, keep, *at);
            }
            store.remind(shared.bucket());
        }
    }
}
