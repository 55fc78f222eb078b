//! What the pages say holds: every link leads somewhere, and what a page shows for others to copy is
//! read by the program that it is for.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod links;
mod migration;
mod shown;
