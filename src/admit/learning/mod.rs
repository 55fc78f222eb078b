//! One service or account has one window, however it is named.
//!
//! **Invariant:** what was charged under a name or a credential is charged to what it stands for
//! from the moment on at which that is learned: no charge is lost, none is made twice, and none is
//! made beside it.

use super::Admission;
use super::key::Scope;
use super::store::Moved;
use crate::classify::RequestClass;
use crate::policy::limit::Limits;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time::Tick;

/// The answer that told something: a 2xx of the upstream's.
#[derive(Clone, Copy, Debug)]
pub struct Told<'p> {
    /// Whose request it answers.
    pub credential: Digest,
    /// The limits in force.
    pub limits: &'p Limits,
    /// When it came.
    pub now: Tick,
}

impl Admission {
    /// The class of a request with SIDs in the place of a name and of credentials, where it is
    /// known what they stand for.
    pub fn identify(&self, class: RequestClass, now: Tick) -> RequestClass {
        self.learned.identify(class, now)
    }

    /// From now on this digest of a name stands for this service: its windows become the service's,
    /// and whoever was told is known to the service. Where it did so before, it is only asked for
    /// anew; where it stood for another one, that keeps its windows.
    /// Answers what has been moved.
    pub fn learn_service(&self, name: Digest, service: Sid, told: &Told<'_>) -> Vec<Moved> {
        self.learn(Scope::Service(ServiceKey::Named(name)), service, told)
    }

    /// The same for the digest of an API key, or of a bearer token, and an account.
    pub fn learn_account(
        &self,
        credential: Digest,
        account: Sid,
        told: &Told<'_>,
    ) -> Vec<Moved> {
        self.learn(Scope::Account(AccountKey::Credential(credential)), account, told)
    }

    fn learn(&self, scope: Scope, sid: Sid, told: &Told<'_>) -> Vec<Moved> {
        let Told { credential, limits, now } = *told;
        let mut moved = Vec::new();
        self.learned.learn(scope, sid, now, |known_as| {
            self.known.note(known_as, credential, now);
            moved = self.windows.merge(scope, known_as, limits, now);
        });
        moved
    }

    /// The configuration says to which accounts these API keys belong, or has said so until now.
    /// Whoever is known by a key is known to its account. It looks at all who are known: not for a
    /// thread that serves connections.
    /// Answers what has been moved.
    pub fn map_accounts(
        &self,
        accounts: &[(Digest, Sid)],
        limits: &Limits,
        now: Tick,
    ) -> Vec<Moved> {
        let scope = |api_key| Scope::Account(AccountKey::Credential(api_key));
        let scopes =
            accounts.iter().map(|(key, sid)| (scope(*key), scope(*key).known_as(*sid)));
        self.known.extend(&scopes.collect());
        let mut moved = Vec::new();
        for (api_key, account) in accounts {
            let scope = scope(*api_key);
            self.learned.learn(scope, *account, now, |known_as| {
                moved.extend(self.windows.merge(scope, known_as, limits, now));
            });
        }
        moved
    }

    /// A service is deleted, or has another name: no name stands for it any more.
    pub fn forget_service(&self, service: Sid) {
        self.learned.names.forget_all_of(service);
    }

    /// The upstream knows no service of this name (404): it stands for none any more. A stranger's
    /// answer proves nothing, and forgets nothing.
    pub fn forget_name(&self, name: Digest, credential: Digest, now: Tick) {
        let mut alias = self.learned.names.alias(name);
        let service = alias.stands_for(now).map(|sid| Scope::Service(ServiceKey::Sid(sid)));
        if service.is_some_and(|service| self.known.is_known(service, credential, now)) {
            alias.forget();
        }
    }

    /// Whether this name stands for this service.
    pub fn is_name_of(&self, name: Digest, service: Sid, now: Tick) -> bool {
        self.learned.names.alias(name).stands_for(now) == Some(service)
    }

    /// Whether any name stands for this service.
    pub fn knows_name_of(&self, service: Sid) -> bool {
        self.learned.names.has_any_of(service)
    }

    /// How many names stand for a service, each counted for every caller's account or API key.
    pub fn learned_names(&self) -> usize {
        self.learned.names.len()
    }

    /// How many API keys and bearer tokens stand for an account.
    pub fn learned_accounts(&self) -> usize {
        self.learned.accounts.len()
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;

#[cfg(test)]
#[cfg(gateway_loom)]
mod loom_models;
