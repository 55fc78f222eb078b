//! The upstream's bytes without an upstream, and a scripted upstream without a gateway.

#![expect(clippy::arithmetic_side_effects, reason = "tests, built with overflow checks")]

mod ends;
mod exchange;
mod heads;
mod reading;
mod rival;
mod scene;
mod tls;
