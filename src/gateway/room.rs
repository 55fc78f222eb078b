//! Is there room for the number that a request would add? Where that is not known, the
//! service's numbers are counted first.

use std::sync::Arc;

use http::HeaderValue;
use tokio::task;
use tokio::time;

use crate::gateway::Checked;
use crate::gateway::Gateway;
use crate::gateway::count::Count;
use crate::gateway::listing::Errand;
use crate::inspect::Flag;
use crate::learn::Subject;
use crate::policy::endpoint::Method;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::pool::Change;
use crate::pool::Claim;
use crate::pool::CountOutcome;
use crate::pool::CountTurn;
use crate::pool::Counting;
use crate::pool::Denial;
use crate::pool::Hold;
use crate::pool::Kinds;
use crate::pool::Need;
use crate::sid::Sid;

/// The field of a form that says which pool a number is in.
const IS_RESERVED: &str = "IsReserved";

/// A request that has passed every check but this one.
pub(super) struct Asker<'a> {
    pub(super) checked: &'a Checked<'a>,
    pub(super) subject: &'a Subject,
    pub(super) request_id: &'a HeaderValue,
}

/// What it would do to the pools of which service, and the rule for that.
struct Question<'a> {
    service: Sid,
    change: Change,
    rule: &'a PoolRule,
}

impl Gateway {
    /// Holds room for what a request would do to the pools of a service; none where it does
    /// nothing to them, or nobody asks.
    pub(super) async fn room(&self, asker: Asker<'_>) -> Result<Option<Hold>, Denial> {
        let Some(question) = asker.question() else { return Ok(None) };
        match question.rule.mode {
            Mode::Off => {
                drop(self.claim(&question)); // what is not followed is forgotten
                Ok(None)
            }
            Mode::Shadow => Ok(self.room_on_trial(&asker, &question)),
            Mode::Enforce => {
                let limit = asker.checked.policy.limits.pools.count_timeout;
                let room = time::timeout(limit, self.certain_room(&asker, &question)).await;
                let uncounted = Denial::Uncounted { service: question.service };
                room.unwrap_or(Err(uncounted))
            }
        }
    }

    /// Where a rule is on trial nobody waits for a count.
    fn room_on_trial(&self, asker: &Asker<'_>, question: &Question<'_>) -> Option<Hold> {
        self.recount_if_due(asker, question);
        match self.claim(question) {
            Claim::Held(hold) => Some(hold),
            Claim::Full(_) | Claim::Uncounted => None,
        }
    }

    async fn certain_room(
        &self,
        asker: &Asker<'_>,
        question: &Question<'_>,
    ) -> Result<Option<Hold>, Denial> {
        let service = question.service;
        loop {
            match self.claim(question) {
                Claim::Held(hold) => {
                    self.recount_if_due(asker, question);
                    return Ok(Some(hold));
                }
                Claim::Full(full) => {
                    // Somebody may have made room where the gateway did not see it.
                    self.recount_if_due(asker, question);
                    let set_by = question.rule.set_by.clone();
                    return Err(Denial::Full { service, full, set_by });
                }
                Claim::Uncounted => match self.counted(asker, service).await {
                    CountOutcome::Counted => {}
                    CountOutcome::Refused => return Ok(None), // as the request itself will be
                    CountOutcome::Failed => return Err(Denial::Uncounted { service }),
                },
            }
        }
    }

    fn claim(&self, question: &Question<'_>) -> Claim {
        let Question { service, change, rule } = *question;
        self.shared.pools.claim(service, rule, change, self.shared.clock.now())
    }

    /// Has the service counted, or waits for another's count of it. Whose credentials were
    /// refused says nothing of this caller's.
    async fn counted(&self, asker: &Asker<'_>, service: Sid) -> CountOutcome {
        let account = asker.checked.class.account.sid();
        let mut is_own = false;
        loop {
            match self.shared.pools.begin_count(service, account, self.shared.clock.now()) {
                CountTurn::Yours(counting) => {
                    self.count(asker, service, counting);
                    is_own = true;
                }
                CountTurn::Theirs(count) => match count.outcome().await {
                    CountOutcome::Refused if !is_own => {}
                    outcome @ (CountOutcome::Counted
                    | CountOutcome::Refused
                    | CountOutcome::Failed) => return outcome,
                },
                CountTurn::TooSoon(left) => time::sleep(left).await,
            }
        }
    }

    fn recount_if_due(&self, asker: &Asker<'_>, question: &Question<'_>) {
        let pools = &self.shared.pools;
        let (service, now) = (question.service, self.shared.clock.now());
        let recount = asker.checked.policy.limits.pools.recount;
        match pools.needs_count(service, recount, now) {
            Need::None => return,
            Need::Background | Need::Now => {}
        }
        let account = asker.checked.class.account.sid();
        if let CountTurn::Yours(counting) = pools.begin_count(service, account, now) {
            self.count(asker, service, counting);
        }
    }

    /// Counts apart from the request at hand: others may wait for it when its client has left.
    fn count(&self, asker: &Asker<'_>, service: Sid, counting: Counting) {
        let count = Count {
            shared: Arc::clone(&self.shared),
            forwarder: self.forwarder.clone(),
            observer: self.observer.clone(),
            policy: Arc::clone(asker.checked.policy),
            errand: Errand::of(&asker.checked.head, asker.checked.caller, asker.request_id),
            account: asker.checked.class.account.sid(),
            service,
        };
        task::spawn_local(count.run(counting));
    }
}

impl<'a> Asker<'a> {
    fn question(&self) -> Option<Question<'a>> {
        let change = self.change()?;
        let service = self.subject.service?;
        let rule =
            self.checked.policy.limits.pools.rule(self.checked.class.account.sid(), service);
        Some(Question { service, change, rule })
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
