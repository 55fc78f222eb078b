//! Which rate applies? Overrides by account, service and endpoint; the first that matches wins.

use std::collections::HashMap;

use crate::policy::endpoint::Endpoint;
use crate::policy::rate::RateRule;
use crate::sid::Sid;

/// What an override applies to; a part that is not given applies to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Match {
    /// Requests with this account's credentials.
    pub account: Option<Sid>,
    /// Requests for this service.
    pub service: Option<Sid>,
    /// Requests for this endpoint.
    pub endpoint: Option<Endpoint>,
}

impl Match {
    /// Whether a request with these properties is meant.
    pub fn matches(&self, asked: &Self) -> bool {
        (self.account.is_none() || self.account == asked.account)
            && (self.service.is_none() || self.service == asked.service)
            && (self.endpoint.is_none() || self.endpoint == asked.endpoint)
    }
}

/// A rate for what `matches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What it applies to.
    pub matches: Match,
    /// The whole rule: what the configuration left out is already filled in.
    pub rate: RateRule,
}

/// The overrides of rates in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    all: Vec<Override>,
    by_service: ByService,
}

impl Overrides {
    /// Indexes `all`; an earlier one wins over a later one.
    pub fn new(all: Vec<Override>) -> Self {
        let by_service = ByService::of(all.iter().map(|each| each.matches.service));
        Self { all, by_service }
    }

    /// The first override that matches a request with these properties.
    pub fn first_match(&self, asked: &Match) -> Option<&Override> {
        let matches = |each: &Override| each.matches.matches(asked);
        let is_meant = |index| self.all.get(index).is_some_and(matches);
        let index = self.by_service.first(asked.service, is_meant)?;
        self.all.get(index)
    }

    /// Whether the rule of a request with these properties may depend on its account.
    pub fn depends_on_account(&self, asked: &Match) -> bool {
        let is_of_one = |each: &Override| {
            let matches = Match { account: None, ..each.matches };
            each.matches.account.is_some() && matches.matches(asked)
        };
        let first = self.all.iter().find(|each| each.matches.matches(asked));
        let before = |each: &&Override| first.is_none_or(|first| !std::ptr::eq(*each, first));
        self.all.iter().take_while(before).any(is_of_one)
    }

    /// The overrides in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.all.iter()
    }
}

/// The places of overrides in their list by service, so that ten thousand services with a rule
/// of their own cost a request no more than one.
#[derive(Clone, Debug, Default)]
pub(super) struct ByService {
    of_service: HashMap<Sid, Vec<usize>>,
    of_any_service: Vec<usize>,
}

impl ByService {
    /// Of a list of overrides with these services.
    pub(super) fn of(services: impl Iterator<Item = Option<Sid>>) -> Self {
        let mut places = Self::default();
        for (index, service) in services.enumerate() {
            match service {
                Some(service) => places.of_service.entry(service).or_default().push(index),
                None => places.of_any_service.push(index),
            }
        }
        places
    }

    /// The first place for `service` that is meant.
    pub(super) fn first(
        &self,
        service: Option<Sid>,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let first = |places: &[usize]| places.iter().copied().find(|&place| is_meant(place));
        let by_service = service.and_then(|service| self.of_service.get(&service));
        let own = by_service.and_then(|places| first(places));
        let general = first(&self.of_any_service);
        own.into_iter().chain(general).min()
    }
}

#[cfg(test)]
mod tests {
    use super::Match;
    use super::Override;
    use super::Overrides;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::rate::RateRule;
    use crate::policy::rate::SetBy;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    fn overrides(matches: &[Match]) -> Overrides {
        let each = |(line, &matches): (usize, &Match)| {
            let set_by = SetBy::File { file: "f".into(), line };
            Override { matches, rate: RateRule { set_by, ..RateRule::default() } }
        };
        Overrides::new(matches.iter().enumerate().map(each).collect())
    }

    fn line_of(overrides: &Overrides, asked: Match) -> Option<usize> {
        match overrides.first_match(&asked)?.rate.set_by {
            SetBy::File { line, .. } => Some(line),
            SetBy::Default | SetBy::Variable(_) => None,
        }
    }

    #[test]
    fn the_first_that_matches_wins_whether_it_names_a_service_or_not() {
        let service = Some(Sid::new(SidKind::Service, [1; 16]));
        let account = Some(Sid::new(SidKind::Account, [2; 16]));
        let endpoint = Some(Endpoint::CreateSession);
        let all = overrides(&[
            Match { service, endpoint, ..Match::default() },
            Match { endpoint, ..Match::default() },
            Match { service, ..Match::default() },
            Match { account, ..Match::default() },
        ]);
        let asked = Match { account, service, endpoint };
        assert_eq!(line_of(&all, asked), Some(0));
        assert_eq!(line_of(&all, Match { service: None, ..asked }), Some(1));
        let fetch = Some(Endpoint::FetchSession);
        assert_eq!(line_of(&all, Match { endpoint: fetch, ..asked }), Some(2));
        assert_eq!(line_of(&all, Match { endpoint: fetch, service: None, account }), Some(3));
        let other = Match { endpoint: fetch, service: None, account: None };
        assert_eq!(line_of(&all, other), None);
    }
}
