//! What do names and credentials stand for? SIDs that answers have told.
//!
//! **Invariant:** who asks or changes what a digest stands for holds the lock of that digest for
//! as long as it acts on it. So while a digest stands for a SID there is no window of the digest's
//! own, and nobody is about to open one. Locks are taken in one order: that of a digest, then that
//! of a window.

mod aliases;
mod spellings;

use crate::admit::key::Scope;
use crate::classify::RequestClass;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time::Tick;
use aliases::Alias;
use aliases::Aliases;

pub use aliases::LEARNED_FOR;
pub use aliases::MOST_LEARNED;

/// The names of services and the credentials whose SIDs are known.
#[derive(Debug)]
pub(crate) struct Learned {
    pub(crate) names: Aliases,
    pub(crate) accounts: Aliases,
}

impl Learned {
    /// Nothing has been learned yet.
    pub(crate) fn new() -> Self {
        Self { names: Aliases::new(), accounts: Aliases::new() }
    }

    /// Acts on the scope that this one is by now. What it is stays so until the end of `act`.
    pub(crate) fn settled<T>(
        &self,
        scope: Scope,
        now: Tick,
        act: impl FnOnce(Scope) -> T,
    ) -> T {
        let Some(mut alias) = self.alias(scope) else { return act(scope) };
        let sid = alias.stands_for(now);
        // The lock is held until this has been acted on.
        act(sid.map_or(scope, |sid| scope.known_as(sid)))
    }

    /// Makes `scope` stand for a SID. Where it did not do so before, `act` is handed the scope that
    /// it is from now on, before anybody else asks.
    pub(crate) fn learn(&self, scope: Scope, sid: Sid, now: Tick, act: impl FnOnce(Scope)) {
        let Some(mut alias) = self.alias(scope) else { return };
        if alias.set(sid, now) != Some(sid) {
            act(scope.known_as(sid));
        }
    }

    /// The same class with SIDs in the place of what stands for them.
    pub(crate) fn identify(&self, class: RequestClass, now: Tick) -> RequestClass {
        let mut identified = class;
        if let AccountKey::Credential(digest) = class.account
            && let Some(account) = self.accounts.alias(digest).stands_for(now)
        {
            identified.account = AccountKey::Sid(account);
        }
        if let Some(ServiceKey::Named(digest)) = class.service
            && let Some(service) = self.names.alias(digest).stands_for(now)
        {
            identified.service = Some(ServiceKey::Sid(service));
        }
        identified
    }

    /// Forgets what has not been asked for lately.
    pub(crate) fn sweep(&self, now: Tick) {
        self.names.sweep(now);
        self.accounts.sweep(now);
    }

    fn alias(&self, scope: Scope) -> Option<Alias<'_>> {
        match scope {
            Scope::Service(ServiceKey::Named(name)) => Some(self.names.alias(name)),
            Scope::Account(AccountKey::Credential(account)) => {
                Some(self.accounts.alias(account))
            }
            Scope::Service(ServiceKey::Sid(_)) | Scope::Account(AccountKey::Sid(_)) => None,
        }
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self::new()
    }
}
