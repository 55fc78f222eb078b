//! What does a restart keep? The charges that a rule may still ask for, and what names and
//! credentials stand for, so that nobody has a second burst.
//!
//! **Invariant:** a window that was kept and is restored says what it would have said, but for its
//! guard: whoever tried passwords before begins anew.

use super::Admission;
use super::key::Scope;
use super::key::WindowKey;
use super::learned::Learned;
use super::reach::Reach;
use super::window::PlainWindow;
use crate::policy::limit::Limits;
use crate::policy::rate;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time;
use crate::time::Tick;

/// The charges of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWindow {
    /// Whose window it is.
    pub key: WindowKey,
    /// How many admissions a rule may ask for: 1 to 1,000,000.
    pub admissions: u32,
    /// For how long a charge counts, in µs: 1 s to 1 h.
    pub micros: u32,
    /// When it was charged, in µs since the clock's zero, from the oldest to the newest: 1 to
    /// 1,000,000 of them.
    pub times: Vec<u64>,
}

impl KeptWindow {
    /// The same where it can be one that was kept before `now`.
    pub fn checked(self, now: Tick) -> Option<Self> {
        let spans = time::micros(rate::MIN_WINDOW)..=time::micros(rate::MAX_WINDOW);
        let is_possible = (1..=rate::MAX_ADMISSIONS).contains(&self.admissions)
            && spans.contains(&self.micros.into())
            && self.times.len() <= most()
            && self.times.is_sorted()
            && self.times.last().is_some_and(|newest| *newest <= now.as_micros());
        is_possible.then_some(self)
    }
}

fn most() -> usize {
    usize::try_from(rate::MAX_ADMISSIONS).unwrap_or(usize::MAX)
}

/// What a name, an API key or a bearer token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptMeaning {
    /// The digest of a service's unique name, and the service.
    Name(Digest, Sid),
    /// The digest of an API key or of a bearer token, and the account.
    Credential(Digest, Sid),
}

impl Admission {
    /// Hands over every window with charges that `limits`, or a rule that has judged it, may
    /// still ask for. Call it when the last request has ended.
    pub fn keep_windows(&self, limits: &Limits, now: Tick, mut keep: impl FnMut(KeptWindow)) {
        self.windows.visit(limits, |key, window| {
            let reach = window.reach();
            let times = window.times().into_iter();
            let left = times.skip_while(|time| reach.is_left_by(*time, now));
            let mut times: Vec<u64> = left.map(Tick::as_micros).collect();
            // No rule can ask for more.
            times.drain(..times.len().saturating_sub(most()));
            if !times.is_empty() {
                let Reach { admissions, micros } = reach;
                keep(KeptWindow { key, admissions, micros, times });
            }
        });
    }

    /// Hands over what names and credentials stand for.
    pub fn keep_meanings(&self, now: Tick, mut keep: impl FnMut(KeptMeaning)) {
        let Learned { names, accounts } = &self.learned;
        names.each(now, |digest, sid| keep(KeptMeaning::Name(digest, sid)));
        accounts.each(now, |digest, sid| keep(KeptMeaning::Credential(digest, sid)));
    }

    /// Has a window remember what it was charged before the restart. Call it before the first
    /// request is admitted.
    pub fn restore_window(&self, kept: KeptWindow) {
        let KeptWindow { key, admissions, micros, times } = kept;
        self.windows.restore(key, PlainWindow::holding(times, Reach { admissions, micros }));
    }

    /// Has a name or a credential stand for what it did before the restart; its windows become
    /// one with those of the service or the account.
    pub fn restore_meaning(&self, kept: KeptMeaning, limits: &Limits, now: Tick) {
        let (scope, sid) = match kept {
            KeptMeaning::Name(digest, sid) => (Scope::Service(ServiceKey::Named(digest)), sid),
            KeptMeaning::Credential(digest, sid) => {
                (Scope::Account(AccountKey::Credential(digest)), sid)
            }
        };
        self.learned.learn(scope, sid, now, |known_as| {
            self.windows.merge(scope, known_as, limits, now);
        });
    }
}
