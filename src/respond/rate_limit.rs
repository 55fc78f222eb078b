//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-11).

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

use crate::admit::standing::Standing;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::RateLimit;
use crate::time;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Says what the limit is and what is left of it, where there is something to be said. Fields
/// that the upstream sent itself stay: both are lists.
pub(super) fn insert(headers: &mut HeaderMap, limit: &RateLimit, standing: Option<&Standing>) {
    let Some(standing) = standing else { return };
    let (q, w) = (limit.admissions(), whole_seconds(limit.window()));
    let window = &standing.window;
    let policy = format!("\"endpoint\";q={q};w={w}");
    let state = format!("\"endpoint\";r={};t={}", window.requests, window.seconds);
    let fields = match (limit.burst_admissions(), &standing.burst) {
        (Some(q), Some(burst)) => [
            format!("{policy}, \"burst\";q={q};w={}", whole_seconds(BURST_SPAN)),
            format!("{state}, \"burst\";r={};t={}", burst.requests, burst.seconds),
        ],
        _ => [policy, state],
    };
    for (name, text) in [RATE_LIMIT_POLICY, RATE_LIMIT].into_iter().zip(fields) {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}

fn whole_seconds(span: std::time::Duration) -> u64 {
    time::micros(span).div_ceil(1_000_000)
}
