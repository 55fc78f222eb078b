//! What does the query of an admin page ask for? Identifiers of the API, each at most once.
//!
//! **Invariant:** what is not understood is refused and never left out, and what a refusal says is
//! made of our own words alone: a query is nobody's to echo.

use std::fmt::Write as _;

use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Segment;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;

/// What a query names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) service: Option<Sid>,
    pub(super) account: Option<Sid>,
    pub(super) endpoint: Option<Endpoint>,
}

/// Why a query is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadQuery {
    /// A part of another name than `service`, `account` and `endpoint`.
    Unknown,
    /// A part that is there twice.
    Repeated,
    /// No SID of a service.
    Service,
    /// No SID of an account.
    Account,
    /// No endpoint of this name.
    Endpoint,
    /// It has to name an endpoint.
    NoEndpoint,
    /// The endpoint is counted for each service, and none is named.
    NoService,
    /// The endpoint is counted for each account, and none is named.
    NoAccount,
    /// The endpoint is counted for each account, and a service is named.
    OfAccounts,
    /// It has to name a service or an account, and not both.
    NotOne,
}

impl BadQuery {
    /// What to write instead, as whole lines.
    pub(super) fn help(self) -> String {
        let say = match self {
            Self::Unknown => "a query may name service, account and endpoint, and nothing else",
            Self::Repeated => "each part of a query may be there once",
            Self::Service => "a service is KS and 32 hexadecimal digits",
            Self::Account => "an account is AC and 32 hexadecimal digits",
            Self::Endpoint => "there is no such endpoint; there are",
            Self::NoEndpoint => "say which endpoint: &endpoint= and one of",
            Self::NoService => {
                "requests for this endpoint are counted for their service: \
                 say which, ?service=KS and 32 hexadecimal digits"
            }
            Self::NoAccount => {
                "requests for this endpoint are counted for their account: \
                 say which, ?account=AC and 32 hexadecimal digits"
            }
            Self::OfAccounts => {
                "requests for this endpoint are counted for their account, \
                 and have no service: leave it out"
            }
            Self::NotOne => {
                "say whose windows: ?service=KS or ?account=AC and 32 hexadecimal digits, \
                 and with &endpoint= which of them"
            }
        };
        let mut help = format!("{say}\n");
        if matches!(self, Self::Endpoint | Self::NoEndpoint) {
            for endpoint in Endpoint::ALL {
                // Writing to a string never fails.
                let _infallible = writeln!(help, "  {endpoint}");
            }
        }
        help
    }
}

impl Query {
    /// Reads a query, which may be empty.
    pub(super) fn parse(text: &str) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(BadQuery::Unknown)?;
            // A form without script sends its empty fields too.
            if value.is_empty() && matches!(name, "service" | "account" | "endpoint") {
                continue;
            }
            match name {
                "service" => {
                    let service = Sid::parse_as(SidKind::Service, value);
                    set(&mut query.service, service.ok_or(BadQuery::Service)?)?;
                }
                "account" => {
                    let account = Sid::parse_as(SidKind::Account, value);
                    set(&mut query.account, account.ok_or(BadQuery::Account)?)?;
                }
                "endpoint" => {
                    let endpoint = Endpoint::by_name(value);
                    set(&mut query.endpoint, endpoint.ok_or(BadQuery::Endpoint)?)?;
                }
                _ => return Err(BadQuery::Unknown),
            }
        }
        Ok(query)
    }

    /// The windows that it is about: that of an endpoint, or all of one service or account.
    pub(super) fn windows(&self) -> Result<Vec<WindowKey>, BadQuery> {
        let (scope, of_service) = match (self.service, self.account) {
            (Some(service), None) => (Scope::Service(ServiceKey::Sid(service)), true),
            (None, Some(account)) => (Scope::Account(AccountKey::Sid(account)), false),
            (Some(_), Some(_)) | (None, None) => return Err(BadQuery::NotOne),
        };
        if self.endpoint.is_some() {
            return Ok(vec![self.window()?]);
        }
        let its = |endpoint: &Endpoint| names_a_service(*endpoint) == of_service;
        let key = |endpoint| WindowKey { scope, endpoint };
        Ok(Endpoint::ALL.into_iter().filter(its).map(key).collect())
    }

    /// The one window that it is about.
    pub(super) fn window(&self) -> Result<WindowKey, BadQuery> {
        let endpoint = self.endpoint.ok_or(BadQuery::NoEndpoint)?;
        let scope = if names_a_service(endpoint) {
            Scope::Service(ServiceKey::Sid(self.service.ok_or(BadQuery::NoService)?))
        } else if self.service.is_some() {
            return Err(BadQuery::OfAccounts);
        } else {
            Scope::Account(AccountKey::Sid(self.account.ok_or(BadQuery::NoAccount)?))
        };
        Ok(WindowKey { scope, endpoint })
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), BadQuery> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadQuery::Repeated),
    }
}

/// Whether requests for an endpoint are counted for the service that their path names.
fn names_a_service(endpoint: Endpoint) -> bool {
    let segments = endpoint.operation().map_or(&[][..], |operation| operation.template);
    segments.iter().any(|segment| match segment {
        Segment::Literal(_) => false,
        Segment::Id(kind) | Segment::IdOrName(kind) => *kind == SidKind::Service,
    })
}

#[cfg(test)]
mod tests {
    use super::BadQuery;
    use super::Query;
    use super::names_a_service;
    use crate::policy::endpoint::Endpoint;

    const SERVICE: &str = "service=KS00000000000000000000000000000001";
    const ACCOUNT: &str = "account=AC00000000000000000000000000000001";

    fn window(text: &str) -> Result<Endpoint, BadQuery> {
        Query::parse(text).and_then(|query| query.window()).map(|key| key.endpoint)
    }

    #[test]
    fn a_query_names_the_window_of_a_service_or_of_an_account() {
        let session = format!("{SERVICE}&endpoint=CreateSession");
        assert_eq!(window(&session), Ok(Endpoint::CreateSession));
        assert_eq!(window(&format!("{session}&{ACCOUNT}")), Ok(Endpoint::CreateSession));
        let services = format!("endpoint=ListService&{ACCOUNT}");
        assert_eq!(window(&services), Ok(Endpoint::ListService));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_would_be_right() {
        for (text, expected) in [
            ("", BadQuery::NoEndpoint),
            ("endpoint=createsession", BadQuery::Endpoint),
            ("endpoint=CreateSession", BadQuery::NoService),
            ("endpoint=ListService", BadQuery::NoAccount),
            (&format!("endpoint=ListService&{ACCOUNT}&{SERVICE}"), BadQuery::OfAccounts),
            ("service=KS1", BadQuery::Service),
            (&ACCOUNT.replace("AC", "KS"), BadQuery::Account),
            (&format!("{SERVICE}&{SERVICE}"), BadQuery::Repeated),
            ("services=1", BadQuery::Unknown),
            ("service", BadQuery::Unknown),
        ] {
            assert_eq!(window(text), Err(expected), "{text}");
            assert!(expected.help().ends_with('\n'));
        }
        assert!(BadQuery::Endpoint.help().contains("\n  DeleteSession\n"));
    }

    #[test]
    fn several_windows_are_all_of_one_service_or_of_one_account() {
        let count = |text: &str| {
            Query::parse(text).and_then(|query| query.windows()).map(|keys| keys.len())
        };
        assert_eq!((count(SERVICE), count(ACCOUNT)), (Ok(28), Ok(3)));
        assert_eq!(count(&format!("{SERVICE}&endpoint=ListSession")), Ok(1));
        let wrong = format!("{SERVICE}&endpoint=ListService");
        assert_eq!(count(&wrong), Err(BadQuery::OfAccounts));
        for text in ["", "endpoint=ListSession", &format!("{SERVICE}&{ACCOUNT}")] {
            assert_eq!(count(text), Err(BadQuery::NotOne), "{text}");
        }
    }

    #[test]
    fn two_operations_and_what_is_none_are_counted_for_the_account() {
        let of_accounts: Vec<_> =
            Endpoint::ALL.into_iter().filter(|endpoint| !names_a_service(*endpoint)).collect();
        let expected = [Endpoint::ListService, Endpoint::CreateService, Endpoint::Unmatched];
        assert_eq!(of_accounts, expected);
    }
}
