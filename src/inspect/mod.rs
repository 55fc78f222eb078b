//! Does the body keep to the rules? The size, the format and every limited field of a form.
//!
//! **Invariant:** what passes is handed on byte for byte as it came, and has one reading: one
//! end, one format, one decoding. What has two is refused, never repaired.
//!
//! The order is that of the cost: what the head alone shows (framing, announced size, format,
//! the fields of the query) is judged before a byte of the body is asked for, so a client that
//! waits for `100 Continue` is refused without one. Within a form the first violation counts.

mod check;
mod discard;
mod flag;
mod form;
mod format;
mod participants;
mod patience;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod trailers;
pub mod violation;

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

pub use discard::Expectation;
pub use discard::Rest;
pub use discard::discard;
pub use flag::Flag;
pub use violation::Violation;

use crate::budget::ByteBudget;
use crate::classify::RequestClass;
use crate::ingress::Framing;
use crate::policy::Policy;
use read::Allowance;
use rules::FormRules;
use violation::Found;
use violation::Part;

/// The name of a method whose requests have no body, here or anywhere.
fn without_body(method: &http::Method) -> Option<&'static str> {
    match *method {
        http::Method::GET => Some("GET"),
        http::Method::DELETE => Some("DELETE"),
        http::Method::HEAD => Some("HEAD"),
        _ => None,
    }
}

/// Reads and judges the body of a request: the bytes to forward, exactly as they came.
///
/// An endpoint that is none of the API's operations is held to the framing and the size only.
///
/// A body that is read is charged to `memory` until the last that holds its bytes is dropped.
pub async fn inspect<B>(
    policy: &Policy,
    memory: &Arc<ByteBudget>,
    class: &RequestClass,
    head: &Parts,
    body: B,
) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    let limit = policy.limits.body;
    let framing = Framing::of(&head.headers)?;
    format::said_once(&head.headers)?;
    let operation = class.endpoint.operation();
    if let Some(method) = without_body(&head.method) {
        return if framing.announces_body() || !body.is_end_stream() {
            Err(Violation::BodyNotAllowed(method))
        } else {
            Ok(Bytes::new())
        };
    }
    if framing.length() > limit.max_bytes {
        return Err(read::too_large(Part::Body, Found::Exactly(framing.length()), limit));
    }
    if operation.is_none() {
        return read::whole(body, Allowance::of(policy, memory)).await;
    }

    let rules = FormRules::of(&policy.limits.fields, class.endpoint);
    if framing.length() > 0 {
        format::judge(&head.headers)?;
    }
    if let Some(query) = head.uri.query() {
        if query.len() > limit.max_bytes {
            return Err(read::too_large(Part::Query, Found::Exactly(query.len()), limit));
        }
        rules.judge(Part::Query, query.as_bytes())?;
    }
    let bytes = read::whole(body, Allowance::of(policy, memory)).await?;
    if framing.length() == 0 && !bytes.is_empty() {
        format::judge(&head.headers)?;
    }
    rules.judge(Part::Body, &bytes)?;
    Ok(bytes)
}
