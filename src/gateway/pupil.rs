//! What does the body of an answer tell, and whom does it concern?
//!
//! **Invariant:** a body is heard once, to its end or with the reason why there is none. What it
//! does not tell of a change is not known, and is left to the pool's own caution.

use std::sync::Arc;

use crate::admit::Told;
use crate::advise::Resource;
use crate::advise::Seat;
use crate::classify::RequestClass;
use crate::gateway::Shared;
use crate::gateway::held::Held;
use crate::learn;
use crate::learn::Facts;
use crate::learn::Lesson;
use crate::learn::NumberFact;
use crate::learn::ParticipantFact;
use crate::learn::ServiceFact;
use crate::learn::SessionFact;
use crate::learn::Subject;
use crate::learn::Unread;
use crate::observe::Observer;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::pools::PoolKind;
use crate::policy::rate::Mode;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time::Tick;

/// Who hears a body to its end.
pub(super) struct Pupil {
    pub(super) shared: Arc<Shared>,
    pub(super) observer: Observer,
    pub(super) policy: Arc<Policy>,
    pub(super) asked: RequestClass,
    pub(super) class: RequestClass,
    pub(super) subject: Subject,
    pub(super) hold: Option<Held>,
}

impl Pupil {
    /// The body is there, or never will be.
    pub(super) fn hear(mut self, body: Result<&[u8], Unread>) {
        let read = |json| learn::read(&self.subject, json).ok_or(Unread::Unexpected);
        let lesson = body.and_then(read).and_then(|lesson| self.believed(lesson));
        match lesson {
            Ok(lesson) => self.learn(lesson),
            Err(why) => {
                self.observer.metrics.count_unread(why);
                self.miss();
            }
        }
        self.warn_of_pools();
    }

    /// What was not told of a number is not known. Where no room was held for it, as where the
    /// upstream has refused its list, nobody else says so.
    fn miss(&mut self) {
        match (self.hold.take(), self.subject.service) {
            (Some(hold), _) => drop(hold),
            (None, Some(service)) if self.subject.fills_a_pool() => {
                self.shared.numbers_stale(service);
            }
            (None, _) => {}
        }
    }

    /// What another account than the caller's owns is not what was asked for. Where only an
    /// earlier answer has told the caller's account, or a configuration of before, the later one
    /// is believed.
    fn believed(&self, lesson: Lesson) -> Result<Lesson, Unread> {
        match (self.asked.account.sid(), lesson.account) {
            (Some(caller), Some(owner)) if caller != owner => Err(Unread::Unexpected),
            _ => Ok(lesson),
        }
    }

    fn learn(&mut self, lesson: Lesson) {
        let now = self.shared.clock.now();
        self.learn_account(lesson.account, now);
        match lesson.facts {
            Facts::Services(services) => {
                for service in &services {
                    self.learn_service(service, lesson.account, now);
                }
            }
            Facts::Numbers(numbers) => {
                for number in numbers {
                    self.learn_number(number, now);
                }
            }
            Facts::Sessions(sessions) => {
                for session in sessions {
                    self.learn_session(session);
                }
            }
            Facts::Participants(participants) => {
                self.learn_participants(&participants, lesson.is_whole_list, now);
            }
            Facts::Interactions => {}
        }
    }

    fn told(&self, now: Tick) -> Told<'_> {
        Told { credential: self.asked.credential, limits: &self.policy.limits, now }
    }

    fn learn_account(&self, account: Option<Sid>, now: Tick) {
        if let (AccountKey::Credential(credential), Some(account)) =
            (self.asked.account, account)
        {
            let moved =
                self.shared.admission.learn_account(credential, account, &self.told(now));
            self.shared.owe_moved(&self.policy, &moved);
        }
    }

    /// The name stands for the service, whoever of its account says it, and however.
    fn learn_service(&self, service: &ServiceFact, account: Option<Sid>, now: Tick) {
        let Pupil { shared, asked, .. } = self;
        let (admission, digests) = (&shared.admission, &shared.digests);
        let owner = account.map(AccountKey::Sid).filter(|owner| *owner != asked.account);
        let name_of = |key| digests.of_name(key, &service.unique_name);
        let names = || [Some(asked.account), owner].into_iter().flatten().map(name_of);
        let is_known = |name| admission.is_name_of(name, service.sid, now);
        if self.subject.endpoint == Endpoint::UpdateService && !names().any(is_known) {
            admission.forget_service(service.sid); // it has been renamed
        }
        let asked_by = match asked.service {
            Some(ServiceKey::Named(name)) => Some(name),
            Some(ServiceKey::Sid(_)) | None => None,
        };
        for name in names().chain(asked_by) {
            let moved = admission.learn_service(name, service.sid, &self.told(now));
            shared.owe_moved(&self.policy, &moved);
        }
    }

    fn learn_number(&mut self, number: NumberFact, now: Tick) {
        let Some(service) = self.subject.service else { return };
        let kind = PoolKind::of(number.is_reserved);
        if let Some(hold) = self.hold.take() {
            // Until the store hears of it, the number has the room that was held for it.
            drop(hold.granted(Some(number.sid), Some(kind)));
        } else if self.shared.pool_rule(&self.policy, &self.class, service).mode != Mode::Off {
            self.shared.number_seen(service, number.sid, kind);
        }
        if let (Some(in_use), Some(_)) =
            (number.in_use, self.policy.limits.participants_per_number)
        {
            let sid = number.sid;
            self.shared.seats.number_seen(Resource { service, sid }, in_use, now);
        }
    }

    fn warn_of_pools(&self) {
        let Some(service) = self.subject.service.filter(|_| self.subject.numbers().is_some())
        else {
            return;
        };
        let rule = self.shared.pool_rule(&self.policy, &self.class, service);
        for near in self.shared.pools.near(service, rule, self.shared.clock.now()) {
            self.observer.pool_near(service, &near);
        }
    }

    fn learn_session(&self, session: SessionFact) {
        if let Some(service) = self.subject.service
            && !session.is_active
        {
            self.shared.seats.session_ended(Resource { service, sid: session.sid });
        }
    }

    fn learn_participants(&self, participants: &[ParticipantFact], is_whole: bool, now: Tick) {
        let (Some(service), Some(session)) = (self.subject.service, self.subject.session)
        else {
            return;
        };
        let Some(advise) = self.policy.limits.participants_per_number else { return };
        let seats = &self.shared.seats;
        let session = Resource { service, sid: session };
        let all: Vec<_> = participants.iter().map(seat).collect();
        let advisories = if is_whole {
            seats.participants_of(session, &all, advise, now)
        } else {
            let each =
                all.iter().filter_map(|seat| seats.participant(session, *seat, advise, now));
            each.collect()
        };
        for advisory in &advisories {
            self.observer.advise(advisory);
        }
    }
}

/// Where a participant sits; one that is deleted sits nowhere.
fn seat(fact: &ParticipantFact) -> Seat {
    Seat { participant: fact.sid, number: fact.number.filter(|_| fact.is_active) }
}
