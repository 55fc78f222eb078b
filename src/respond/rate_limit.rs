//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-11).

use bytes::BytesMut;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

use crate::admit::standing::Standing;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::RateLimit;
use crate::time;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Room for both fields of a limit with a burst of its own, in bytes.
const USUAL_TEXT: usize = 128;

/// Says what the limit is and what is left of it, where there is something to be said. Fields
/// that the upstream sent itself stay: both are lists.
pub(super) fn insert(headers: &mut HeaderMap, limit: &RateLimit, standing: Option<&Standing>) {
    let Some(standing) = standing else { return };
    let burst = limit.burst_admissions().zip(standing.burst.as_ref());
    // One allocation for both: every answer has them.
    let mut text = BytesMut::with_capacity(USUAL_TEXT);

    let (q, w) = (limit.admissions(), whole_seconds(limit.window()));
    push_item(&mut text, "endpoint", [("q", q.get().into()), ("w", w)]);
    if let Some((q, _)) = burst {
        push_item(
            &mut text,
            "burst",
            [("q", q.get().into()), ("w", whole_seconds(BURST_SPAN))],
        );
    }
    append(headers, RATE_LIMIT_POLICY, text.split());

    let window = &standing.window;
    push_item(
        &mut text,
        "endpoint",
        [("r", window.requests.into()), ("t", window.seconds.into())],
    );
    if let Some((_, burst)) = burst {
        push_item(
            &mut text,
            "burst",
            [("r", burst.requests.into()), ("t", burst.seconds.into())],
        );
    }
    append(headers, RATE_LIMIT, text);
}

/// Appends an item with two parameters to a list (RFC 9651 §3.1).
fn push_item(list: &mut BytesMut, name: &str, parameters: [(&str, u64); 2]) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(b"\"");
    list.extend_from_slice(name.as_bytes());
    list.extend_from_slice(b"\"");
    for (key, value) in parameters {
        list.extend_from_slice(b";");
        list.extend_from_slice(key.as_bytes());
        list.extend_from_slice(b"=");
        list.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, text: BytesMut) {
    if let Ok(value) = HeaderValue::from_maybe_shared(text.freeze()) {
        headers.append(name, value);
    }
}

fn whole_seconds(span: std::time::Duration) -> u64 {
    time::micros(span).div_ceil(1_000_000)
}
