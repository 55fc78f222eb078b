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
mod proxy_protocol;
mod reload;
mod retries;
mod routes;
mod sharing;
mod shutdown;
mod spec;
mod strangers;
mod support;
mod tls;
