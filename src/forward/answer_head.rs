//! What does the head of an answer say? Parsed by httparse, which is also the parser of clients'
//! heads; fields that were meant for the gateway alone end here.

use std::mem;
use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use httparse::Error;
use httparse::Header;
use httparse::Status;
use hyper::ext::ReasonPhrase;

use crate::forward::AnswerFault;
use crate::forward::fields;
use crate::forward::fields::Hop;
use crate::ingress::Framing;
use crate::ingress::FramingFault;

/// The most fields.
const MAX_FIELDS: usize = 100;

/// The head of an answer, without the fields that were meant for the gateway alone.
#[derive(Debug)]
pub struct AnswerHead {
    /// Status and fields; the version is the gateway's own (RFC 9110 §2.5).
    pub parts: Parts,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
    /// How long the upstream keeps the connection unused, where it says so; a second less, for
    /// the way.
    pub idle_limit: Option<Duration>,
    pub(super) framing: BodyFraming,
}

/// Where the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// There is none.
    Bodiless,
    /// Behind so many bytes, at least one.
    Length(usize),
    Chunked,
    UntilClose,
}

/// What the bytes at the beginning of an answer come to.
pub(super) enum Look {
    /// More has to come.
    Partial,
    /// Another head follows behind so many bytes (RFC 9110 §15.2).
    Interim(usize),
    /// The answer's own head, of so many bytes.
    Final(usize, AnswerHead),
}

/// Looks at what begins an answer to a request of the method `asked`. The fields come into the
/// map `spare`, which may hold others.
pub(super) fn look(
    bytes: &Bytes,
    asked: &Method,
    spare: &mut HeaderMap,
) -> Result<Look, AnswerFault> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut answer, bytes, &mut room)?;
    let Status::Complete(length) = parsed else { return Ok(Look::Partial) };
    match answer.code {
        Some(101) => Err(AnswerFault::Upgrade),
        Some(100..=199) => Ok(Look::Interim(length)),
        code => {
            let status = StatusCode::from_u16(code.unwrap_or(0)).map_err(|_| Error::Status)?;
            let head = head(&answer, status, bytes, asked, spare)?;
            Ok(Look::Final(length, head))
        }
    }
}

fn head(
    answer: &httparse::Response<'_, '_>,
    status: StatusCode,
    bytes: &Bytes,
    asked: &Method,
    spare: &mut HeaderMap,
) -> Result<AnswerHead, AnswerFault> {
    let values = |name: &'static str| {
        let named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        answer.headers.iter().filter(named).map(|field| field.value)
    };
    let is_10 = answer.version == Some(0);
    let framing = Framing::of_answer(values("content-length"), values("transfer-encoding"))?;
    let body = body_framing(framing, status, asked, is_10)?;
    let mut parts = Response::new(()).into_parts().0;
    parts.status = status;
    parts.headers = mem::take(spare);
    parts.headers.clear();
    let (mut hop, mut idle_limit) = (Hop::default(), None);
    for field in answer.headers.iter() {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Error::HeaderName)?;
        match name.as_str() {
            "connection" => hop.add(field.value),
            "keep-alive" => idle_limit = idle_limit.or(fields::keep_alive_limit(field.value)),
            name if fields::is_hop_by_hop(name) => {}
            _ => {
                let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value));
                let value = value.map_err(|_| Error::HeaderValue)?;
                parts.headers.try_append(name, value).map_err(|_| Error::TooManyHeaders)?;
            }
        }
    }
    for name in &hop.named {
        parts.headers.remove(name);
    }
    if framing == Framing::Chunked {
        // A length beside chunks says something else to another reader (RFC 9112 §6.3).
        parts.headers.remove(CONTENT_LENGTH);
    }
    let reason = answer.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    if let Some(Ok(reason)) = reason.map(|reason| ReasonPhrase::try_from(reason.as_bytes())) {
        parts.extensions.insert(reason);
    }
    let keeps_alive = !hop.closes && (!is_10 || hop.keeps_alive);
    Ok(AnswerHead {
        parts,
        keeps_alive: keeps_alive && body != BodyFraming::UntilClose,
        idle_limit,
        framing: body,
    })
}

/// Where the body ends of an answer that is framed like this (RFC 9112 §6.3).
fn body_framing(
    framing: Framing,
    status: StatusCode,
    asked: &Method,
    is_10: bool,
) -> Result<BodyFraming, FramingFault> {
    let has_body = *asked != Method::HEAD
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED;
    Ok(match framing {
        _ if !has_body => BodyFraming::Bodiless,
        Framing::Unframed => BodyFraming::UntilClose,
        Framing::Length(0) => BodyFraming::Bodiless,
        Framing::Length(length) => BodyFraming::Length(length),
        Framing::Chunked if is_10 => return Err(FramingFault::CodingBefore11),
        Framing::Chunked => BodyFraming::Chunked,
    })
}
