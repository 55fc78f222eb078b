//! Who asks for what? One request head becomes one [`RequestClass`], or is refused.
//!
//! **Invariant:** only a path in its one canonical spelling is classified; what has a second
//! reading is refused and never forwarded under a guess. So the path that was classified is the
//! path that is forwarded.

mod credentials;
mod digest;
mod host;
mod name;
mod path;

use std::fmt;

use http::request::Parts;

pub use digest::DigestKey;
pub use host::HostFault;

use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Method;
use crate::policy::limit::Unmatched;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use credentials::Caller;
use path::ServicePart;

/// What the gateway has to know of a request to limit it. A small `Copy` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestClass {
    /// The operation.
    pub endpoint: Endpoint,
    /// The caller.
    pub account: AccountKey,
    /// The service that the path names; none for `/v1/Services` itself.
    pub service: Option<ServiceKey>,
    /// The caller's credentials, by their hash: other than the account it is another one for
    /// another password.
    pub credential: Digest,
}

/// Classifies a request by its head alone: first whom it is meant for (400), then the route (404,
/// 405), then that credentials are there and readable (401). Passwords are not checked: the upstream does that.
pub fn classify(
    policy: &Policy,
    digests: &DigestKey,
    head: &Parts,
) -> Result<RequestClass, Unroutable> {
    host::check(head).map_err(Unroutable::BadHost)?;
    let path = head.uri.path();
    let route = match path::route(head.method.as_str(), path) {
        Ok(route) => route,
        Err(refusal) => match policy.limits.unmatched {
            Unmatched::Forward
                if path::is_canonical_and_foreign(path) && !is_of_the_connection(head) =>
            {
                path::Route::UNMATCHED
            }
            Unmatched::Forward | Unmatched::Reject => return Err(refusal),
        },
    };
    let Caller { account, credential } =
        credentials::caller(&policy.accounts, digests, &head.headers)?;
    let service = route.service.map(|service| match service {
        ServicePart::Sid(sid) => ServiceKey::Sid(sid),
        ServicePart::Name(name) => ServiceKey::Named(digests.of_name(account, &name)),
    });
    Ok(RequestClass { endpoint: route.endpoint, account, service, credential })
}

/// Whether the method speaks of the connection itself: a tunnel, or an echo of what came, secrets
/// included (RFC 9110 §9.3.6, §9.3.8).
fn is_of_the_connection(head: &Parts) -> bool {
    matches!(head.method, http::Method::CONNECT | http::Method::TRACE)
}

/// Why a request is none that the gateway forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// The client does not say whom it means, or says it twice.
    #[error("{0}")]
    BadHost(HostFault),
    /// No operation of the API has this path.
    #[error("The requested resource was not found")]
    UnknownPath,
    /// The path is another spelling of one that may exist.
    #[error(
        "The requested resource was not found: the path has a second spelling; \
         send it without {0}"
    )]
    SecondSpelling(Alias),
    /// The path is the API's, the method is not.
    #[error("Method not allowed; this resource allows {0}")]
    MethodNotAllowed(MethodSet),
    /// There is no `Authorization` field.
    #[error("Authentication Error - No credentials provided")]
    NoCredentials,
    /// The field is neither Basic with an `AC…` or `SK…` user nor a bearer token.
    #[error(
        "Authentication Error - the credentials are neither Basic with a user AC… or SK… \
         nor a Bearer token"
    )]
    MalformedCredentials,
    /// There are several `Authorization` fields: the upstream might read another one.
    #[error("Several Authorization fields were sent; send one")]
    SeveralCredentials,
}

/// What makes a path a second spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// An empty segment: `//`, or a slash at the end.
    EmptySegment,
    /// `.` or `..` as a segment, encoded or not.
    DotSegment,
    /// An encoded slash or a backslash of either kind.
    Separator,
    /// A semicolon.
    Parameter,
    /// An encoding that is incomplete, or not of UTF-8.
    Malformed,
    /// An encoded control character.
    Control,
    /// Percent-encoding outside a unique name.
    Encoded,
    /// A name that an upstream might read as a SID.
    LooksLikeSid,
    /// A suffix such as `.json` that stands for a representation.
    Suffix,
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptySegment => "empty segments or a slash at the end",
            Self::DotSegment => "`.` and `..` segments",
            Self::Separator => "encoded slashes and backslashes",
            Self::Parameter => "semicolons",
            Self::Malformed => "characters that are not percent-encoded UTF-8",
            Self::Control => "control characters",
            Self::Encoded => "percent-encoding",
            Self::LooksLikeSid => "additions to a SID",
            Self::Suffix => "a suffix",
        })
    }
}

/// Some of the API's methods, for the `Allow` field of a 405.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodSet(u8);

impl MethodSet {
    const MEMBERS: [(Method, u8); 3] =
        [(Method::Delete, 1), (Method::Get, 2), (Method::Post, 4)];

    /// The set with `method` added.
    #[must_use]
    pub fn with(self, method: Method) -> Self {
        let bit = Self::MEMBERS.iter().find(|member| member.0 == method).map_or(0, |m| m.1);
        Self(self.0 | bit)
    }

    /// Whether no method is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = Self::MEMBERS.iter().filter(|member| self.0 & member.1 != 0);
        for (index, (method, _)) in members.enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", method.as_str())?;
        }
        Ok(())
    }
}
