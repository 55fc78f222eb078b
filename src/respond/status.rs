//! The status and the API's error code of each rejection. Where the API has no code of its own, it
//! is 20000 and the status.

use http::StatusCode;

use crate::admit::Denial;
use crate::classify::Unroutable;
use crate::forward::UpstreamError;
use crate::ingress::HeadFault;
use crate::inspect::Violation;
use crate::policy::limit::OversizeStatus;
use crate::pool;
use crate::reject::Rejection;

/// Some field is not what it should be.
const INVALID_FIELD: u32 = 80701;
/// A pool of numbers has no room: "Maximum Pool Size Error".
const POOL_FULL: u32 = 80622;
/// The upstream gave no answer that could be passed on.
const UPSTREAM: u32 = 20500;

pub(super) fn of(rejection: &Rejection) -> (StatusCode, u32) {
    let status = match rejection {
        Rejection::Head(fault) => of_head(*fault),
        Rejection::Unroutable(unroutable) => of_unroutable(*unroutable),
        Rejection::Denied(Denial::Rate(_)) => StatusCode::TOO_MANY_REQUESTS,
        Rejection::Denied(
            Denial::InFlight { .. } | Denial::StoreLost | Denial::TooManyKeys { .. },
        )
        | Rejection::Pool(pool::Denial::Uncounted { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        Rejection::Invalid(violation) => return of_violation(violation),
        Rejection::Pool(pool::Denial::Full { .. } | pool::Denial::ShareUsed { .. }) => {
            return (StatusCode::BAD_REQUEST, POOL_FULL);
        }
        Rejection::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Rejection::Upstream(error) => return (of_upstream(error), UPSTREAM),
    };
    (status, own_code(status))
}

fn own_code(status: StatusCode) -> u32 {
    match status {
        // The API's codes for these two (proxy errors 20003 and 20004).
        StatusCode::UNAUTHORIZED => 20003,
        StatusCode::METHOD_NOT_ALLOWED => 20004,
        other => 20000_u32.saturating_add(other.as_u16().into()),
    }
}

const fn of_head(fault: HeadFault) -> StatusCode {
    match fault {
        HeadFault::RequestLine
        | HeadFault::Target
        | HeadFault::FieldName
        | HeadFault::FieldValue
        | HeadFault::LineEnd
        | HeadFault::Underscore
        | HeadFault::Framing(_) => StatusCode::BAD_REQUEST,
        HeadFault::Tunnel => StatusCode::NOT_IMPLEMENTED,
        HeadFault::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        HeadFault::TargetTooLong => StatusCode::URI_TOO_LONG,
        HeadFault::TooLarge | HeadFault::TooManyFields => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        HeadFault::Slow(_) => StatusCode::REQUEST_TIMEOUT,
    }
}

const fn of_unroutable(unroutable: Unroutable) -> StatusCode {
    match unroutable {
        Unroutable::UnknownPath | Unroutable::SecondSpelling(_) => StatusCode::NOT_FOUND,
        Unroutable::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Unroutable::NoCredentials | Unroutable::MalformedCredentials => {
            StatusCode::UNAUTHORIZED
        }
        Unroutable::BadHost(_) | Unroutable::SeveralCredentials => StatusCode::BAD_REQUEST,
    }
}

fn of_violation(violation: &Violation) -> (StatusCode, u32) {
    let status = match violation {
        Violation::Field { .. } | Violation::Form { .. } => {
            return (StatusCode::BAD_REQUEST, INVALID_FIELD);
        }
        Violation::TooLarge { status, .. } => {
            let status = match status {
                OversizeStatus::BadRequest => StatusCode::BAD_REQUEST,
                OversizeStatus::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            };
            // The code tells the size from other mistakes, whatever the status.
            return (status, own_code(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Violation::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Violation::Format(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Violation::Framing(_)
        | Violation::BodyNotAllowed(_)
        | Violation::Trailers
        | Violation::Unreadable(_) => StatusCode::BAD_REQUEST,
        Violation::TooSlow { .. } | Violation::Stalled { .. } => StatusCode::REQUEST_TIMEOUT,
    };
    (status, own_code(status))
}

const fn of_upstream(error: &UpstreamError) -> StatusCode {
    match error {
        UpstreamError::Connect(_)
        | UpstreamError::Broken(_)
        | UpstreamError::Unframed(_)
        | UpstreamError::UnexpectedUpgrade => StatusCode::BAD_GATEWAY,
        UpstreamError::ConnectTimeout(_) | UpstreamError::ResponseTimeout(_) => {
            StatusCode::GATEWAY_TIMEOUT
        }
    }
}
