//! In which window is a request counted, and by which rule?

use crate::classify::RequestClass;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
use crate::policy::limit::RateRule;
use crate::policy::overrides::Match;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;

/// What a window belongs to. There is no limit in it, so a reload keeps every count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowKey {
    /// The service or the account.
    pub scope: Scope,
    /// The operation.
    pub endpoint: Endpoint,
}

/// Whose requests a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those for one service.
    Service(ServiceKey),
    /// Those of one account.
    Account(AccountKey),
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
        first_match(limits, &self.asked())
    }

    fn asked(&self) -> Match {
        let (account, service) = match self.scope {
            Scope::Service(service) => (None, service.sid()),
            Scope::Account(account) => (account.sid(), None),
        };
        Match { account, service, endpoint: Some(self.endpoint) }
    }
}

/// The rule that a request is judged by: the first override that matches, or the general rate.
/// A rule for a service applies to what is counted for the service only.
pub fn rule_of<'l>(limits: &'l Limits, class: &RequestClass) -> &'l RateRule {
    let asked = Match { account: class.account.sid(), ..WindowKey::of(class).asked() };
    first_match(limits, &asked)
}

fn first_match<'l>(limits: &'l Limits, asked: &Match) -> &'l RateRule {
    limits.overrides.first_match(asked).map_or(&limits.rate, |found| &found.rate)
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Scope;
    use super::WindowKey;
    use super::rule_of;
    use crate::classify::RequestClass;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::limit::Limits;
    use crate::policy::limit::Mode;
    use crate::policy::limit::RateRule;
    use crate::policy::overrides::Match;
    use crate::policy::overrides::Override;
    use crate::policy::overrides::Overrides;
    use crate::sid::AccountKey;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    const ACCOUNT: Sid = Sid::new(SidKind::Account, [1; 16]);
    const SERVICE: Sid = Sid::new(SidKind::Service, [2; 16]);

    fn class(endpoint: Endpoint, service: Option<Sid>) -> RequestClass {
        let service = service.map(ServiceKey::Sid);
        RequestClass { endpoint, account: AccountKey::Sid(ACCOUNT), service }
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
    fn a_rule_of_one_account_judges_its_requests_but_is_not_the_windows_own() {
        let of_account = Override {
            matches: Match { account: Some(ACCOUNT), ..Match::default() },
            rate: RateRule { mode: Mode::Shadow, ..RateRule::default() },
        };
        let overrides = Overrides::new(vec![of_account]);
        let limits = Limits { overrides, ..Limits::default() };
        let class = class(Endpoint::FetchSession, Some(SERVICE));
        assert_eq!(rule_of(&limits, &class).mode, Mode::Shadow);
        assert_eq!(WindowKey::of(&class).rule(&limits).mode, Mode::Enforce);
    }
}
