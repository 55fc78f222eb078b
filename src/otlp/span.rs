//! What is told of one request? Its place in a trace, its times, and what became of it.

use std::time::Duration;

use http::HeaderValue;

use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::trace_context::TraceContext;

/// One request, from its head to the last byte of its answer.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its place in a trace.
    pub context: TraceContext,
    /// The caller's place; none where the trace begins here.
    pub parent: Option<u64>,
    /// When it ended, since 1970.
    pub ended: Duration,
    /// How long it took.
    pub taken: Duration,
    /// Which operation it is; none where it is none.
    pub endpoint: Option<Endpoint>,
    /// Whose window it is in, where that is a service's.
    pub service: Option<Sid>,
    /// What became of it.
    pub decision: &'static str,
    /// The status of the answer; none where the client left before.
    pub status: Option<u16>,
    /// The limit that refused, or would have.
    pub limit: Option<Limit>,
    /// What was wrong with the upstream.
    pub fault: Option<&'static str>,
    /// How long the upstream took to begin its answer.
    pub upstream: Option<Duration>,
    /// The value of `X-Request-Id`, of a harmless alphabet.
    pub request_id: HeaderValue,
}

/// The limit that a request broke.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its word.
    pub name: &'static str,
    /// Whether it refuses, or is on trial.
    pub is_enforced: bool,
    /// How much it allows.
    pub allowed: Option<u32>,
    /// When there is room again.
    pub retry_after: Option<Duration>,
}
