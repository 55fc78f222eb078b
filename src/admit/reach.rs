//! How much of the past must a window remember?
//!
//! As many admissions as the largest limit that judges it, within the longest span that judges
//! it. Usually that is one rule; where rules depend on the account, or a reload brings another
//! rule, it is the larger of them in either respect.

use std::collections::HashMap;
use std::time::Duration;

use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
use crate::policy::rate::RateLimit;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::time;
use crate::time::Tick;

/// What has left a span is kept for so much longer than it must, so that a thread whose time is
/// behind does not find a full window gone.
const GRACE: Duration = Duration::from_secs(1);

/// A number of admissions and a span: both fit 32 bits, as a limit has at most 1,000,000
/// admissions and a window is at most 3,600,000,000 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) admissions: u32,
    pub(crate) micros: u32,
}

impl Reach {
    /// What one limit asks for.
    pub(crate) fn of(limit: &RateLimit) -> Self {
        Self {
            admissions: limit.admissions().get(),
            micros: u32::try_from(time::micros(limit.window())).unwrap_or(u32::MAX),
        }
    }

    /// One word for an atomic: admissions above, microseconds below.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.admissions) << u32::BITS | u64::from(self.micros)
    }

    /// The reverse of [`Reach::pack`].
    pub(crate) fn unpack(word: u64) -> Self {
        // Neither half is larger than 32 bits.
        let half = |half: u64| u32::try_from(half).unwrap_or(u32::MAX);
        Self { admissions: half(word >> u32::BITS), micros: half(word & u64::from(u32::MAX)) }
    }

    /// The span.
    pub(crate) fn span(self) -> Duration {
        Duration::from_micros(self.micros.into())
    }

    /// Whether a charge has left the span, by the clock of every thread.
    pub(crate) fn is_left_by(self, charged_at: Tick, now: Tick) -> bool {
        charged_at.plus(self.span()).plus(GRACE) <= now
    }

    /// What satisfies both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            admissions: self.admissions.max(other.admissions),
            micros: self.micros.max(other.micros),
        }
    }

    /// What is common to both.
    fn intersection(self, other: Self) -> Self {
        Self {
            admissions: self.admissions.min(other.admissions),
            micros: self.micros.min(other.micros),
        }
    }
}

/// The reach of every window under one policy, computed once for a sweep.
pub(crate) struct Reaches {
    every: [Bounds; Endpoint::COUNT],
    of_service: HashMap<Sid, Vec<(Option<Endpoint>, Bounds)>>,
}

/// A window's key does not tell its account, so rules that name one are possible, not certain.
#[derive(Clone, Copy, Default)]
struct Bounds {
    certain: Reach,
    possible: Reach,
}

impl Bounds {
    fn union(self, other: Self) -> Self {
        Self {
            certain: self.certain.union(other.certain),
            possible: self.possible.union(other.possible),
        }
    }
}

impl Reaches {
    /// The reaches under `limits`.
    pub(crate) fn of(limits: &Limits) -> Self {
        let rate = Reach::of(&limits.rate.limit);
        let mut reaches = Self {
            every: [Bounds { certain: rate, possible: rate }; Endpoint::COUNT],
            of_service: HashMap::new(),
        };
        for each in limits.overrides.iter() {
            let possible = Reach::of(&each.rate.limit);
            let certain = each.matches.account.map_or(possible, |_| Reach::default());
            let bounds = Bounds { certain, possible };
            let endpoint = each.matches.endpoint;
            match each.matches.service {
                Some(service) => {
                    reaches.of_service.entry(service).or_default().push((endpoint, bounds));
                }
                None => reaches.widen(endpoint, bounds),
            }
        }
        reaches
    }

    fn widen(&mut self, endpoint: Option<Endpoint>, bounds: Bounds) {
        for (each, widened) in Endpoint::ALL.into_iter().zip(&mut self.every) {
            if endpoint.is_none_or(|endpoint| endpoint == each) {
                *widened = widened.union(bounds);
            }
        }
    }

    /// What a window has to remember from now on, given what it remembered so far: a rule of
    /// one account counts once it has judged the window, and no longer than it is in force.
    pub(crate) fn of_window(&self, key: &WindowKey, so_far: Reach) -> Reach {
        let every = self.every.get(key.endpoint.index()).copied().unwrap_or_default();
        let own = match key.scope {
            Scope::Service(ServiceKey::Sid(service)) => self.of_service.get(&service),
            Scope::Service(ServiceKey::Named(_)) | Scope::Account(_) => None,
        };
        let meant = |endpoint: &Option<Endpoint>| endpoint.is_none_or(|e| e == key.endpoint);
        let bounds = own
            .into_iter()
            .flatten()
            .filter(|(endpoint, _)| meant(endpoint))
            .fold(every, |bounds, (_, more)| bounds.union(*more));
        so_far.intersection(bounds.possible).union(bounds.certain)
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Reach;
    use super::Reaches;
    use crate::admit::key::Scope;
    use crate::admit::key::WindowKey;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::limit::Limits;
    use crate::policy::overrides::Match;
    use crate::policy::overrides::Override;
    use crate::policy::overrides::Overrides;
    use crate::policy::rate::RateLimit;
    use crate::policy::rate::RateRule;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use std::num::NonZeroU32;
    use std::time::Duration;

    const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
    const OTHER: Sid = Sid::new(SidKind::Service, [2; 16]);
    const ACCOUNT: Sid = Sid::new(SidKind::Account, [3; 16]);

    fn each(matches: Match, seconds: u64) -> Override {
        let rps = NonZeroU32::new(10).unwrap();
        let limit = RateLimit::new(rps, Duration::from_secs(seconds), rps).unwrap();
        Override { matches, rate: RateRule { limit, ..RateRule::default() } }
    }

    fn limits() -> Limits {
        let overrides = Overrides::new(vec![
            each(
                Match {
                    service: Some(SERVICE),
                    endpoint: Some(Endpoint::FetchSession),
                    account: None,
                },
                60,
            ),
            each(Match { account: Some(ACCOUNT), ..Match::default() }, 600),
            each(Match { endpoint: Some(Endpoint::ListSession), ..Match::default() }, 30),
        ]);
        Limits { overrides, ..Limits::default() }
    }

    fn reach(service: Sid, endpoint: Endpoint, so_far: Reach) -> Reach {
        let key = WindowKey { scope: Scope::Service(ServiceKey::Sid(service)), endpoint };
        Reaches::of(&limits()).of_window(&key, so_far)
    }

    fn seconds(seconds: u32, admissions: u32) -> Reach {
        Reach { admissions, micros: seconds.saturating_mul(1_000_000) }
    }

    #[test]
    fn packing_keeps_both_numbers() {
        let reach = Reach { admissions: 1_000_000, micros: 3_600_000_000 };
        assert_eq!(Reach::unpack(reach.pack()), reach);
    }

    #[test]
    fn a_window_reaches_as_far_as_the_rules_that_are_sure_to_judge_it() {
        let none = Reach::default();
        assert_eq!(reach(OTHER, Endpoint::FetchSession, none), seconds(5, 150));
        assert_eq!(reach(OTHER, Endpoint::ListSession, none), seconds(30, 300));
        assert_eq!(reach(SERVICE, Endpoint::FetchSession, none), seconds(60, 600));
        assert_eq!(reach(SERVICE, Endpoint::ListSession, none), seconds(30, 300));
    }

    #[test]
    fn an_accounts_rule_counts_once_it_has_judged_the_window() {
        let judged = seconds(600, 6000);
        assert_eq!(reach(OTHER, Endpoint::FetchSession, judged), judged);
    }

    #[test]
    fn a_rule_that_is_no_longer_in_force_does_not_count() {
        let judged = seconds(3600, 36_000);
        assert_eq!(reach(OTHER, Endpoint::FetchSession, judged), seconds(600, 6000));
    }
}
