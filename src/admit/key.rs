//! In which window is a request counted, and by which rule?

use std::hash::Hash;
use std::hash::Hasher;

use crate::classify::RequestClass;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::rate::RateRule;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::sid::Sid;

/// What a window belongs to. There is no limit in it, so a reload keeps every count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowKey {
    /// The service or the account.
    pub scope: Scope,
    /// The operation.
    pub endpoint: Endpoint,
}

/// Whose requests a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those for one service.
    Service(ServiceKey),
    /// Those of one account.
    Account(AccountKey),
}

impl Scope {
    /// Whether it is named by a SID, and so will always be itself.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Service(ServiceKey::Sid(_)) | Self::Account(AccountKey::Sid(_)))
    }

    /// The scope of the same kind that this SID names.
    pub(crate) const fn known_as(self, sid: Sid) -> Self {
        match self {
            Self::Service(_) => Self::Service(ServiceKey::Sid(sid)),
            Self::Account(_) => Self::Account(AccountKey::Sid(sid)),
        }
    }
}

impl Hash for Scope {
    /// In one piece, where the derived one has five. Of what kind an identifier is, is left out:
    /// its bytes alone tell it from others.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Service(ServiceKey::Sid(sid)) | Self::Account(AccountKey::Sid(sid)) => {
                sid.hash(state);
            }
            Self::Service(ServiceKey::Named(digest))
            | Self::Account(AccountKey::Credential(digest)) => digest.hash(state),
        }
    }
}

impl Hash for WindowKey {
    /// In two pieces: the hash is a third of what a decision costs.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scope.hash(state);
        state.write_usize(self.endpoint.index());
    }
}

impl RequestClass {
    /// The same class with this service or account, the scope of its window.
    pub(crate) fn within(&self, scope: Scope) -> Self {
        match scope {
            Scope::Service(service) => Self { service: Some(service), ..*self },
            Scope::Account(account) => Self { account, ..*self },
        }
    }
}

impl WindowKey {
    /// The window of a request: its service's, or its account's where the path names no
    /// service. Of what is no operation of the API it is the account's too, as a path of no
    /// meaning names a service of no meaning, and one client could fill any number of windows.
    pub fn of(class: &RequestClass) -> Self {
        let endpoint = class.endpoint;
        let service = class.service.filter(|_| endpoint != Endpoint::Unmatched);
        Self { scope: service.map_or(Scope::Account(class.account), Scope::Service), endpoint }
    }

    /// The rule of this window, as far as its key tells: a rule for one account does not apply
    /// to the window of a service.
    pub fn rule<'l>(&self, limits: &'l Limits) -> &'l RateRule {
        limits.overrides.first_match(&self.asked()).map_or(&limits.rate, |found| &found.rate)
    }

    /// What overrides are asked for, as far as the key tells.
    pub(crate) fn asked(&self) -> Match {
        let (account, service) = match self.scope {
            Scope::Service(service) => (None, service.sid()),
            Scope::Account(account) => (account.sid(), None),
        };
        Match { account, service, endpoint: Some(self.endpoint) }
    }
}

/// The rules that a request's window is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'l> {
    /// The rule of the request: the first override that matches, or the general rate. One for a
    /// service applies to what is counted for the service only.
    pub(crate) own: &'l RateRule,
    /// Where that is a rule of one account: the rule by which the others are judged in the same
    /// window.
    pub(crate) of_others: Option<&'l RateRule>,
}

impl<'l> Rules<'l> {
    /// The rules for a request of this class.
    pub(crate) fn of(limits: &'l Limits, class: &RequestClass) -> Self {
        Self::asked(limits, &WindowKey::of(class), class.account.sid()).1
    }

    /// The rules for a request in this window with the credentials of this account, and the
    /// override that they are from, where there is one.
    pub(crate) fn asked(
        limits: &'l Limits,
        key: &WindowKey,
        account: Option<Sid>,
    ) -> (Option<&'l Override>, Self) {
        let own = key.asked();
        let asked = Match { account: account.or(own.account), ..own };
        match limits.overrides.first_match(&asked) {
            None => (None, Self { own: &limits.rate, of_others: None }),
            Some(found) => {
                let of_others = found.matches.account.map(|_| key.rule(limits));
                (Some(found), Self { own: &found.rate, of_others })
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Rules;
    use super::Scope;
    use super::WindowKey;
    use crate::classify::RequestClass;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::limit::Limits;
    use crate::policy::overrides::Match;
    use crate::policy::overrides::Override;
    use crate::policy::overrides::Overrides;
    use crate::policy::rate::Mode;
    use crate::policy::rate::RateRule;
    use crate::sid::AccountKey;
    use crate::sid::Digest;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    const ACCOUNT: Sid = Sid::new(SidKind::Account, [1; 16]);
    const SERVICE: Sid = Sid::new(SidKind::Service, [2; 16]);

    fn class(endpoint: Endpoint, service: Option<Sid>) -> RequestClass {
        let service = service.map(ServiceKey::Sid);
        RequestClass {
            endpoint,
            account: AccountKey::Sid(ACCOUNT),
            service,
            credential: Digest([9; 16]),
        }
    }

    #[test]
    fn a_request_counts_for_its_service_and_without_one_for_its_account() {
        let of_service = WindowKey::of(&class(Endpoint::FetchSession, Some(SERVICE)));
        assert_eq!(of_service.scope, Scope::Service(ServiceKey::Sid(SERVICE)));
        let of_account = WindowKey::of(&class(Endpoint::ListService, None));
        assert_eq!(of_account.scope, Scope::Account(AccountKey::Sid(ACCOUNT)));
    }

    #[test]
    fn what_is_no_operation_counts_for_the_account_whatever_service_it_names() {
        let key = WindowKey::of(&class(Endpoint::Unmatched, Some(SERVICE)));
        assert_eq!(key.scope, Scope::Account(AccountKey::Sid(ACCOUNT)));
    }

    #[test]
    fn the_rule_that_a_policy_tells_is_the_one_that_judges() {
        let of_service = Override {
            matches: Match { service: Some(SERVICE), ..Match::default() },
            rate: RateRule { mode: Mode::Off, ..RateRule::default() },
        };
        let of_account = Override {
            matches: Match { account: Some(ACCOUNT), ..Match::default() },
            rate: RateRule { mode: Mode::Shadow, ..RateRule::default() },
        };
        let overrides = Overrides::new(vec![of_service, of_account]);
        let limits = Limits { overrides, ..Limits::default() };
        for endpoint in Endpoint::ALL {
            let is_of_account =
                matches!(endpoint, Endpoint::ListService | Endpoint::CreateService);
            let service = (!is_of_account).then_some(SERVICE);
            let asked = Match {
                account: Some(ACCOUNT),
                service: Some(SERVICE),
                endpoint: Some(endpoint),
            };
            let told = limits.rate_rule(&asked);
            assert_eq!(told, Rules::of(&limits, &class(endpoint, service)).own, "{endpoint}");
        }
    }

    #[test]
    fn a_rule_of_one_account_judges_its_requests_but_is_not_the_windows_own() {
        let of_account = Override {
            matches: Match { account: Some(ACCOUNT), ..Match::default() },
            rate: RateRule { mode: Mode::Shadow, ..RateRule::default() },
        };
        let overrides = Overrides::new(vec![of_account]);
        let limits = Limits { overrides, ..Limits::default() };
        let class = class(Endpoint::FetchSession, Some(SERVICE));
        let rules = Rules::of(&limits, &class);
        assert_eq!(rules.own.mode, Mode::Shadow);
        assert_eq!(rules.of_others.map(|rule| rule.mode), Some(Mode::Enforce));
        assert_eq!(WindowKey::of(&class).rule(&limits).mode, Mode::Enforce);
    }
}
