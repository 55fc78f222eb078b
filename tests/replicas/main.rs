//! Several gateways on one store, each a process of its own, seen from outside: what they admit
//! together while all is well, and while the store, the network or a replica is not.
//! `docs/scaling.md` has the promises, with the name of the test of each and the figures seen.
//!
//! The promises are about real time, and so are the tests; what they call wrong is wrong for
//! certain, on a slow machine too. Servers are those of `tests/store`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the promises are about time, and have figures"
)]

mod deploy;
mod exact;
mod failover;
mod fleet;
mod losses;
mod outside;
mod partition;
mod pools;
mod relay;
#[expect(dead_code, reason = "the tests of the library ask more of them")]
#[path = "../store/support/mod.rs"]
mod servers;
#[expect(dead_code, unused_imports, reason = "the tests of faults ask more of it")]
#[path = "../faults/support/mod.rs"]
mod support;
