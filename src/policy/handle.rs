//! The pointer to the policy in force: the only place that a reload changes.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::policy::Policy;

/// Shares the policy in force between the workers and the reloader.
#[derive(Debug)]
pub struct PolicyHandle(ArcSwap<Policy>);

impl PolicyHandle {
    /// Begins with a policy, as generation 1.
    pub fn new(mut first: Policy) -> Self {
        first.generation = 1;
        Self(ArcSwap::from_pointee(first))
    }

    /// The policy in force now. A request takes one snapshot and keeps to it.
    pub fn snapshot(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Puts `next` in force for every request that begins from now on; answers its generation.
    pub fn publish(&self, mut next: Policy) -> u64 {
        next.generation = self.0.load_full().generation.saturating_add(1);
        let generation = next.generation;
        self.0.store(Arc::new(next));
        generation
    }
}
