//! The whole gateway over real sockets: an upstream that records, a clock that is turned by
//! hand.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod admin;
mod errors;
mod explain;
mod fields;
mod forwarding;
mod heads;
mod http2;
mod https;
mod in_flight;
mod learning;
mod links;
mod log;
mod overrides;
mod pools;
#[expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]
mod pools_simulated;
mod pools_together;
mod proxy_protocol;
mod reload;
mod reset;
mod retries;
mod routes;
#[expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    dead_code,
    reason = "the tests of the store ask more of them, in real time"
)]
#[path = "../store/support/mod.rs"]
mod servers;
mod sharing;
mod shutdown;
mod spec;
mod status;
mod store_access;
mod strangers;
mod support;
mod tls;
mod top;
mod traces;
