//! maskgate: a reverse-proxy gateway that enforces the Twilio Proxy API's limits exactly.

pub mod admit;
pub mod backend;
pub mod classify;
pub mod config;
pub mod forward;
pub mod inspect;
pub mod policy;
pub mod sid;
mod sync;
pub mod time;
