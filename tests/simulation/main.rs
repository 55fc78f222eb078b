//! The admission core against the plainest model of the rule: a list of times that is counted.
//!
//! `MASKGATE_SEED=… cargo test --test simulation` repeats a run; a failure names its seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]

mod adversaries;
mod guard;
mod log;
mod properties;
mod rules;
mod strangers;
mod threads;
mod world;

use std::num::NonZeroU32;
use std::time::Duration;

use maskgate::admit::Admission;
use maskgate::admit::Denial;
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
use maskgate::time::Tick;

/// One second in the unit of [`Tick`].
const SECOND: u64 = 1_000_000;

fn policy(limits: Limits) -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

fn with_rate(rate: RateRule) -> Policy {
    policy(Limits { rate, ..Limits::default() })
}

/// `rps × seconds` in `seconds`, at most `rps × burst` of them in one second.
fn limit(rps: u32, seconds: u64, burst: u32) -> RateLimit {
    let [rps, burst] = [rps, burst].map(|n| NonZeroU32::new(n).unwrap());
    RateLimit::new(rps, Duration::from_secs(seconds), burst).unwrap()
}

fn class(service: u8) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::CreateSession,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [service; 16]))),
        credential: Digest([9; 16]),
    }
}

/// How many of `requests` requests at `micros` are admitted.
fn admitted(admission: &Admission, policy: &Policy, requests: usize, micros: u64) -> usize {
    let now = Tick::from_micros(micros);
    let admitted = |_: &usize| match admission.admit(policy, &class(1), now) {
        Ok(permit) => {
            drop(permit);
            true
        }
        Err(Denial::Rate(_)) => false,
        Err(other) => panic!("{other}"),
    };
    (0..requests).filter(admitted).count()
}
