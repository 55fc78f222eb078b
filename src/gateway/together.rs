//! Is there room in a pool that replicas share? The store says, and where it cannot be believed this
//! replica by itself.
//!
//! ```text
//! Store::pool_stance ─ ask ─▶ Links::room ─ held · full
//!      │ alone                    │ uncounted: whose turn is it to count?
//!      ▼                          ▼
//! Gateway::own_room           Gateway::counted
//! ```
//!
//! **Invariant:** a change that this replica has let pass by itself is told to the store, or the store
//! is told to believe nothing of the service: [`Room`] sees to it from before the claim.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::gateway::held::Held;
use crate::gateway::room::Asker;
use crate::gateway::room::OwnRoom;
use crate::gateway::room::Question;
use crate::observe::store::RoomCall;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::policy::store::OnLoss;
use crate::pool::CountOutcome;
use crate::pool::Denial;
use crate::pool::Full;
use crate::pool::Pools;
use crate::sid::Sid;
use crate::store::Insistence;
use crate::store::Links;
use crate::store::PoolChange;
use crate::store::PoolStance;
use crate::store::PoolStanding;
use crate::store::Room;
use crate::store::RoomQuestion;
use crate::store::RoomSaid;
use crate::store::Store;
use crate::time::Tick;

/// What may change at any moment is asked again after so long.
const AGAIN: Duration = Duration::from_millis(20);
/// Where others hold the last places, or count.
pub(super) const WHILE_OTHERS_WORK: Duration = Duration::from_millis(100);
/// An upstream is at a request for no longer than it is waited for, and so much.
const MARGIN: Duration = Duration::from_secs(10);

/// What is to be done about a claim.
enum Step {
    /// The request goes on.
    Pass(Option<Full>),
    /// It is refused.
    Refuse(Full),
    /// It is asked again at once: something is known now that was not.
    Anew,
    /// It is asked again after so long.
    Wait(Duration),
    /// It is asked again after a count.
    Count,
}

impl Gateway {
    /// Holds room for what a request would do to pools that are shared; none where nobody follows it.
    pub(super) async fn room_together(
        &self,
        links: &Rc<Links>,
        asker: &Asker<'_>,
        question: Question,
    ) -> Result<Option<Held>, Denial> {
        let (store, service) = (links.store(), question.service);
        let room = Room::begin(store, self.shared_change(asker, question));
        loop {
            let rule = self.rule(asker, service);
            if rule.mode == Mode::Off {
                return Ok(None);
            }
            let step = match store.pool_stance(service, self.shared.clock.now()) {
                PoolStance::Alone(since) => {
                    match self.room_alone((store, since), asker, question).await? {
                        OwnRoom::Pass(hold) => return Ok(Some(Held::alone(hold, room))),
                        OwnRoom::Again => Step::Anew,
                    }
                }
                PoolStance::Soon => Step::Wait(AGAIN),
                PoolStance::Ask => self.ask_for_room(links, asker, &room, rule).await,
            };
            match step {
                Step::Pass(would_refuse) => return Ok(Some(Held::shared(room, would_refuse))),
                Step::Refuse(full) => {
                    let set_by = rule.set_by.clone();
                    return Err(Denial::Full { service, full, set_by });
                }
                Step::Anew => {}
                // On trial nobody waits. What passes is to be told nevertheless.
                Step::Wait(_) | Step::Count if rule.mode == Mode::Shadow => {
                    return Ok(Some(Held::alone(None, room)));
                }
                Step::Wait(pause) => time::sleep(pause).await,
                Step::Count => match self.counted(asker, service, Some(links)).await {
                    CountOutcome::Counted => {}
                    // As the request itself will be.
                    CountOutcome::Refused => return Ok(Some(Held::alone(None, room))),
                    CountOutcome::Failed => return Err(Denial::Uncounted { service }),
                },
            }
        }
    }

    fn rule<'a>(&self, asker: &Asker<'a>, service: Sid) -> &'a PoolRule {
        self.shared.pool_rule(asker.checked.policy, &asker.checked.class, service)
    }

    fn shared_change(&self, asker: &Asker<'_>, question: Question) -> PoolChange {
        let Question { service, change } = question;
        let timeouts = &asker.checked.policy.upstream.timeouts;
        PoolChange {
            service,
            kinds: ByKind::of(|kind| change.may_go_to(kind)),
            number: change.number(),
            is_strange: self.is_strange(asker, service),
            lease: timeouts.connect.saturating_add(timeouts.response).saturating_add(MARGIN),
        }
    }

    /// Asks the store, and has the service counted where it is time.
    async fn ask_for_room(
        &self,
        links: &Rc<Links>,
        asker: &Asker<'_>,
        room: &Room,
        rule: &PoolRule,
    ) -> Step {
        let is_on_trial = rule.mode == Mode::Shadow;
        let insistence = if is_on_trial { Insistence::Trial } else { Insistence::Enforce };
        let service = room.change().service;
        // Whoever waited may have been accepted meanwhile.
        let change =
            PoolChange { is_strange: self.is_strange(asker, service), ..room.change() };
        let question = RoomQuestion { id: room.id(), change, insistence, limits: rule.limits };
        room.is_asked();
        let said = links.room(&question).await;
        let metrics = &self.observer.metrics;
        metrics.count_room_call(call(said.as_ref().ok().map(|(_, said, _)| said)));
        let Ok((standing, said, account)) = said else { return Step::Wait(AGAIN) };
        if !matches!(said, RoomSaid::Held(_)) {
            room.is_not_held();
        }
        self.learn_standing(asker, service, &standing, account);
        if self.rule(asker, service) != rule {
            return Step::Anew; // it is known for the first time whose service it is
        }
        let recount = asker.checked.policy.limits.pools.recount;
        let is_old = standing.age.is_some_and(|age| Pools::is_old(service, age, recount));
        let is_needed = is_on_trial && said == RoomSaid::Uncounted;
        if standing.is_due || is_old || is_needed {
            self.begin_count(asker, service, Some(links));
        }
        self.step(links, said, (service, rule))
    }

    fn step(&self, links: &Links, said: RoomSaid, (service, rule): (Sid, &PoolRule)) -> Step {
        let full = |kind: PoolKind, used| Full { kind, limit: rule.limit(kind), used };
        let stance = || links.store().pool_stance(service, self.shared.clock.now());
        match said {
            RoomSaid::Held(would_refuse) => {
                Step::Pass(would_refuse.map(|(kind, used)| full(kind, used)))
            }
            RoomSaid::Full(kind, used) => Step::Refuse(full(kind, used)),
            RoomSaid::Contested => Step::Wait(WHILE_OTHERS_WORK),
            RoomSaid::Uncounted if stance() == PoolStance::Ask => Step::Count,
            RoomSaid::Uncounted => Step::Anew, // the data is other data
        }
    }

    /// Remembers what the store tells of a service: for pages and gauges, and whose rule it has.
    fn learn_standing(
        &self,
        asker: &Asker<'_>,
        service: Sid,
        standing: &PoolStanding,
        account: Option<Sid>,
    ) {
        let Shared { pools, clock, .. } = &*self.shared;
        let now = clock.now();
        pools.told(service, told(standing, now), account, now);
        for near in pools.near(service, self.rule(asker, service), now) {
            self.observer.pool_near(service, &near);
        }
    }

    /// This replica decides by itself; what it counted before `since` it has not followed.
    async fn room_alone(
        &self,
        (store, since): (&Arc<Store>, Option<Tick>),
        asker: &Asker<'_>,
        question: Question,
    ) -> Result<OwnRoom, Denial> {
        let service = question.service;
        self.observer.metrics.count_room_call(RoomCall::Alone);
        if let Some(since) = since {
            self.shared.pools.forget_before(service, since);
        }
        let share = match store.config.on_loss {
            OnLoss::LocalShare => Some(store.pool_part(service, self.shared.clock.now())),
            OnLoss::LocalFull => None,
            OnLoss::Closed
                if question.change.needs_room()
                    && self.rule(asker, service).mode == Mode::Enforce =>
            {
                return Err(Denial::Uncounted { service });
            }
            OnLoss::Open | OnLoss::Closed => return Ok(OwnRoom::Pass(None)),
        };
        self.own_room(asker, question, share).await
    }
}

/// What a claim counts as.
const fn call(said: Option<&RoomSaid>) -> RoomCall {
    match said {
        Some(RoomSaid::Held(_)) => RoomCall::Held,
        Some(RoomSaid::Full(..)) => RoomCall::Full,
        Some(RoomSaid::Contested) => RoomCall::Contested,
        Some(RoomSaid::Uncounted) => RoomCall::Uncounted,
        None => RoomCall::Failed,
    }
}

/// What the store tells, as the pools of this process take it.
pub(super) fn told(standing: &PoolStanding, now: Tick) -> (ByKind<u32>, Option<Tick>) {
    let counted = standing.age.map(|age| {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        Tick::from_micros(now.as_micros().saturating_sub(age))
    });
    (standing.numbers, counted)
}

impl Shared {
    /// Who decides about the pools of a service, where there is a store.
    pub(super) fn pool_stance(&self, service: Sid) -> Option<PoolStance> {
        self.store.as_ref().map(|store| store.pool_stance(service, self.clock.now()))
    }

    /// An answer that passed has shown a number in a pool.
    pub(super) fn number_seen(&self, service: Sid, number: Sid, kind: PoolKind) {
        self.pools.seen(service, number, kind);
        if let Some(store) = &self.store {
            store.number_seen(service, Some((number, kind)));
        }
    }

    /// The service's numbers may be others, or fewer, than is known.
    pub(super) fn numbers_stale(&self, service: Sid) {
        self.pools.stale(service);
        if let Some(store) = &self.store {
            store.number_seen(service, None);
        }
    }

    /// The service is deleted, or its numbers are not followed any more.
    pub(super) fn numbers_gone(&self, service: Sid) {
        self.pools.gone(service);
        if let Some(store) = &self.store {
            store.forget_pools(service);
        }
    }
}
