//! Why is the head of a request not handed on? Closed words: nothing that the client sent is in
//! them.

use std::time::Duration;

use crate::ingress::FramingFault;
use crate::ingress::head::MAX_FIELDS;
use crate::ingress::head::MAX_HEAD;
use crate::ingress::head::MAX_TARGET;

/// What is wrong with the head of an HTTP/1.1 request. Its text is for the person who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// It has no method, target and version with one space between them.
    #[error("The request line is malformed.")]
    RequestLine,
    /// The target is no path with a query, and no address.
    #[error("The request target is malformed.")]
    Target,
    /// A field has no well-formed name.
    #[error("The name of a field is malformed.")]
    FieldName,
    /// A field has a control character in its value.
    #[error("The value of a field is malformed.")]
    FieldValue,
    /// A line ends in a bare LF, or a CR stands alone: some parsers end a line there, others do
    /// not (RFC 9112 §2.2).
    #[error("A line of the head does not end in CR LF.")]
    LineEnd,
    /// A field whose underscores stand where a field that the gateway acts on has hyphens: to
    /// many a framework the two are one.
    #[error("A field is spelled with underscores; send it with hyphens.")]
    Underscore,
    /// A tunnel is asked for. What comes behind would be a request to some and none to others.
    #[error("CONNECT is not served.")]
    Tunnel,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("The protocol must be HTTP/1.1 or HTTP/1.0.")]
    Version,
    /// The target is too long.
    #[error("The request target has more than {} bytes.", MAX_TARGET)]
    TargetTooLong,
    /// The whole head is too long.
    #[error("The head of the request has more than {} bytes.", MAX_HEAD)]
    TooLarge,
    /// There are too many fields.
    #[error("The request has more than {} fields.", MAX_FIELDS)]
    TooManyFields,
    /// Two parsers could disagree about where the body ends.
    #[error(transparent)]
    Framing(#[from] FramingFault),
    /// It did not end in time.
    #[error("The head of the request did not arrive within {0:?}.")]
    Slow(Duration),
}
