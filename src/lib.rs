//! maskgate: a reverse-proxy gateway that enforces the Twilio Proxy API's limits exactly.
//!
//! A request passes five stages in order; each answers with what the next one needs or with its
//! own refusal, and [`gateway::Gateway`] calls them:
//!
//! | stage | question | refusals |
//! | --- | --- | --- |
//! | [`classify`] | who asks for what? | 404, 405, 401 |
//! | [`admit`] | may it go on now? | 429, 503 |
//! | [`inspect`] | does the body keep to the rules? | 400, 408, 413, 415, 503 |
//! | [`forward`] | what does the upstream say? | 502, 504 |
//! | [`respond`] | what does the client get? | |
//!
//! What does not change during a request is one immutable [`policy::Policy`], read once. What
//! changes lives in [`admit`] and [`advise`], keyed by values of fixed size. Time is a value that is
//! passed down ([`time::Tick`]). Every request ends in one [`observe::Record`].
//!
//! Reading order: [`gateway`], then the stages, then [`policy`] and [`config`], which makes
//! policies out of YAML, then [`server`], [`listen`], [`door`], [`http1`] and [`worker`], which run
//! it all, and [`systemd`], whose protocols they speak with whoever started them.
//! [`backend`] is a world of its own: the masking backend that `maskgate demo` puts behind the
//! gateway; [`control`] is what tests may do to it, and [`report`] is what is said of the client
//! that they test.

pub mod admin;
pub mod admit;
pub mod advise;
pub mod agent;
mod alarm;
mod authority;
pub mod backend;
pub mod budget;
pub mod classify;
pub mod config;
pub mod control;
pub mod door;
pub mod fingerprint;
pub mod forward;
pub mod gateway;
pub mod http1;
pub mod ingress;
pub mod inspect;
pub mod isolate;
pub mod learn;
pub mod links;
pub mod listen;
mod media;
pub mod observe;
pub mod otlp;
pub mod page;
pub mod policy;
pub mod pool;
pub mod reject;
pub mod reload;
pub mod report;
pub mod respond;
pub mod restart;
pub mod server;
pub mod sharing;
pub mod sid;
pub mod state;
pub mod store;
pub mod sweep;
mod sync;
pub mod systemd;
pub mod time;
pub mod trace_context;
pub mod watchdog;
pub mod worker;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit of this build, or `unknown` where it was built outside a repository.
pub const COMMIT: &str = env!("BUILD_COMMIT");
/// Version and commit, as `maskgate --version` prints them.
pub const BUILD: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILD_COMMIT"), ")");
