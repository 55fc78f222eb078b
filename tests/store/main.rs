//! The shared store against real servers, which the tests start and end.
//!
//! They need `redis-server` and `redis-sentinel` (`apt-get install redis-server redis-sentinel`),
//! and take `valkey-server` where `VALKEY_SERVER` names one; `tests/run` sees to all of them.
//! `MASKGATE_SEED=… cargo test --test store` repeats a run; a failure names its seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]
#![expect(
    clippy::disallowed_methods,
    reason = "servers of other processes have no manual clock"
)]
#![expect(clippy::print_stdout, reason = "figures, and what was left out")]

/// Unchanged, those who try the windows of a process alone.
#[path = "../simulation/adversaries.rs"]
mod adversaries;
#[expect(dead_code, reason = "the simulation asks more of it")]
#[path = "../simulation/log.rs"]
mod log;
#[path = "../simulation/requests.rs"]
mod requests;
mod script;
mod subject;
mod support;

use maskgate::admit::Denial;
use maskgate::policy::Policy;
use maskgate::time::Tick;
use requests::class;
use requests::limit;
use requests::with_rate;
use subject::Admission;
use support::SECOND;

/// How many of `requests` requests at `micros` are admitted.
fn admitted(admission: &Admission, policy: &Policy, requests: usize, micros: u64) -> usize {
    let now = Tick::from_micros(micros);
    (0..requests).filter(|_| admission.admit(policy, &class(1), now).is_ok()).count()
}
