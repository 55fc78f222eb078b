//! maskgate: a reverse-proxy gateway that enforces the Twilio Proxy API's limits exactly.

pub mod admit;
pub mod backend;
pub mod classify;
pub mod config;
pub mod forward;
pub mod gateway;
pub mod inspect;
pub mod observe;
pub mod policy;
pub mod reject;
pub mod respond;
pub mod sid;
mod sync;
pub mod time;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit of this build, or `unknown` where it was built outside a repository.
pub const COMMIT: &str = env!("BUILD_COMMIT");
/// Version and commit, as `maskgate --version` prints them.
pub const BUILD: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILD_COMMIT"), ")");
