//! What the upstream says, and what the model makes of it.

use http::StatusCode;
use maskgate::admit::GiveBack;
use maskgate::policy::rate::Counting;
use maskgate::time::Tick;

use super::Held;
use super::RIGHT;
use super::World;
use crate::guard::Guard;
use crate::rules::LONGEST;

impl World {
    /// The upstream answers one of those who wait, or somebody leaves.
    pub(super) fn answer_one(&mut self) {
        let mut held = self.held.swap_remove(self.rng.usize(..self.held.len()));
        let key = &mut self.keys[held.key];
        if let Some(guard) = &mut key.guard
            && held.guard == Some(guard.number)
        {
            guard.unanswered -= 1;
        }
        let is_right = self.credentials[..RIGHT].contains(&held.class.credential);
        let status = match self.rng.u32(..20) {
            0 => return,
            1 => StatusCode::BAD_GATEWAY,
            2..4 => StatusCode::NOT_FOUND,
            _ if is_right => StatusCode::OK,
            4..6 => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        let (now, credential) = (self.now, held.class.credential);
        let guards = self.admission.guarded_windows();
        let tick = Tick::from_micros(now);
        let given_back = self.admission.answered(&held.class, &mut held.permit, status, tick);
        if status.is_success() {
            self.accepted.note(key.scope, credential, now);
        }
        let is_known = self.accepted.is_known(key.scope, credential, now);
        let is_counted = self.in_force.counting == Counting::Offered;
        if !status.is_client_error() || is_known || is_counted {
            assert_eq!(given_back, None, "{}", self.name);
            return;
        }
        self.give_back(&held, given_back, guards);
    }

    fn give_back(&mut self, held: &Held, given_back: Option<GiveBack>, guards: usize) {
        let (now, key) = (self.now, &mut self.keys[held.key]);
        let was_kept = key.kept.give_back(held.charged_at);
        let was_there = key.full.give_back(held.charged_at);
        assert!(given_back.is_some() || !was_kept, "a charge was lost: {}", self.name);
        assert!(given_back.is_none() || was_there, "another one's charge: {}", self.name);
        self.tally.given_back += u64::from(given_back.is_some());
        if key.guard.is_none() {
            if self.admission.guarded_windows() == guards {
                // It had been dropped, and nothing of it says anything any more.
                assert_eq!(given_back, None, "{}", self.name);
                assert_eq!(key.kept.count(LONGEST, now), 0, "{}", self.name);
                return;
            }
            self.tally.guards += 1;
            key.guard = Some(Guard::new(self.tally.guards));
        }
        let Some(guard) = &mut key.guard else { return };
        guard.extend(now);
        if held.guard.is_none() {
            guard.note(held.class.credential, &held.limit, held.charged_at);
        }
    }
}
