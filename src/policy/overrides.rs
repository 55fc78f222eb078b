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

/// The overrides in the order of the configuration, indexed by service, so that ten thousand
/// services with a rate of their own cost a request no more than one.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    all: Vec<Override>,
    of_service: HashMap<Sid, Vec<usize>>,
    of_any_service: Vec<usize>,
}

impl Overrides {
    /// Indexes `all`; an earlier one wins over a later one.
    pub fn new(all: Vec<Override>) -> Self {
        let mut overrides = Self { all, ..Self::default() };
        for (index, each) in overrides.all.iter().enumerate() {
            match each.matches.service {
                Some(service) => overrides.of_service.entry(service).or_default().push(index),
                None => overrides.of_any_service.push(index),
            }
        }
        overrides
    }

    /// The first override that matches a request with these properties.
    pub fn first_match(&self, asked: &Match) -> Option<&Override> {
        let first = |indices: &[usize]| {
            indices
                .iter()
                .copied()
                .find(|&index| self.all.get(index).is_some_and(|o| o.matches.matches(asked)))
        };
        let by_service = asked.service.and_then(|service| self.of_service.get(&service));
        let own = by_service.and_then(|indices| first(indices));
        let general = first(&self.of_any_service);
        let index = own.into_iter().chain(general).min()?;
        self.all.get(index)
    }

    /// The overrides in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.all.iter()
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
