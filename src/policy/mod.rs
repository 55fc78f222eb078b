//! What is in force? The compiled configuration, as values that cannot be wrong.
//!
//! **Invariant:** no I/O, no serde, no metrics, and no value that a limit could not take. A
//! policy never changes; a reload publishes another one.

pub mod clients;
pub mod endpoint;
pub mod field;
mod handle;
pub mod headers_file;
pub mod limit;
pub mod log;
pub mod networks;
pub mod overrides;
pub mod pools;
pub mod public_url;
pub mod rate;
pub mod store;
pub mod traces;
pub mod upstream;

use std::collections::HashMap;

pub use handle::PolicyHandle;

use crate::sid::Sid;
use clients::Clients;
use limit::Limits;
use log::LogPolicy;
use upstream::Upstream;

/// Everything that a request is judged by and that a reload may change.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Counts the policies published by this process; the first is 1.
    pub generation: u64,
    /// How clients are treated.
    pub clients: Clients,
    /// Where admitted requests go.
    pub upstream: Upstream,
    /// The account `AC…` of each API key `SK…` that the configuration names.
    pub accounts: HashMap<Sid, Sid>,
    /// The limits.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: LogPolicy,
}

impl Policy {
    /// The API's own limits in front of one upstream.
    pub fn for_upstream(upstream: Upstream) -> Self {
        Self {
            generation: 0,
            clients: Clients::default(),
            upstream,
            accounts: HashMap::new(),
            limits: Limits::default(),
            log: LogPolicy::default(),
        }
    }
}
