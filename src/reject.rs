//! Why was a request not forwarded? One variant for each stage, in the order of the stages.

use crate::admit::Denial;
use crate::admit::in_flight::InFlightOf;
use crate::classify::Unroutable;
use crate::forward::AnswerError;
use crate::forward::UpstreamError;
use crate::ingress::HeadFault;
use crate::inspect::Violation;
use crate::inspect::violation::ViolationKind;
use crate::isolate::Panicked;
use crate::pool;

/// A request that the gateway answers itself.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Its head is not beyond doubt.
    #[error(transparent)]
    Head(#[from] HeadFault),
    /// It is none of the API's, or nobody's.
    #[error(transparent)]
    Unroutable(#[from] Unroutable),
    /// It comes too soon, or there are too many.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Its body does not keep to the rules.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// It would add a number for which there is no room.
    #[error(transparent)]
    Pool(#[from] pool::Denial),
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The gateway has a fault of its own.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl Rejection {
    /// What it counts as.
    pub const fn decision(&self) -> Decision {
        match self {
            Self::Unroutable(_) => Decision::Unroutable,
            Self::Denied(_) | Self::Invalid(Violation::NoRoom { .. }) | Self::Pool(_) => {
                Decision::Limited
            }
            Self::Head(_) | Self::Invalid(_) => Decision::Invalid,
            Self::Upstream(_) => Decision::UpstreamFailed,
            Self::Panicked(_) => Decision::Failed,
        }
    }

    /// Which limit was broken; none where the upstream or the gateway failed.
    pub fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Head(fault) => Refusal::from(*fault),
            Self::Unroutable(unroutable) => match unroutable {
                Unroutable::BadHost(_) => Refusal::Host,
                Unroutable::UnknownPath | Unroutable::SecondSpelling(_) => Refusal::Path,
                Unroutable::MethodNotAllowed(_) => Refusal::Method,
                Unroutable::NoCredentials
                | Unroutable::MalformedCredentials
                | Unroutable::SeveralCredentials => Refusal::Credentials,
            },
            Self::Denied(denial) => Refusal::from(denial),
            Self::Invalid(violation) => Refusal::Body(violation.kind()),
            Self::Pool(pool::Denial::Full { .. } | pool::Denial::ShareUsed { .. }) => {
                Refusal::Pool
            }
            Self::Pool(pool::Denial::Uncounted { .. }) => Refusal::PoolCount,
            Self::Upstream(_) | Self::Panicked(_) => return None,
        })
    }
}

/// What became of a request: a closed list for metrics, log lines and the
/// `X-Maskgate-Decision` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The upstream answered.
    Forwarded,
    /// Refused by a rate, by a cap or by a full pool (429, 503, 400).
    Limited,
    /// Refused for its head or its body (400, 408, 413, 414, 415, 431, 501, 505).
    Invalid,
    /// Refused for its path, method or credentials (400, 401, 404, 405).
    Unroutable,
    /// Sent to the upstream, which did not answer (502, 504).
    UpstreamFailed,
    /// The gateway itself failed (500).
    Failed,
    /// The client left before there was an answer.
    Abandoned,
}

impl Decision {
    /// Every decision, in the order of [`index`](Self::index).
    pub const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Limited,
        Self::Invalid,
        Self::Unroutable,
        Self::UpstreamFailed,
        Self::Failed,
        Self::Abandoned,
    ];

    /// A small number for arrays with one place for each decision.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The decision's word in metrics, log lines and header fields.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Limited => "limited",
            Self::Invalid => "invalid",
            Self::Unroutable => "unroutable",
            Self::UpstreamFailed => "upstream_failed",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Which limit a refused request broke: a closed list for metrics and log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head is malformed, or in another version of the protocol.
    Syntax,
    /// The head, its target or its number of fields is too large.
    HeadSize,
    /// `Host` is missing, doubled, malformed or contradicted.
    Host,
    /// The path is none of the API's, or a second spelling of one.
    Path,
    /// The path has no such method.
    Method,
    /// The credentials are missing or cannot be read.
    Credentials,
    /// Too many requests in the window.
    Rate,
    /// Too many requests of strangers, in a guarded window.
    Guard,
    /// Too many requests under way.
    InFlight,
    /// Too many requests under way for the service.
    ServiceInFlight,
    /// Too many windows alive.
    Keys,
    /// The store of shared limits cannot be trusted.
    Store,
    /// The body breaks a rule.
    Body(ViolationKind),
    /// A pool of numbers is full.
    Pool,
    /// The numbers in a pool could not be counted.
    PoolCount,
}

impl Refusal {
    /// Every refusal, in the order of [`index`](Self::index).
    pub const ALL: [Self; 22] = [
        Self::Syntax,
        Self::HeadSize,
        Self::Host,
        Self::Path,
        Self::Method,
        Self::Credentials,
        Self::Rate,
        Self::Guard,
        Self::InFlight,
        Self::ServiceInFlight,
        Self::Keys,
        Self::Store,
        Self::Body(ViolationKind::Field),
        Self::Body(ViolationKind::BodySize),
        Self::Body(ViolationKind::ContentType),
        Self::Body(ViolationKind::Framing),
        Self::Body(ViolationKind::Form),
        Self::Body(ViolationKind::BodyMemory),
        Self::Body(ViolationKind::Unreadable),
        Self::Body(ViolationKind::Slow),
        Self::Pool,
        Self::PoolCount,
    ];

    /// A small number for arrays with one place for each refusal.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|each| *each == self).unwrap_or(0)
    }

    /// The refusal's word in metrics and log lines.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::HeadSize => "head_size",
            Self::Host => "host",
            Self::Path => "path",
            Self::Method => "method",
            Self::Credentials => "credentials",
            Self::Rate => "rate",
            Self::Guard => "guard",
            Self::InFlight => "in_flight",
            Self::ServiceInFlight => "service_in_flight",
            Self::Keys => "keys",
            Self::Store => "store",
            Self::Body(kind) => kind.label(),
            Self::Pool => "pool",
            Self::PoolCount => "pool_count",
        }
    }
}

impl From<&Denial> for Refusal {
    fn from(denial: &Denial) -> Self {
        match denial {
            Denial::Rate(rate) if rate.is_guards() => Self::Guard,
            Denial::Rate(_) => Self::Rate,
            Denial::InFlight { of: InFlightOf::Total, .. } => Self::InFlight,
            Denial::InFlight { of: InFlightOf::Service, .. } => Self::ServiceInFlight,
            Denial::TooManyKeys { .. } => Self::Keys,
            Denial::StoreLost => Self::Store,
        }
    }
}

impl From<HeadFault> for Refusal {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::RequestLine
            | HeadFault::Target
            | HeadFault::FieldName
            | HeadFault::FieldValue
            | HeadFault::LineEnd
            | HeadFault::Underscore
            | HeadFault::Tunnel
            | HeadFault::Version => Self::Syntax,
            HeadFault::TargetTooLong | HeadFault::TooLarge | HeadFault::TooManyFields => {
                Self::HeadSize
            }
            HeadFault::Framing(_) => Self::Body(ViolationKind::Framing),
            HeadFault::Slow(_) => Self::Body(ViolationKind::Slow),
        }
    }
}

/// How the upstream failed: a closed list for metrics and log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamFault {
    /// No connection could be opened.
    Connect,
    /// No connection was opened in time.
    ConnectTimeout,
    /// No answer began in time.
    ResponseTimeout,
    /// The answer could not be read.
    Broken,
    /// The upstream switched to another protocol.
    Upgrade,
    /// The answer ended early.
    Truncated,
    /// The answer stalled.
    Stalled,
}

impl UpstreamFault {
    /// Every fault, in the order of [`index`](Self::index).
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::ResponseTimeout,
        Self::Broken,
        Self::Upgrade,
        Self::Truncated,
        Self::Stalled,
    ];

    /// A small number for arrays with one place for each fault.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The fault's word in metrics and log lines.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::Broken => "broken",
            Self::Upgrade => "upgrade",
            Self::Truncated => "truncated",
            Self::Stalled => "stalled",
        }
    }
}

impl From<&UpstreamError> for UpstreamFault {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Connect(_) => Self::Connect,
            UpstreamError::ConnectTimeout(_) => Self::ConnectTimeout,
            UpstreamError::ResponseTimeout(_) => Self::ResponseTimeout,
            UpstreamError::Broken(_) | UpstreamError::Unframed(_) => Self::Broken,
            UpstreamError::UnexpectedUpgrade => Self::Upgrade,
        }
    }
}

impl From<&AnswerError> for UpstreamFault {
    fn from(error: &AnswerError) -> Self {
        match error {
            AnswerError::Broken(_) => Self::Truncated,
            AnswerError::Stalled(_) => Self::Stalled,
        }
    }
}
