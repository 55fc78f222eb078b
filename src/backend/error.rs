//! What went wrong, and how does the API say it? Every error that the backend can give.
//!
//! **Invariant:** a problem carries no value of the caller's: no number, no name, no body.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;

/// Where the API explains a code.
const MORE_INFO: &str = "https://www.twilio.com/docs/errors/";

/// One answer that is not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A parameter that must be there is not, or is empty.
    Missing(&'static str),
    /// A parameter that is there cannot be what it is.
    Invalid { parameter: &'static str, reason: &'static str },
    /// `PageSize` above 1,000.
    PageSizeTooLarge,
    /// No usable credentials.
    Unauthenticated(&'static str),
    /// Nothing of the account's is at that path.
    NotFound,
    /// The path is there, the method is not; the methods that are.
    MethodNotAllowed(&'static str),
    /// The body is longer than the backend reads.
    TooLarge,
    /// The body does not come.
    TooSlow,
    /// The share of requests that fail on purpose.
    Injected,
    /// A fault of the backend's own.
    Internal,
    /// An error of the API's own series.
    Proxy(Code),
}

/// The errors of the API's own series, 80101 to 80801, that a request can cause here. All are
/// answered with 400 but [`Code::DuplicateParticipant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    /// The number is in the pool of another service of the account.
    InAnotherService = 80_101,
    /// The identifier was deleted from the session and has an interaction in it.
    ParticipantInInteraction = 80_102,
    /// The identifier is or was in the session.
    ParticipantInSession = 80_103,
    /// The number is in the service's pool already.
    NumberInService = 80_104,
    /// The short code is in the service's pool already.
    ShortCodeInService = 80_105,
    /// A short code was asked for in a session of calls alone.
    NoVoiceProxy = 80_201,
    /// A message was sent in a session of calls alone.
    NoMessageProxy = 80_202,
    /// The pool is empty.
    NoProxies = 80_205,
    /// Every number of the pool is taken for this identifier.
    NoAvailableProxy = 80_206,
    /// The pool has no unreserved numbers.
    NoUnreservedNumbers = 80_207,
    /// What stands for a short code is not one.
    ShortCodeSid = 80_303,
    /// The proxy asked for and the participant, or its two names, contradict each other.
    IdentifierPair = 80_402,
    /// The path's interaction is no SID.
    InteractionSid = 80_403,
    /// The participant's `Identifier` is neither a number nor an address.
    Identifier = 80_404,
    /// The path's participant is no SID.
    ParticipantSid = 80_405,
    /// `PhoneNumber` is not in E.164.
    PhoneNumber = 80_406,
    /// A number's SID is none.
    PhoneNumberSid = 80_407,
    /// The path's service is no SID.
    ServiceSid = 80_408,
    /// The path's session is no SID.
    SessionSid = 80_409,
    /// The cap on resources is reached.
    Full = 80_501,
    /// Another service of the account has the name.
    ServiceName = 80_602,
    /// Another session of the service has the name.
    SessionName = 80_603,
    /// The number asked for serves this identifier in another open session.
    ProxyInUse = 80_604,
    /// The number asked for is in another service's pool.
    ProxyNotInService = 80_605,
    /// The number asked for is in no pool of the account.
    ProxyNotOwned = 80_606,
    /// The session is closed.
    SessionClosed = 80_607,
    /// A session cannot be given that status.
    SessionStatus = 80_608,
    /// A session has at most two participants.
    TooManyParticipants = 80_609,
    /// The number is used by an open session.
    NumberInUse = 80_611,
    /// The identifier cannot take part in what the session is for.
    IdentifierForMode = 80_616,
    /// As [`Code::ProxyInUse`], where the caller asked for a conflict to be told.
    DuplicateParticipant = 80_623,
    /// A closed session cannot be opened again.
    Reopening = 80_801,
}

impl Code {
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    const fn number(self) -> u32 {
        self as u32
    }

    /// The API's name of the error, and what to do where the name does not say it.
    const fn message(self) -> &'static str {
        match self {
            Self::InAnotherService => "Number Already Added to Another Service",
            Self::ParticipantInInteraction => "Participant Already In Interaction",
            Self::ParticipantInSession => "Participant Already In Session",
            Self::NumberInService => "Phone Number Already In Service",
            Self::ShortCodeInService => "Short Code Already In Service",
            Self::NoVoiceProxy => "No Available Voice Proxy: a short code takes no calls",
            Self::NoMessageProxy => {
                "No Available Message Proxy: the session is for calls alone"
            }
            Self::NoProxies => "No Proxies For Service: its number pool is empty",
            Self::NoAvailableProxy => text::NO_AVAILABLE_PROXY,
            Self::NoUnreservedNumbers => "No unreserved numbers in proxy pool",
            Self::ShortCodeSid => "Short Code Sid Not Found: it is SC and 32 hex digits",
            Self::IdentifierPair => text::IDENTIFIER_PAIR,
            Self::InteractionSid => "Invalid Interaction Sid: it is KI and 32 hex digits",
            Self::Identifier => text::IDENTIFIER,
            Self::ParticipantSid => "Invalid Participant Sid: it is KP and 32 hex digits",
            Self::PhoneNumber => text::PHONE_NUMBER,
            Self::PhoneNumberSid => "Invalid Phone Number Sid: it is PN and 32 hex digits",
            Self::ServiceSid => "Invalid Service Sid: it is KS and 32 hex digits",
            Self::SessionSid => "Invalid Session Sid: it is KC and 32 hex digits",
            Self::Full => text::FULL,
            Self::ServiceName => "Non Unique Service Name",
            Self::SessionName => "Non Unique Session Name",
            Self::ProxyInUse => "Proxy Identifier In Use by this identifier's other session",
            Self::ProxyNotInService => "Proxy Identifier Not In Service",
            Self::ProxyNotOwned => "Proxy Identifier Not Owned By Account",
            Self::SessionClosed => "Session Closed",
            Self::SessionStatus => text::SESSION_STATUS,
            Self::TooManyParticipants => "Too Many Added Participants: a session has two",
            Self::NumberInUse => "Proxy Number In Active Sessions",
            Self::IdentifierForMode => "Unsupported Identifier Type For Session Mode",
            Self::DuplicateParticipant => "Duplicate Participant Request",
            Self::Reopening => text::REOPENING,
        }
    }
}

mod text {
    pub(super) const NO_AVAILABLE_PROXY: &str = "No Available Proxy: every unreserved number of \
        the service's pool serves this identifier in another open session";
    pub(super) const IDENTIFIER_PAIR: &str = "Invalid Identifier Proxy Pair: a participant \
        cannot be its own proxy, and ProxyIdentifier and ProxyIdentifierSid must name one number";
    pub(super) const IDENTIFIER: &str = "Invalid Participant Identifier: it must be a number in \
        E.164 format, its plus sign written as %2B in a form, or an address as messenger:name";
    pub(super) const PHONE_NUMBER: &str = "Invalid Phone Number Did: PhoneNumber must be in \
        E.164 format, its plus sign written as %2B in a form";
    pub(super) const FULL: &str = "Storage Operation Failed: the backend's cap on resources is \
        reached; delete some, or start it with a higher cap";
    pub(super) const SESSION_STATUS: &str = "Session Status Invalid: a session is created as \
        open or in-progress, can be closed, and is re-opened as in-progress";
    pub(super) const REOPENING: &str = "Invalid attempt to Re-Open a Session: its DateExpiry is \
        past, or a number of its participants is gone or serves them in another open session";
}

impl Problem {
    /// The parameter is there and wrong.
    pub(super) const fn invalid(parameter: &'static str, reason: &'static str) -> Self {
        Self::Invalid { parameter, reason }
    }

    /// The HTTP status of the answer.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Invalid { .. } | Self::PageSizeTooLarge => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Injected | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Proxy(Code::DuplicateParticipant) => StatusCode::CONFLICT,
            Self::Proxy(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The API's code.
    pub(super) const fn code(self) -> u32 {
        match self {
            Self::Missing(_) => 20_001,
            Self::Unauthenticated(_) => 20_003,
            Self::MethodNotAllowed(_) => 20_004,
            Self::PageSizeTooLarge => 20_007,
            Self::NotFound => 20_404,
            Self::TooLarge => 20_413,
            Self::TooSlow => 20_408,
            Self::Injected | Self::Internal => 20_500,
            Self::Invalid { .. } => 80_701,
            Self::Proxy(code) => code.number(),
        }
    }

    /// What a person reads. `path` is the path that was asked for, as it was sent.
    pub(super) fn message(self, path: &str) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Missing(parameter) => {
                return format!("Missing required parameter {parameter} in the post body")
                    .into();
            }
            Self::Invalid { parameter, reason } => {
                return format!("'{parameter}' is invalid. {reason}").into();
            }
            Self::NotFound => {
                let path = path.strip_prefix("/v1").unwrap_or(path);
                return format!("The requested resource {path} was not found").into();
            }
            Self::Unauthenticated(text) => text,
            Self::PageSizeTooLarge => "Page size too large (max 1000)",
            Self::MethodNotAllowed(_) => "Method not allowed",
            Self::TooLarge => "Request Entity Too Large: the backend reads 1 MiB",
            Self::TooSlow => "Request Timeout: the body did not come within 10 s",
            Self::Injected => "Internal Server Error: one of the share that was asked for",
            Self::Internal => "Internal Server Error",
            Self::Proxy(code) => code.message(),
        })
    }

    /// The error as JSON, its keys in the order of the API's own answers.
    pub(super) fn envelope(self, path: &str) -> Vec<u8> {
        let code = self.code();
        let envelope = Envelope {
            code,
            message: self.message(path),
            more_info: format!("{MORE_INFO}{code}"),
            status: self.status().as_u16(),
        };
        serde_json::to_vec(&envelope).unwrap_or_else(|_| b"{}".to_vec())
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::Proxy(code)
    }
}

/// Writing JSON into memory fails for no value that the backend has.
impl From<serde_json::Error> for Problem {
    fn from(_: serde_json::Error) -> Self {
        Self::Internal
    }
}

#[derive(Serialize)]
struct Envelope {
    code: u32,
    message: Cow<'static, str>,
    more_info: String,
    status: u16,
}
