//! What is a batch on the wire? Spans with the names that OpenTelemetry's conventions give to what
//! is told of a request.
//!
//! **Invariant:** a path is its operation's template: nothing that a client wrote into it is told.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::otlp::message::AnyValue;
use crate::otlp::message::ExportTraceServiceRequest;
use crate::otlp::message::InstrumentationScope;
use crate::otlp::message::KeyValue;
use crate::otlp::message::Resource;
use crate::otlp::message::ResourceSpans;
use crate::otlp::message::ScopeSpans;
use crate::otlp::message::SpanMessage;
use crate::otlp::message::Status;
use crate::otlp::message::Value;
use crate::otlp::span::Limit;
use crate::otlp::span::Span;
use crate::policy::endpoint::Endpoint;

/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;
/// `STATUS_CODE_ERROR`: of a server's span, for what is no fault of its client's.
const ERROR: i32 = 2;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: whether the parent is another process's is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: it is.
const IS_REMOTE: u32 = 0x200;
/// The most attributes that a span has.
const ATTRIBUTES: usize = 16;

/// The body of a request to a collector; `instance` tells this process from others.
pub(super) fn encode(spans: &[Span], instance: &str) -> Bytes {
    let resource = vec![
        text("service.name", env!("CARGO_PKG_NAME")),
        text("service.version", crate::VERSION),
        text("service.instance.id", instance),
    ];
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: crate::VERSION.to_owned(),
    };
    let spans = spans.iter().map(message).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: resource }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    request.encode_to_vec().into()
}

fn message(span: &Span) -> SpanMessage {
    let operation = span.endpoint.and_then(Endpoint::operation);
    let name = match operation {
        Some(operation) => format!("{} {}", operation.method.as_str(), operation.path()),
        None => "request".to_owned(),
    };
    let is_fault = span.status.is_some_and(|status| status >= 500) || span.fault.is_some();
    let remote = if span.parent.is_some() { IS_REMOTE } else { 0 };
    SpanMessage {
        trace_id: span.context.trace().to_be_bytes().to_vec(),
        span_id: span.context.span().to_be_bytes().to_vec(),
        parent_span_id: span.parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        name,
        kind: SERVER,
        start_time_unix_nano: nanos(span.ended.saturating_sub(span.taken)),
        end_time_unix_nano: nanos(span.ended),
        attributes: attributes(span),
        status: is_fault.then_some(Status { code: ERROR }),
        flags: u32::from(span.context.flags()) | HAS_IS_REMOTE | remote,
    }
}

fn attributes(span: &Span) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(ATTRIBUTES);
    if let Some(operation) = span.endpoint.and_then(Endpoint::operation) {
        all.push(text("http.request.method", operation.method.as_str()));
        all.push(text("http.route", &operation.path()));
    }
    let status = span.status.map(|status| whole("http.response.status_code", status.into()));
    all.extend(status);
    all.push(text("maskgate.decision", span.decision));
    all.extend(span.endpoint.map(|endpoint| text("maskgate.endpoint", endpoint.name())));
    all.extend(span.service.map(|service| text("maskgate.service", &service.to_string())));
    if let Some(limit) = &span.limit {
        push_limit(&mut all, limit);
    }
    all.extend(span.fault.map(|fault| text("error.type", fault)));
    all.extend(span.upstream.map(|taken| whole("maskgate.upstream_us", micros(taken))));
    all.push(text("maskgate.request_id", span.request_id.to_str().unwrap_or_default()));
    all
}

fn push_limit(all: &mut Vec<KeyValue>, limit: &Limit) {
    all.push(text("maskgate.limit", limit.name));
    all.push(pair("maskgate.limit.enforced", Value::Truth(limit.is_enforced)));
    all.extend(limit.allowed.map(|allowed| whole("maskgate.limit.allowed", allowed.into())));
    let millis = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    all.extend(
        limit.retry_after.map(|wait| whole("maskgate.limit.retry_after_ms", millis(wait))),
    );
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::Text(value.to_owned()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    pair(key, Value::Whole(value))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn nanos(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}
