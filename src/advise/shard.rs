//! What is known of some services? Their sessions' seats, and what their numbers said.
//!
//! **Invariant:** `participants` has the count of the seats in `sessions` at each number, and no
//! number without one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

use crate::advise::ADVISE_EVERY;
use crate::advise::Advisory;
use crate::advise::InUse;
use crate::advise::KEPT_FOR;
use crate::advise::NumberView;
use crate::advise::Resource;
use crate::advise::recent;
use crate::advise::recent::Recent;
use crate::advise::seated::Seated;
use crate::sid::Sid;
use crate::time::Tick;

/// How many numbers' own words are kept: those of one service with its pools full, and more.
const MOST_SIGHTINGS: usize = 8_000;
/// How many numbers are advised of in a minute, so that a threshold that was set too low does
/// not fill the log.
const MOST_ADVISED: usize = 1_000;
/// How many entries one step of a sweep forgets at most: it holds the shard meanwhile.
const STEP: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Shard {
    sessions: Recent<Seated>,
    /// By number.
    participants: BTreeMap<Resource, u32>,
    /// The `in_use` of numbers, whether anybody is known to use them or not.
    sightings: Recent<u32>,
    /// The numbers that were advised of in the last minute.
    advised: Recent<()>,
    /// Deleted, and not yet forgotten.
    gone: BTreeSet<Sid>,
}

/// What a step of a sweep came to.
#[derive(Debug)]
pub(super) struct Swept {
    /// How many participants were forgotten.
    pub(super) participants: usize,
    /// Whether nothing is left to be forgotten.
    pub(super) is_done: bool,
}

impl Shard {
    /// Who sits in a session.
    pub(super) fn seated(&self, session: Resource) -> Seated {
        self.sessions.get(session).unwrap_or_default()
    }

    /// The session is seen, and these are in it.
    pub(super) fn seat(&mut self, session: Resource, after: Seated, now: Tick) {
        let before = self.seated(session);
        if after.len() == 0 {
            self.sessions.remove(session);
        } else {
            self.sessions.put(session, after, now);
        }
        if after == before {
            return;
        }
        for sid in before.numbers() {
            self.leave(Resource { sid, ..session });
        }
        for sid in after.numbers() {
            let participants = self.participants.entry(Resource { sid, ..session });
            let count = participants.or_default();
            *count = count.saturating_add(1);
        }
    }

    /// These are left in a session, which was not seen by that.
    pub(super) fn stay_seated(&mut self, session: Resource, after: Seated) {
        if let Some(seen) = self.sessions.seen(session) {
            self.seat(session, after, seen);
        }
    }

    /// Nobody is left in a session; answers how many there were.
    pub(super) fn end(&mut self, session: Resource) -> usize {
        let before = self.seated(session);
        self.stay_seated(session, Seated::default());
        before.len()
    }

    fn leave(&mut self, number: Resource) {
        let Some(count) = self.participants.get_mut(&number) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.participants.remove(&number);
        }
    }

    /// What to say of a number that has a participant more, if there is anything.
    pub(super) fn advisory(
        &mut self,
        number: Resource,
        advise: NonZeroU32,
        now: Tick,
    ) -> Option<Advisory> {
        let participants = self.participants.get(&number).copied().unwrap_or(0);
        let is_said = participants > advise.get() && self.may_advise(number, now);
        is_said.then(|| Advisory {
            service: number.service,
            number: number.sid,
            participants,
            in_use: self.sightings.get(number),
            advised: advise,
        })
    }

    fn may_advise(&mut self, number: Resource, now: Tick) -> bool {
        while let Some((at, oldest)) = self.advised.oldest()
            && at.plus(ADVISE_EVERY) <= now
        {
            self.advised.remove(oldest);
        }
        let may = self.advised.get(number).is_none() && self.advised.len() < MOST_ADVISED;
        if may {
            self.advised.put(number, (), now);
        }
        may
    }

    /// A number says how many open sessions use it.
    pub(super) fn sight(&mut self, number: Resource, in_use: u32, now: Tick) {
        self.sightings.put(number, in_use, now);
        if self.sightings.len() > MOST_SIGHTINGS
            && let Some((_, oldest)) = self.sightings.oldest()
        {
            self.sightings.remove(oldest);
        }
    }

    /// Forgets a number and its participants; answers how many there were.
    pub(super) fn forget_number(&mut self, number: Resource) -> usize {
        self.sightings.remove(number);
        let Some(participants) = self.participants.get(&number).copied() else { return 0 };
        let all = self.sessions.of_service(number.service);
        let at_it: Vec<_> = all
            .map(|(session, _, seated)| (session, seated, seated.without_number(number.sid)))
            .filter(|(_, before, after)| before != after)
            .map(|(session, _, after)| (session, after))
            .collect();
        for (sid, after) in at_it {
            self.stay_seated(Resource { sid, ..number }, after);
        }
        usize::try_from(participants).unwrap_or(usize::MAX)
    }

    /// The next sweep forgets a service: it may have more participants than a request can wait
    /// for.
    pub(super) fn forget_service(&mut self, service: Sid) {
        if self.sessions.any_of(service).or(self.sightings.any_of(service)).is_some() {
            self.gone.insert(service);
        }
    }

    /// The session seen least lately.
    pub(super) fn oldest(&self) -> Option<(Tick, Resource)> {
        self.sessions.oldest()
    }

    /// Forgets the session seen least lately; answers how many participants it had.
    pub(super) fn forget_oldest(&mut self) -> usize {
        self.oldest().map_or(0, |(_, session)| self.end(session))
    }

    /// Forgets some of what was seen too long ago, or is of services that are gone.
    pub(super) fn sweep(&mut self, now: Tick) -> Swept {
        let mut participants: usize = 0;
        for _ in 0..STEP {
            let gone = self.gone.first().copied();
            let session = to_forget(&self.sessions, gone, now);
            let number = to_forget(&self.sightings, gone, now);
            if session.is_none() && number.is_none() && self.gone.pop_first().is_none() {
                return Swept { participants, is_done: true };
            }
            let left = session.map_or(0, |session| self.end(session));
            participants = participants.saturating_add(left);
            number.and_then(|number| self.sightings.remove(number));
        }
        Swept { participants, is_done: false }
    }

    /// How many participants are kept here. Looks at every session.
    pub(super) fn participants(&self) -> usize {
        self.sessions.values().map(Seated::len).sum()
    }

    /// How many numbers have more participants than `advise`. Looks at every number.
    pub(super) fn numbers_above(&self, advise: NonZeroU32) -> usize {
        self.participants.values().filter(|count| **count > advise.get()).count()
    }

    /// The numbers of a service that are used, and those that said whether they are.
    pub(super) fn view(&self, service: Sid, now: Tick) -> Vec<NumberView> {
        let used = self.participants.range(recent::from(service));
        let used = used.take_while(|(number, _)| number.service == service);
        let mut views: BTreeMap<Sid, NumberView> = used
            .map(|(number, &participants)| {
                let number = number.sid;
                (number, NumberView { number, participants, in_use: None })
            })
            .collect();
        for (number, seen, sessions) in self.sightings.of_service(service) {
            let unused = NumberView { number, participants: 0, in_use: None };
            let in_use = Some(InUse { sessions, age: now.since(seen) });
            views.entry(number).or_insert(unused).in_use = in_use;
        }
        views.into_values().collect()
    }
}

/// Something of the service that is gone, or what was seen too long ago.
fn to_forget<V: Copy>(recent: &Recent<V>, gone: Option<Sid>, now: Tick) -> Option<Resource> {
    let is_over = |(seen, _): &(Tick, Resource)| seen.plus(KEPT_FOR) <= now;
    let over = || recent.oldest().filter(is_over).map(|(_, oldest)| oldest);
    gone.and_then(|gone| recent.any_of(gone)).or_else(over)
}
