//! What has arrived? Counts for tests that want to know what their client did.
//!
//! **Invariant:** counts and hashes alone are kept: no body, no credentials, no number. Memory
//! is bounded, whatever arrives.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;

use crate::agent::Agent;
use crate::fingerprint::Fingerprint;
use crate::policy::endpoint::Endpoint;

/// How many failed requests are remembered until they come again; then the oldest is forgotten.
const MAX_FAILED: usize = 10_000;

/// What a backend has received since its start or its last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Received {
    /// All requests, whatever became of them.
    pub requests: u64,
    /// Requests that were answered with a 5xx before, and came again: same credentials, method,
    /// path, query and body.
    pub retries: u64,
    /// How many were answered with which status, by the operation's name in the API; `none`
    /// stands for what is no operation.
    pub operations: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    /// How many came from which family of clients, by its label.
    pub agents: BTreeMap<&'static str, u64>,
}

/// Counts for all threads.
#[derive(Default)]
pub(super) struct Log(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    received: Received,
    failed: Failed,
}

impl Log {
    pub(super) fn add(
        &self,
        endpoint: Option<Endpoint>,
        status: StatusCode,
        head: &Parts,
        body: Option<&Bytes>,
    ) {
        let agent = Agent::of(&head.headers).label();
        let mut request = Fingerprint::of(head);
        request.add(body.map(AsRef::as_ref).unwrap_or_default());
        let request = request.value();
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let again = tally.failed.take(request);
        if status.is_server_error() {
            tally.failed.remember(request);
        }
        let received = &mut tally.received;
        add_one(&mut received.requests);
        if again {
            add_one(&mut received.retries);
        }
        let operation = endpoint.map_or("none", Endpoint::name);
        let statuses = received.operations.entry(operation).or_default();
        add_one(statuses.entry(status.as_u16()).or_default());
        add_one(received.agents.entry(agent).or_default());
    }

    pub(super) fn read(&self) -> Received {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).received.clone()
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Tally::default();
    }
}

/// Requests whose last answer was a 5xx, by their fingerprints.
#[derive(Default)]
struct Failed {
    /// The number of each in the order of its arrival.
    numbers: HashMap<u128, u64>,
    /// The same by age, with some that have come again since.
    by_age: VecDeque<(u64, u128)>,
    next: u64,
}

impl Failed {
    /// Whether the request is among them; it no longer is.
    fn take(&mut self, request: u128) -> bool {
        self.numbers.remove(&request).is_some()
    }

    fn remember(&mut self, request: u128) {
        self.next = self.next.saturating_add(1);
        self.numbers.insert(request, self.next);
        self.by_age.push_back((self.next, request));
        if self.by_age.len() > MAX_FAILED
            && let Some((number, oldest)) = self.by_age.pop_front()
            && self.numbers.get(&oldest) == Some(&number)
        {
            self.numbers.remove(&oldest);
        }
    }
}

fn add_one(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::Failed;
    use super::MAX_FAILED;

    #[test]
    fn a_failed_request_is_remembered_until_it_comes_again() {
        let mut failed = Failed::default();
        failed.remember(1);
        assert!(failed.take(1));
        assert!(!failed.take(1));
        failed.remember(1);
        assert!(failed.take(1));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut failed = Failed::default();
        for request in 0..=u128::try_from(MAX_FAILED).unwrap() {
            failed.remember(request);
        }
        assert!(!failed.take(0));
        assert!(failed.take(1));
        assert_eq!(failed.by_age.len(), MAX_FAILED);
    }
}
