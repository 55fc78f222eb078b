//! What does the client get? A rejection becomes an answer in the API's own form; the upstream's
//! answer is passed on with the room that is left.
//!
//! The envelope is `{"code", "message", "more_info", "status"}`: each official SDK reads it, and
//! breaks on anything else, so every refusal has it, whatever its status.

mod body;
mod rate_limit;
mod status;

use std::fmt::Write as _;
use std::io::Write as _;

use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use http::response::Parts;
use http_body::Body;

pub use body::ReplyBody;

use crate::admit::Denial;
use crate::admit::Permit;
use crate::classify::RequestClass;
use crate::classify::Unroutable;
use crate::forward::AnswerBody;
use crate::forward::X_REQUEST_ID;
use crate::inspect::Rest;
use crate::inspect::Violation;
use crate::learn::Reading;
use crate::links;
use crate::links::Relinking;
use crate::observe::Record;
use crate::policy::Policy;
use crate::policy::upstream::Upstream;
use crate::pool;
use crate::reject::Rejection;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;

/// Room for the fields of an answer of the gateway's own.
const FIELDS: usize = 10;
/// Room for the message of a 429.
const USUAL_MESSAGE: usize = 192;
/// Bytes of the body of such an answer beside its message.
const BESIDE_MESSAGE: usize = 128;
/// Names the decision on answers that the gateway made itself.
const X_MASKGATE_DECISION: HeaderName = HeaderName::from_static("x-maskgate-decision");
/// Source: RFC 9110 §11.6.1; the realm is the API's.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Twilio API\"");

/// The answer to a request that was not forwarded. `class` is known where it got as far; `rest`
/// tells whether the connection can serve on.
pub fn rejection(
    rejection: &Rejection,
    class: Option<&RequestClass>,
    request_id: &HeaderValue,
    rest: Rest,
) -> Response<ReplyBody> {
    let (status, code) = status::of(rejection);
    let body = envelope(status, code, &message(rejection, class));
    let mut response = Response::new(ReplyBody::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let decision = HeaderValue::from_static(rejection.decision().label());
    headers.insert(X_MASKGATE_DECISION, decision);
    headers.insert(X_REQUEST_ID, request_id.clone());
    if rest == Rest::Unread || frames_badly(rejection) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    match rejection {
        Rejection::Unroutable(Unroutable::MethodNotAllowed(allowed)) => {
            headers
                .extend(text_value(&allowed.to_string()).map(|value| (header::ALLOW, value)));
        }
        Rejection::Unroutable(Unroutable::NoCredentials | Unroutable::MalformedCredentials) => {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        Rejection::Denied(denial) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(denial.seconds_to_wait()));
            if let Denial::Rate(denial) = denial {
                rate_limit::insert(headers, &denial.limit, denial.standing.as_ref());
            }
        }
        Rejection::Invalid(Violation::NoRoom { .. })
        | Rejection::Pool(pool::Denial::Uncounted { .. }) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Rejection::Head(_)
        | Rejection::Unroutable(_)
        | Rejection::Invalid(_)
        | Rejection::Pool(_)
        | Rejection::Upstream(_)
        | Rejection::Panicked(_) => {}
    }
    response
}

/// The upstream's answer on its way to the client, read on its way where there is a `reading`.
/// Permit and record stay with the body until its last byte.
pub fn forwarded(
    policy: &Policy,
    answer: Response<AnswerBody>,
    permit: Permit,
    record: Record,
    reading: Option<Reading>,
) -> Response<ReplyBody> {
    let (mut parts, body) = answer.into_parts();
    let relinking = relinking(&policy.upstream, &mut parts, &body, &record);
    // It names the decisions of this gateway alone.
    parts.headers.remove(X_MASKGATE_DECISION);
    rate_limit::insert(&mut parts.headers, &permit.limit, permit.standing.as_ref());
    if !parts.headers.contains_key(X_REQUEST_ID) {
        parts.headers.insert(X_REQUEST_ID, record.request_id().clone());
    }
    Response::from_parts(parts, ReplyBody::streamed(body, relinking, permit, record, reading))
}

/// How the links in the answer become the gateway's; none where it stays as it is.
fn relinking(
    upstream: &Upstream,
    head: &mut Parts,
    body: &AnswerBody,
    record: &Record,
) -> Option<Relinking> {
    let url = links::public_url(upstream, record.class()?.endpoint)?;
    match links::begin(url, head, body.is_end_stream()) {
        Ok(relinking) => relinking,
        Err(why) => {
            record.left_links(why);
            None
        }
    }
}

/// Whether nobody can tell where the message ends, or it never ended: the connection is of no use
/// any more.
const fn frames_badly(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Head(_) => true,
        Rejection::Invalid(violation) => match violation {
            Violation::TooLarge { .. }
            | Violation::Framing(_)
            | Violation::BodyNotAllowed(_)
            | Violation::Trailers
            | Violation::Unreadable(_)
            | Violation::TooSlow { .. }
            | Violation::Stalled { .. } => true,
            Violation::Field { .. }
            | Violation::Form { .. }
            | Violation::Format(_)
            | Violation::NoRoom { .. } => false,
        },
        Rejection::Unroutable(_)
        | Rejection::Denied(_)
        | Rejection::Pool(_)
        | Rejection::Upstream(_)
        | Rejection::Panicked(_) => false,
    }
}

/// The sentence for a person: which limit it was, how much is allowed, when to come back.
fn message(rejection: &Rejection, class: Option<&RequestClass>) -> String {
    let (Rejection::Denied(Denial::Rate(denial)), Some(class)) = (rejection, class) else {
        return rejection.to_string();
    };
    let mut message = String::with_capacity(USUAL_MESSAGE);
    let written = write!(
        message,
        "Too Many Requests: {} of {} is limited to {}; retry after {} s",
        class.endpoint,
        Whose(class),
        denial.rule(),
        denial.seconds_to_wait(),
    );
    debug_assert!(written.is_ok(), "a string takes everything");
    message
}

/// Whose window it is, as the client knows it.
struct Whose<'a>(&'a RequestClass);

impl std::fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.service, self.0.account) {
            (Some(ServiceKey::Sid(sid)), _) => write!(f, "service {sid}"),
            (Some(ServiceKey::Named(_)), _) => f.write_str("this service"),
            (None, AccountKey::Sid(sid)) => write!(f, "account {sid}"),
            (None, AccountKey::Credential(_)) => f.write_str("this account"),
        }
    }
}

fn envelope(status: StatusCode, code: u32, message: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len().saturating_add(BESIDE_MESSAGE));
    // Writing to memory cannot fail, nor can serialising a string.
    drop(write!(body, "{{\"code\":{code},\"message\":"));
    drop(serde_json::to_writer(&mut body, message));
    drop(write!(
        body,
        ",\"more_info\":\"https://www.twilio.com/docs/errors/{code}\",\"status\":{}}}",
        status.as_u16()
    ));
    body
}

fn text_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
