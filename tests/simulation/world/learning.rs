//! Names and credentials turn out to stand for services and accounts, and the model makes one log
//! of two.

use std::mem;

use maskgate::admit::Told;
use maskgate::admit::learned::LEARNED_FOR;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::time::Tick;

use super::Key;
use super::RIGHT;
use super::World;
use crate::guard;
use crate::guard::Guard;
use crate::guard::MINUTE;
use crate::rules::LONGEST;

impl World {
    /// The key that this one is by now.
    pub(super) fn home(&self, nth: usize) -> usize {
        self.keys[nth].stands_for.unwrap_or(nth)
    }

    /// Whether a key may turn out to be another one.
    pub(super) fn learnable(&self, nth: usize) -> bool {
        self.keys[nth].digest().is_some()
    }

    /// An answer tells what a name or a credential stands for, often not for the first time.
    pub(super) fn learn(&mut self) {
        let nth = self.any(Self::learnable);
        let is_of_kind = |world: &Self, other: usize| {
            let (key, other) = (&world.keys[nth].class, &world.keys[other]);
            key.endpoint == other.class.endpoint && other.digest().is_none()
        };
        let into = self.any(is_of_kind);
        if self.keys[nth].stands_for != Some(into) {
            self.end_those_by(nth);
        }
        let (guards, scope) = (self.admission.guarded_windows(), self.keys[into].scope);
        let credential = self.right();
        let is_first = self.keys[nth].stands_for != Some(into);
        if self.tell(nth, into, credential) {
            self.accepted.extend(self.keys[nth].scope, scope);
        } else if is_first {
            self.accepted.note(scope, credential, self.now);
        }
        if is_first {
            self.keys[nth].stands_for = Some(into);
            self.merge(nth, into, guards);
        }
    }

    /// Whether it was the configuration that told it.
    fn tell(&mut self, nth: usize, into: usize, credential: Digest) -> bool {
        let is_configured = self.rng.bool();
        let (limits, now) = (&self.policy.limits, Tick::from_micros(self.now));
        let told = Told { credential, limits, now };
        let digest = self.keys[nth].digest().unwrap();
        match self.keys[into].sid() {
            (sid, true) => drop(self.admission.learn_service(digest, sid, &told)),
            (sid, false) if is_configured => {
                self.admission.map_accounts(&[(digest, sid)], limits, now);
                return true;
            }
            (sid, false) => drop(self.admission.learn_account(digest, sid, &told)),
        }
        false
    }

    /// One key becomes one with another; there were so many `guards` before.
    fn merge(&mut self, nth: usize, into: usize, guards: usize) {
        self.tally.learned += 1;
        let from = self.keys[nth].take();
        for held in self.held.iter_mut().filter(|held| held.key == nth) {
            held.key = into;
        }
        let now = self.now;
        let limit = *self.in_force.general(self.keys[into].class.endpoint);
        let key = &mut self.keys[into];
        let may_be_dropped = [&from, key].iter().any(|key| key.kept.count(LONGEST, now) == 0);
        key.full.absorb(from.full);
        key.kept.absorb(from.kept);
        key.judged_by_partner |= from.judged_by_partner;
        let (span, _) = self.in_force.reach(key.class.endpoint, key.judged_by_partner);
        key.kept.forget_before(span, now);
        let mut spent = [mem::take(&mut key.spent), from.spent].concat();
        spent.sort_by_key(|(_, at)| *at);
        spent.retain(|(_, at)| at + guard::span(&limit).min(MINUTE) > now);
        let is_reason = spent.len() >= guard::most_unanswered(&limit);
        let is_guarded = self.merge_guards(into, from.guard, guards);
        let begins = !is_guarded && self.admission.guarded_windows() > guards;
        assert!(!begins || is_reason, "{}", self.name);
        if begins {
            self.tally.guards += 1;
            let mut guard = Guard::new(self.tally.guards);
            guard.extend(now);
            self.keys[into].guard = Some(guard);
        }
        if let Some(guard) = &mut self.keys[into].guard {
            let mut so_far = Guard::new(0);
            for (credential, charged_at) in spent {
                so_far.note(credential, &limit, charged_at);
                so_far.spend(charged_at);
            }
            guard.absorb(so_far);
        } else {
            assert!(!is_reason || may_be_dropped, "{}", self.name);
            self.keys[into].spent = spent;
        }
    }

    /// Answers whether one of both was guarded.
    fn merge_guards(&mut self, into: usize, from: Option<Guard>, guards: usize) -> bool {
        let key = &mut self.keys[into];
        let Some(from) = from else { return key.guard.is_some() };
        let Some(guard) = &mut key.guard else {
            key.guard = Some(from);
            return true;
        };
        assert_eq!(self.admission.guarded_windows(), guards - 1, "{}", self.name);
        self.tally.guards_merged += 1;
        for held in self.held.iter_mut().filter(|held| held.guard == Some(from.number)) {
            held.guard = Some(guard.number);
        }
        guard.absorb(from);
        true
    }

    /// A service is deleted or renamed, or a name is answered 404.
    pub(super) fn forget(&mut self) {
        let nth = self.any(Self::learnable);
        let Some(home) = self.keys[nth].stands_for else { return };
        let (sid, is_service) = self.keys[home].sid();
        if !is_service {
            return;
        }
        if self.rng.bool() {
            let called: Vec<_> = (0..self.keys.len())
                .filter(|nth| self.keys[*nth].stands_for == Some(home))
                .collect();
            for nth in called {
                self.no_longer(nth);
            }
            self.admission.forget_service(sid);
            assert!(!self.admission.knows_name_of(sid), "{}", self.name);
            return;
        }
        let credential = self.credentials[self.rng.usize(..self.credentials.len())];
        let is_known = self.accepted.is_known(self.keys[home].scope, credential, self.now);
        if is_known {
            self.no_longer(nth);
        }
        let digest = self.keys[nth].digest().unwrap();
        self.admission.forget_name(digest, credential, Tick::from_micros(self.now));
    }

    /// So long that all is forgotten.
    pub(super) fn pause_for_an_hour(&mut self) {
        for nth in 0..self.keys.len() {
            if self.keys[nth].stands_for.is_some() {
                self.no_longer(nth);
            }
        }
        self.now = Tick::from_micros(self.now + crate::SECOND).plus(LEARNED_FOR).as_micros();
    }

    /// What was charged to it stays where it is.
    fn no_longer(&mut self, nth: usize) {
        self.end_those_by(nth);
        self.keys[nth].stands_for = None;
    }

    /// Those who wait, and were charged by this name before it was learned, are answered: whose
    /// charge has been moved twice, or moved and forgotten, is not given back.
    fn end_those_by(&mut self, nth: usize) {
        while let Some(place) = self.held.iter().position(|held| held.by == Some(nth))
            && self.keys[nth].stands_for.is_some()
        {
            self.answer_one(place);
        }
    }

    fn any(&mut self, is_meant: impl Fn(&Self, usize) -> bool) -> usize {
        let meant: Vec<_> = (0..self.keys.len()).filter(|nth| is_meant(self, *nth)).collect();
        meant[self.rng.usize(..meant.len())]
    }

    fn right(&mut self) -> Digest {
        self.credentials[self.rng.usize(..RIGHT)]
    }
}

impl Key {
    /// What stands for a SID that is not known at first.
    fn digest(&self) -> Option<Digest> {
        match (self.class.service, self.class.account) {
            (Some(ServiceKey::Named(digest)), _) | (None, AccountKey::Credential(digest)) => {
                Some(digest)
            }
            _ => None,
        }
    }

    /// The SID of its service or account, and whether it is a service's.
    fn sid(&self) -> (Sid, bool) {
        let of_service = self.class.service.and_then(ServiceKey::sid);
        let sid = of_service.or(self.class.account.sid()).unwrap();
        (sid, of_service.is_some())
    }

    /// All that it knows; nothing is left.
    fn take(&mut self) -> Self {
        let maskgate::classify::RequestClass { endpoint, account, service, .. } = self.class;
        let stands_for = self.stands_for;
        let left = Self { stands_for, ..Self::new(endpoint, self.scope, account, service) };
        mem::replace(self, left)
    }
}
