//! Policies as chance has them.

use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::InFlightLimit;
use maskgate::policy::limit::Limits;
use maskgate::policy::overrides::Match;
use maskgate::policy::overrides::Override;
use maskgate::policy::overrides::Overrides;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::RateLimit;
use maskgate::policy::rate::RateRule;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

use crate::limit;
use crate::policy;

/// The account that may have a rule of its own.
pub(crate) const PARTNER: Sid = Sid::new(SidKind::Account, [2; 16]);
/// No window that chance chooses is longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);
/// Nor does any limit admit more in one.
pub(crate) const LARGEST: usize = 300;

/// The limits of one policy. Two of them may judge one window: that of any account, and the
/// partner's own.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) counting: Counting,
    general: RateLimit,
    of_fetch: Option<RateLimit>,
    pub(crate) of_partner: Option<RateLimit>,
}

impl Rules {
    pub(crate) fn any(rng: &mut Rng, counting: Counting) -> Self {
        let mut any = || {
            let seconds = [1, 2, 5, 5, 5, 10][rng.usize(..6)];
            let rps = if rng.bool() { rng.u32(1..4) } else { rng.u32(1..=30) };
            limit(rps, seconds, rng.u32(1..=6))
        };
        let (general, of_fetch, of_partner) = (any(), any(), any());
        Self {
            counting,
            general,
            of_fetch: Some(of_fetch).filter(|_| rng.bool()),
            of_partner: Some(of_partner).filter(|_| rng.bool()),
        }
    }

    pub(crate) fn compile(&self) -> Policy {
        let rule = |limit| RateRule { limit, count: self.counting, ..RateRule::default() };
        let fetch = Match { endpoint: Some(Endpoint::FetchSession), ..Match::default() };
        let partner = Match { account: Some(PARTNER), ..Match::default() };
        let overrides = [(partner, self.of_partner), (fetch, self.of_fetch)]
            .into_iter()
            .filter_map(|(matches, limit)| Some(Override { matches, rate: rule(limit?) }))
            .collect();
        policy(Limits {
            rate: rule(self.general),
            overrides: Overrides::new(overrides),
            in_flight: InFlightLimit { total: NonZeroU32::MAX, per_service: None },
            ..Limits::default()
        })
    }

    /// The rule of every account for `endpoint`.
    pub(crate) fn general(&self, endpoint: Endpoint) -> &RateLimit {
        let fetch = self.of_fetch.as_ref().filter(|_| endpoint == Endpoint::FetchSession);
        fetch.unwrap_or(&self.general)
    }

    /// How long a charge must be remembered, and how many.
    pub(crate) fn reach(
        &self,
        endpoint: Endpoint,
        judged_by_partner: bool,
    ) -> (Duration, usize) {
        let general = self.general(endpoint);
        let partner = self.of_partner.as_ref().filter(|_| judged_by_partner).unwrap_or(general);
        let most = general.admissions().max(partner.admissions());
        (general.window().max(partner.window()), usize::try_from(most.get()).unwrap())
    }
}
