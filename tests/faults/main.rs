//! What the gateway promises when clients, upstreams and operators do their worst, each promise
//! with its figures: the program itself runs as a process of its own, and its memory, descriptors
//! and CPU time are read from the system. `docs/faults.md` has the promises and the figures.
//!
//! A short variant runs by default; `MASKGATE_FAULTS=full` runs what `.ci/run nightly` does.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the promises are about time, and have figures"
)]

mod b10_soak;
mod b1_overload;
mod b2_connections;
mod b3_slow_clients;
mod b4_kills;
mod b5_idle_close;
mod b7_dead_upstream;
mod b8_reload;
mod b9_drain;
mod support;
