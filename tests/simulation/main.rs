//! The admission core against the plainest model of the rule: a list of times that is counted.
//!
//! `MASKGATE_SEED=… cargo test --test simulation` repeats a run; a failure names its seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]

mod adversaries;
mod guard;
mod log;
mod properties;
mod requests;
mod rules;
mod strangers;
mod threads;
mod world;

use maskgate::admit::Admission;
use maskgate::admit::Denial;
use maskgate::policy::Policy;
use maskgate::time::Tick;
use requests::class;
use requests::limit;
use requests::policy;
use requests::with_rate;

/// One second in the unit of [`Tick`].
const SECOND: u64 = 1_000_000;

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
