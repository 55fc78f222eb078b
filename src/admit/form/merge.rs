//! Two windows turn out to be one.
//!
//! **Invariant:** the one remembers what both did, and is guarded where one of them was, as if
//! every request had been asked of it from the beginning.

use std::sync::PoisonError;

use super::Form;
use super::Guarded;
use super::Open;
use crate::admit::guard::Guard;
use crate::admit::window::PlainWindow;
use crate::admit::window::SlidingWindow;
use crate::policy::rate::RateLimit;
use crate::sync::Mutex;
use crate::time::Tick;

impl Form {
    /// Takes in another window; `limit` is what the one is judged by from now on.
    pub(crate) fn absorb(&mut self, other: Self, limit: &RateLimit, now: Tick) {
        *self = match (std::mem::replace(self, Self::new()), other) {
            (Self::Open(mine), Self::Open(other)) => mine.with(other, limit, now),
            (mine, other) => {
                let mut guarded = mine.into_guarded(limit, now);
                guarded.absorb(other.into_guarded(limit, now), limit, now);
                Self::Guarded(Box::new(Mutex::new(guarded)))
            }
        };
    }

    /// The window as a list, under a guard that is over if it had none.
    fn into_guarded(self, limit: &RateLimit, now: Tick) -> Guarded {
        match self {
            Self::Open(mut open) => open.guarded(Guard::ended(), limit, now),
            Self::Guarded(guarded) => {
                guarded.into_inner().unwrap_or_else(PoisonError::into_inner)
            }
        }
    }
}

impl Open {
    /// Both together. Where it takes them both to have a reason for a guard, it begins now.
    fn with(mut self, mut other: Self, limit: &RateLimit, now: Tick) -> Form {
        let mut window = PlainWindow::from(&mut self.window);
        window.remember_for(limit);
        window.absorb(PlainWindow::from(&mut other.window), now);
        self.window = SlidingWindow::from(&mut window);
        self.spent.append(&mut other.spent);
        self.spent.sort_by_key(|(_, charged_at)| *charged_at);
        let is_reason = self.is_spent(limit, now);
        let mut form = Form::Open(self);
        if is_reason {
            form.guard(limit, now);
        }
        form
    }
}

impl Guarded {
    fn absorb(&mut self, other: Self, limit: &RateLimit, now: Tick) {
        self.window.remember_for(limit);
        self.window.absorb(other.window, now);
        self.guard.absorb(other.guard);
    }
}
