//! Fuzz targets: what must hold of any bytes at all.
//!
//! Each target is a test that takes seeds and changes them. `cargo test -p maskgate-fuzz` runs all
//! of them for a second, `.ci/run fuzz` for longer. What is found becomes a line of `seeds/`, and
//! every seed is tried as it stands in every run.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "tests, built with overflow checks")]
#![expect(dead_code, reason = "of the suite of the wire not everything is used")]

mod answer;
mod configuration;
mod credentials;
mod form;
mod ingress;
mod links;
mod path;
mod seeds;
mod whole;

// What the suite of the wire has, by the names that its parts know each other by.
#[path = "../../tests/wire/case.rs"]
mod case;
#[path = "../../tests/wire/client.rs"]
mod client;
#[path = "../../tests/wire/exchange.rs"]
mod exchange;
#[path = "../../tests/wire/expand.rs"]
mod expand;
#[path = "../../tests/wire/gateway.rs"]
mod gateway;
#[path = "../../tests/wire/judge.rs"]
mod judge;
#[path = "../../tests/wire/message.rs"]
mod message;
#[path = "../../tests/wire/mutation.rs"]
mod mutation;
#[path = "../../tests/wire/reading.rs"]
mod reading;
#[path = "../../tests/wire/template.rs"]
mod template;
#[path = "../../tests/wire/upstream.rs"]
mod upstream;
#[path = "../../tests/wire/verdict.rs"]
mod verdict;
