//! What is allowed: the limits in force, so that rules and panels need not repeat them.
//!
//! **Invariant:** no account and no service is in a label. A rate is that of an endpoint where no
//! override is for the caller's account or service; of those there is the number only.

use prometheus::Gauge;
use prometheus::IntGauge;

use crate::observe::metrics::Metrics;
use crate::observe::metrics::register::Maker;
use crate::observe::metrics::set;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
use crate::policy::overrides::Match;
use crate::policy::pools::PoolKind;
use crate::policy::rate::Mode;

/// The limits in force. Lists are by endpoint, or by pool kind.
#[derive(Debug)]
pub(super) struct LimitMetrics {
    in_flight: IntGauge,
    connections: IntGauge,
    keys: IntGauge,
    body_bytes: IntGauge,
    admissions: Vec<IntGauge>,
    windows: Vec<Gauge>,
    enforced: Vec<IntGauge>,
    overrides: IntGauge,
    pools: Vec<IntGauge>,
}

impl LimitMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let endpoints = || Endpoint::ALL.iter().map(|endpoint| endpoint.name());
        let of_all = |name, help| make.int_gauge(name, help);
        Ok(Self {
            in_flight: of_all(
                "maskgate_in_flight_requests_limit",
                "Requests that may be under way at once (limits.in_flight.total)",
            )?,
            connections: of_all(
                "maskgate_connections_limit",
                "Client connections that may be open at once (listen.max_connections)",
            )?,
            keys: of_all(
                "maskgate_live_keys_limit",
                "Windows that may be alive at once (limits.max_keys)",
            )?,
            body_bytes: of_all(
                "maskgate_request_body_limit_bytes",
                "Bytes of requests' bodies that may be held at once (limits.body_memory)",
            )?,
            admissions: make.int_gauges(
                (
                    "maskgate_rate_limit_admissions",
                    "Admissions that a window of the endpoint may hold, where no override is for \
                     the account or the service",
                ),
                "endpoint",
                endpoints(),
            )?,
            windows: make.gauges(
                (
                    "maskgate_rate_limit_window_seconds",
                    "Length of such a window of the endpoint",
                ),
                "endpoint",
                endpoints(),
            )?,
            enforced: make.int_gauges(
                (
                    "maskgate_rate_limit_enforced",
                    "1 where that limit refuses, 0 where its mode is shadow or off",
                ),
                "endpoint",
                endpoints(),
            )?,
            overrides: of_all(
                "maskgate_rate_limit_overrides",
                "Overrides of rates for accounts, services and endpoints (limits.overrides)",
            )?,
            pools: make.int_gauges(
                (
                    "maskgate_pool_limit_numbers",
                    "Numbers that a service may have, where no override is for it",
                ),
                "kind",
                PoolKind::ALL.iter().map(|kind| kind.label()),
            )?,
        })
    }

    /// Shows the limits of the policy in force, where there is one.
    pub(super) fn show(&self, policy: Option<&Policy>) {
        let Some(Policy { limits, .. }) = policy else { return };
        set(&self.in_flight, limits.in_flight.total.get().into());
        set(&self.keys, count(limits.max_keys.get()));
        set(&self.body_bytes, count(limits.body_memory));
        set(&self.overrides, count(limits.overrides.iter().count()));
        self.show_rates(limits);
        for (kind, gauge) in PoolKind::ALL.iter().zip(&self.pools) {
            set(gauge, limits.pools.rule.limit(*kind).into());
        }
    }

    fn show_rates(&self, limits: &Limits) {
        let gauges = self.admissions.iter().zip(&self.windows).zip(&self.enforced);
        for (endpoint, ((admissions, window), enforced)) in Endpoint::ALL.iter().zip(gauges) {
            let asked = Match { endpoint: Some(*endpoint), ..Match::default() };
            let rule = limits.rate_rule(&asked);
            set(admissions, rule.limit.admissions().get().into());
            window.set(rule.limit.window().as_secs_f64());
            enforced.set(i64::from(rule.mode == Mode::Enforce));
        }
    }
}

impl Metrics {
    /// Shows how many client connections may be open at once, until the next start.
    pub fn limit_connections(&self, most: usize) {
        set(&self.limits.connections, count(most));
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use crate::policy::Policy;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::overrides::Match;
    use crate::policy::overrides::Override;
    use crate::policy::overrides::Overrides;
    use crate::policy::rate::Mode;
    use crate::policy::rate::RateLimit;
    use crate::policy::rate::RateRule;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use crate::policy::upstream::Upstream;
    use crate::sid::Sid;
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    fn rule(requests_per_second: u32, mode: Mode) -> RateRule {
        let requests_per_second = NonZeroU32::new(requests_per_second).unwrap();
        let limit =
            RateLimit::new(requests_per_second, Duration::from_secs(2), NonZeroU32::MIN);
        RateRule { limit: limit.unwrap(), mode, ..RateRule::default() }
    }

    #[test]
    fn an_endpoints_limit_is_the_one_for_everybody() {
        let service = Sid::parse("KS0123456789abcdef0123456789abcdef");
        let of_one = Match { service, endpoint: Some(Endpoint::ListSession), account: None };
        let of_all = Match { endpoint: Some(Endpoint::ListSession), ..Match::default() };
        let origin = Origin { scheme: Scheme::Http, host: "a".to_owned(), port: 1 };
        let mut policy = Policy::for_upstream(Upstream::plain(origin));
        policy.limits.overrides = Overrides::new(vec![
            Override { matches: of_one, rate: rule(7, Mode::Enforce) },
            Override { matches: of_all, rate: rule(10, Mode::Shadow) },
        ]);
        let metrics = Metrics::new(Duration::ZERO).unwrap();
        metrics.limit_connections(77);
        let readings = Readings { policy: Some(Arc::new(policy)), ..Readings::default() };
        let text = metrics.render(&readings).unwrap();
        for line in [
            "maskgate_in_flight_requests_limit 1024",
            "maskgate_connections_limit 77",
            "maskgate_live_keys_limit 1000000",
            "maskgate_request_body_limit_bytes 67108864",
            "maskgate_rate_limit_admissions{endpoint=\"CreateSession\"} 150",
            "maskgate_rate_limit_window_seconds{endpoint=\"CreateSession\"} 5",
            "maskgate_rate_limit_enforced{endpoint=\"CreateSession\"} 1",
            "maskgate_rate_limit_admissions{endpoint=\"ListSession\"} 20",
            "maskgate_rate_limit_window_seconds{endpoint=\"ListSession\"} 2",
            "maskgate_rate_limit_enforced{endpoint=\"ListSession\"} 0",
            "maskgate_rate_limit_overrides 2",
            "maskgate_pool_limit_numbers{kind=\"reserved\"} 5000",
            "maskgate_pool_limit_numbers{kind=\"unreserved\"} 500",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}\n{text}");
        }
    }
}
