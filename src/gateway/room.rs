//! Is there room for the number that a request would add? Where that is not known, the
//! service's numbers are counted first.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use tokio::task;
use tokio::time;

use crate::classify::RequestClass;
use crate::gateway::Checked;
use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::gateway::count::Count;
use crate::gateway::held::Held;
use crate::gateway::listing::Errand;
use crate::inspect::Flag;
use crate::learn::Subject;
use crate::policy::Policy;
use crate::policy::endpoint::Method;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::pool::Change;
use crate::pool::Claim;
use crate::pool::Claimant;
use crate::pool::CountOutcome;
use crate::pool::CountTurn;
use crate::pool::Counting;
use crate::pool::Denial;
use crate::pool::Hold;
use crate::pool::Kinds;
use crate::pool::Need;
use crate::sid::Sid;
use crate::store::Links;

/// The field of a form that says which pool a number is in.
const IS_RESERVED: &str = "IsReserved";

/// A request that has passed every check but this one.
pub(super) struct Asker<'a> {
    pub(super) checked: &'a Checked<'a>,
    pub(super) subject: &'a Subject,
    pub(super) request_id: &'a HeaderValue,
}

/// What it would do to the pools of which service.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) service: Sid,
    pub(super) change: Change,
}

/// What the pools of this process say of a request.
pub(super) enum OwnRoom {
    /// It goes on with this room; with none where nobody follows it.
    Pass(Option<Hold>),
    /// It has waited for what was not known, and is to ask again whoever decides by now.
    Again,
}

impl Shared {
    /// The rule for a service: that of its account, where a count has told whose it is, and
    /// until then that of the caller. Whoever claims to be somebody else has no other.
    pub(super) fn pool_rule<'p>(
        &self,
        policy: &'p Policy,
        class: &RequestClass,
        service: Sid,
    ) -> &'p PoolRule {
        let owner = self.pools.owner(service).or(class.account.sid());
        policy.limits.pools.rule(owner, service)
    }
}

impl Gateway {
    /// Holds room for what a request would do to the pools of a service; none where it does
    /// nothing to them, or nobody asks.
    pub(super) async fn room(&self, asker: Asker<'_>) -> Result<Option<Held>, Denial> {
        let Some(question) = asker.question() else { return Ok(None) };
        let limit = asker.checked.policy.limits.pools.count_timeout;
        let room = match &self.links {
            None => {
                let room = time::timeout(limit, self.certain_room(&asker, question)).await;
                room.map(|room| room.map(|hold| hold.map(Held::own)))
            }
            // In a box, so that it takes no room in a request of a gateway that is alone.
            Some(links) => {
                let room = self.room_together(links, &asker, question);
                Box::pin(time::timeout(limit, room)).await
            }
        };
        room.unwrap_or(Err(Denial::Uncounted { service: question.service }))
    }

    /// Where a rule is on trial nobody waits for a count.
    fn room_on_trial(
        &self,
        asker: &Asker<'_>,
        question: Question,
        rule: &PoolRule,
    ) -> Option<Hold> {
        self.recount_if_due(asker, question.service);
        match self.claim(asker, question, rule) {
            Claim::Held(hold) => Some(hold),
            Claim::Full(_) | Claim::Contested(_) | Claim::Uncounted => None,
        }
    }

    /// By the pools of this process alone.
    async fn certain_room(
        &self,
        asker: &Asker<'_>,
        question: Question,
    ) -> Result<Option<Hold>, Denial> {
        loop {
            if let OwnRoom::Pass(hold) = self.own_room(asker, question, None).await? {
                return Ok(hold);
            }
        }
    }

    /// Asks the pools of this process once; where it is one of so many replicas that cannot ask each
    /// other, for its share of what is free.
    pub(super) async fn own_room(
        &self,
        asker: &Asker<'_>,
        question: Question,
        share: Option<Part>,
    ) -> Result<OwnRoom, Denial> {
        let (service, checked) = (question.service, asker.checked);
        // After a count it may be known for the first time whose service it is.
        let rule = self.shared.pool_rule(checked.policy, &checked.class, service);
        match rule.mode {
            Mode::Off => return Ok(OwnRoom::Pass(None)),
            Mode::Shadow => {
                return Ok(OwnRoom::Pass(self.room_on_trial(asker, question, rule)));
            }
            Mode::Enforce => {}
        }
        let claim = match share {
            None => self.claim(asker, question, rule),
            Some(part) => {
                let limits = self.shared.pools.share(service, rule, part);
                self.claim(asker, question, &PoolRule { limits, ..rule.clone() })
            }
        };
        match claim {
            Claim::Held(hold) => {
                self.recount_if_due(asker, service);
                return Ok(OwnRoom::Pass(Some(hold)));
            }
            Claim::Full(full) => {
                // Somebody may have made room where the gateway did not see it.
                self.recount_if_due(asker, service);
                let set_by = rule.set_by.clone();
                return Err(if full.limit < rule.limit(full.kind) {
                    Denial::ShareUsed { service, full, set_by }
                } else {
                    Denial::Full { service, full, set_by }
                });
            }
            Claim::Contested(vacancy) => vacancy.comes().await,
            Claim::Uncounted => match self.counted(asker, service, None).await {
                CountOutcome::Counted => {}
                // As the request itself will be.
                CountOutcome::Refused => return Ok(OwnRoom::Pass(None)),
                CountOutcome::Failed => return Err(Denial::Uncounted { service }),
            },
        }
        Ok(OwnRoom::Again)
    }

    fn claim(&self, asker: &Asker<'_>, question: Question, rule: &PoolRule) -> Claim {
        let Question { service, change } = question;
        let Shared { pools, clock, .. } = &*self.shared;
        let is_strange = self.is_strange(asker, service);
        let by = if is_strange { Claimant::Stranger } else { Claimant::Known };
        pools.claim_by((service, by), rule, change, clock.now())
    }

    /// Whether the upstream has not accepted the caller at the service lately.
    pub(super) fn is_strange(&self, asker: &Asker<'_>, service: Sid) -> bool {
        let Shared { admission, clock, .. } = &*self.shared;
        !admission.knows(service, asker.checked.class.credential, clock.now())
    }

    /// Has the service counted, for all replicas where there are `links`, or waits for another's count
    /// of it. Whose credentials were refused, or whose worker has ended, says nothing of this caller's.
    pub(super) async fn counted(
        &self,
        asker: &Asker<'_>,
        service: Sid,
        links: Option<&Rc<Links>>,
    ) -> CountOutcome {
        let account = asker.checked.asked.account.sid();
        let mut is_own = false;
        loop {
            match self.shared.pools.begin_count(service, account, self.shared.clock.now()) {
                CountTurn::Yours(counting) => {
                    self.count(asker, (service, links), counting);
                    is_own = true;
                }
                CountTurn::Theirs(count) => match count.outcome().await {
                    Some(CountOutcome::Refused) | None if !is_own => {}
                    outcome => return outcome.unwrap_or(CountOutcome::Failed),
                },
                CountTurn::TooSoon(left) => time::sleep(left).await,
            }
        }
    }

    fn recount_if_due(&self, asker: &Asker<'_>, service: Sid) {
        let pools = &self.shared.pools;
        let now = self.shared.clock.now();
        let recount = asker.checked.policy.limits.pools.recount;
        match pools.needs_count(service, recount, now) {
            Need::None => return,
            Need::Background | Need::Now => {}
        }
        self.begin_count(asker, service, None);
    }

    /// Has the service counted in the background, for all replicas where there are `links`.
    pub(super) fn begin_count(
        &self,
        asker: &Asker<'_>,
        service: Sid,
        links: Option<&Rc<Links>>,
    ) {
        let account = asker.checked.asked.account.sid();
        let now = self.shared.clock.now();
        if let CountTurn::Yours(counting) = self.shared.pools.begin_count(service, account, now)
        {
            self.count(asker, (service, links), counting);
        }
    }

    /// Counts apart from the request at hand: others may wait for it when its client has left.
    fn count(
        &self,
        asker: &Asker<'_>,
        (service, links): (Sid, Option<&Rc<Links>>),
        counting: Counting,
    ) {
        let count = Count {
            shared: Arc::clone(&self.shared),
            forwarder: self.forwarder.clone(),
            observer: self.observer.clone(),
            policy: Arc::clone(asker.checked.policy),
            errand: Errand::of(&asker.checked.head, asker.checked.caller, asker.request_id),
            class: asker.checked.class,
            service,
            account: asker.checked.asked.account.sid(),
            links: links.map(Rc::clone),
            began: self.shared.pool_stance(service),
        };
        task::spawn_local(count.run(counting));
    }
}

impl Asker<'_> {
    fn question(&self) -> Option<Question> {
        Some(Question { service: self.subject.service?, change: self.change()? })
    }

    fn change(&self) -> Option<Change> {
        let Checked { policy, head, body, .. } = self.checked;
        let Subject { endpoint, number, .. } = *self.subject;
        if !policy.limits.pools.counts(self.subject.numbers()?) {
            return None;
        }
        let named = || kinds(Flag::in_form(IS_RESERVED, head.uri.query(), body));
        match (endpoint.operation()?.method, number) {
            (Method::Post, None) => {
                let kinds = named().unwrap_or(Kinds::Only(PoolKind::Unreserved));
                Some(Change::Add { kinds })
            }
            (Method::Post, Some(number)) => Some(Change::Move { number, kinds: named()? }),
            (Method::Delete, Some(number)) => Some(Change::Remove { number }),
            (Method::Get, _) | (Method::Delete, None) => None,
        }
    }
}

/// The pools that a form names; none where it names none.
const fn kinds(said: Flag) -> Option<Kinds> {
    match (said.yes, said.no) {
        (true, false) => Some(Kinds::Only(PoolKind::Reserved)),
        (false, true) => Some(Kinds::Only(PoolKind::Unreserved)),
        (true, true) => Some(Kinds::Either),
        (false, false) => None,
    }
}
