//! What the upstream says, and what the model makes of it.

use http::StatusCode;
use maskgate::policy::rate::Counting;
use maskgate::time::Tick;

use super::Held;
use super::RIGHT;
use super::World;
use crate::guard;
use crate::guard::Guard;
use crate::guard::MINUTE;
use crate::rules::LONGEST;

impl World {
    /// The upstream answers one of those who wait, or fails, or somebody leaves.
    pub(super) fn answer_one(&mut self, nth: usize) {
        let mut held = self.held.swap_remove(nth);
        if let Some(guard) = &mut self.keys[held.key].guard
            && held.guard == Some(guard.number)
        {
            guard.unanswered -= 1;
        }
        let is_right = self.credentials[..RIGHT].contains(&held.class.credential);
        match self.rng.u32(..20) {
            0 => self.leave(held),
            1 => held.permit.upstream_failed(),
            2 => self.answer(held, StatusCode::BAD_REQUEST),
            3..5 => self.answer(held, StatusCode::NOT_FOUND),
            _ if is_right => self.answer(held, StatusCode::OK),
            5..8 => self.answer(held, StatusCode::FORBIDDEN),
            _ => self.answer(held, StatusCode::UNAUTHORIZED),
        }
    }

    fn answer(&mut self, mut held: Held, status: StatusCode) {
        let (now, guards) = (Tick::from_micros(self.now), self.admission.guarded_windows());
        let given_back = self.admission.answered(&held.class, &mut held.permit, status, now);
        if status.is_success() {
            let scope = self.keys[held.key].scope;
            self.accepted.note(scope, held.class.credential, self.now);
        }
        if status.is_success() || status == StatusCode::BAD_REQUEST || !self.is_stranger(&held)
        {
            assert_eq!(given_back, None, "{}", self.name);
            if status == StatusCode::BAD_REQUEST && self.is_stranger(&held) {
                self.spend(&held, guards);
            }
            return;
        }
        let key = &mut self.keys[held.key];
        let was_kept = key.kept.give_back(held.charged_at);
        let was_there = key.full.give_back(held.charged_at);
        assert!(given_back.is_some() || !was_kept, "a charge was lost: {}", self.name);
        assert!(given_back.is_none() || was_there, "another one's charge: {}", self.name);
        self.tally.given_back += u64::from(given_back.is_some());
        self.turn_away(&held, guards);
    }

    fn leave(&mut self, mut held: Held) {
        let (now, guards) = (Tick::from_micros(self.now), self.admission.guarded_windows());
        self.admission.unanswered(&held.class, &mut held.permit, now);
        if self.is_stranger(&held) {
            self.spend(&held, guards);
        }
    }

    /// A stranger's charge stays, and is held against strangers.
    fn spend(&mut self, held: &Held, guards: usize) {
        let key = &mut self.keys[held.key];
        if key.guard.is_some() {
            if let Some(guard) = self.turn_away(held, guards) {
                guard.spend(held.charged_at);
            }
            return;
        }
        key.spent.push((held.class.credential, held.charged_at));
        key.spent.retain(|(_, at)| at + guard::span(&held.limit).min(MINUTE) > self.now);
        if key.spent.len() < guard::most_unanswered(&held.limit) {
            assert_eq!(self.admission.guarded_windows(), guards, "{}", self.name);
        } else {
            self.guard(held, guards);
        }
    }

    /// Whether the window is guarded against whoever this was.
    fn is_stranger(&self, held: &Held) -> bool {
        let scope = self.keys[held.key].scope;
        self.in_force.counting == Counting::Admitted
            && !self.accepted.is_known(scope, held.class.credential, self.now)
    }

    /// The guard that the window has from now on; none where the window had been dropped. There
    /// were so many `guards` before.
    fn turn_away(&mut self, held: &Held, guards: usize) -> Option<&mut Guard> {
        if self.keys[held.key].guard.is_none() {
            self.guard(held, guards);
        }
        let guard = self.keys[held.key].guard.as_mut()?;
        guard.extend(self.now);
        if held.guard.is_none() {
            guard.note(held.class.credential, &held.limit, held.charged_at);
        }
        Some(guard)
    }

    /// A guard begins, with the strangers that got no answer before it.
    fn guard(&mut self, held: &Held, guards: usize) {
        let (now, limit, key) = (self.now, &held.limit, &mut self.keys[held.key]);
        if self.admission.guarded_windows() == guards {
            // Nothing of it said anything any more.
            assert_eq!(key.kept.count(LONGEST, now), 0, "{}", self.name);
            return;
        }
        self.tally.guards += 1;
        let mut guard = Guard::new(self.tally.guards);
        guard.extend(now);
        key.spent.retain(|(_, at)| at + guard::span(limit).min(MINUTE) > now);
        for (credential, charged_at) in key.spent.drain(..) {
            guard.note(credential, limit, charged_at);
            guard.spend(charged_at);
        }
        key.guard = Some(guard);
    }
}
