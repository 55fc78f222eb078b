//! Policies, limits and requests, in as few words as tests want.

use std::num::NonZeroU32;
use std::time::Duration;

use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::rate::RateLimit;
use maskgate::policy::rate::RateRule;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

pub(crate) fn policy(limits: Limits) -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

pub(crate) fn with_rate(rate: RateRule) -> Policy {
    policy(Limits { rate, ..Limits::default() })
}

/// `rps × seconds` in `seconds`, at most `rps × burst` of them in one second.
pub(crate) fn limit(rps: u32, seconds: u64, burst: u32) -> RateLimit {
    let [rps, burst] = [rps, burst].map(|n| NonZeroU32::new(n).unwrap());
    RateLimit::new(rps, Duration::from_secs(seconds), burst).unwrap()
}

pub(crate) fn class(service: u8) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::CreateSession,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [service; 16]))),
        credential: Digest([9; 16]),
    }
}
