//! A batch as OpenTelemetry's own types read it, and what may stand in it.

mod delivery;

use std::time::Duration;

use http::HeaderValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::otlp::Limit;
use crate::otlp::Span;
use crate::otlp::batch::encode;
use crate::otlp::message;
use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::trace_context::TraceContext;

fn span() -> Span {
    Span {
        context: TraceContext::first(0x0102, 0x03, true),
        parent: None,
        ended: Duration::from_millis(2_500),
        taken: Duration::from_millis(500),
        endpoint: Some(Endpoint::CreateSession),
        service: Sid::parse("KS0123456789abcdef0123456789abcdef"),
        decision: "forwarded",
        status: Some(201),
        limit: None,
        fault: None,
        upstream: Some(Duration::from_micros(1_234)),
        request_id: HeaderValue::from_static("id-1"),
    }
}

/// What a collector reads.
fn read(spans: &[Span]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(encode(spans, "i")).unwrap()
}

fn read_one(span: Span) -> v1::Span {
    read(&[span]).resource_spans[0].scope_spans[0].spans[0].clone()
}

fn pairs(attributes: &[KeyValue]) -> Vec<String> {
    let value = |pair: &KeyValue| match pair.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::BoolValue(truth) => truth.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(_)
        | Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_) => panic!("{pair:?}"),
    };
    attributes.iter().map(|pair| format!("{}={}", pair.key, value(pair))).collect()
}

#[test]
fn a_forwarded_request_is_a_server_s_span_with_its_operation_and_status() {
    let request = read(&[span(), span()]);
    let [of_resource] = request.resource_spans.as_slice() else { panic!("{request:?}") };
    let resource = pairs(&of_resource.resource.as_ref().unwrap().attributes);
    let version = format!("service.version={}", crate::VERSION);
    assert_eq!(resource, ["service.name=maskgate", &version, "service.instance.id=i"]);
    let [of_scope] = of_resource.scope_spans.as_slice() else { panic!("{of_resource:?}") };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "maskgate");
    let [span, _] = of_scope.spans.as_slice() else { panic!("{of_scope:?}") };
    assert_eq!(span.trace_id, 0x0102_u128.to_be_bytes());
    assert_eq!(span.span_id, 3_u64.to_be_bytes());
    assert!(span.parent_span_id.is_empty());
    assert_eq!(span.name, "POST /v1/Services/{KS}/Sessions");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(span.start_time_unix_nano, 2_000_000_000);
    assert_eq!(span.end_time_unix_nano, 2_500_000_000);
    assert_eq!(span.status, None);
    assert_eq!(span.flags, 0x101);
    let expected = [
        "http.request.method=POST",
        "http.route=/v1/Services/{KS}/Sessions",
        "http.response.status_code=201",
        "maskgate.decision=forwarded",
        "maskgate.endpoint=CreateSession",
        "maskgate.service=KS0123456789abcdef0123456789abcdef",
        "maskgate.upstream_us=1234",
        "maskgate.request_id=id-1",
    ];
    assert_eq!(pairs(&span.attributes), expected);
}

#[test]
fn a_refused_request_says_which_limit_and_is_no_error_of_the_server() {
    let limit = Limit {
        name: "rate",
        is_enforced: true,
        allowed: Some(150),
        retry_after: Some(Duration::from_millis(4_999)),
    };
    let refused = Span {
        decision: "limited",
        status: Some(429),
        limit: Some(limit),
        upstream: None,
        parent: Some(7),
        ..span()
    };
    let span = read_one(refused);
    assert_eq!(span.parent_span_id, 7_u64.to_be_bytes());
    assert_eq!(span.flags, 0x301);
    assert_eq!(span.status, None);
    let attributes = pairs(&span.attributes);
    for expected in [
        "maskgate.limit=rate",
        "maskgate.limit.enforced=true",
        "maskgate.limit.allowed=150",
        "maskgate.limit.retry_after_ms=4999",
    ] {
        assert!(attributes.iter().any(|pair| pair == expected), "{expected}: {attributes:?}");
    }
}

#[test]
fn what_is_a_fault_is_an_error_and_what_has_no_operation_has_no_route() {
    let failed = Span { decision: "upstream_failed", fault: Some("connect"), ..span() };
    let failed = read_one(Span { status: Some(502), ..failed });
    assert_eq!(failed.status.unwrap().code(), StatusCode::Error);
    assert!(pairs(&failed.attributes).contains(&"error.type=connect".to_owned()));
    let unroutable = Span {
        endpoint: None,
        service: None,
        decision: "unroutable",
        status: Some(404),
        ..span()
    };
    let unroutable = read_one(unroutable);
    assert_eq!(unroutable.name, "request");
    assert_eq!(unroutable.status, None);
    let attributes = pairs(&unroutable.attributes);
    assert!(!attributes.iter().any(|pair| pair.starts_with("http.route")), "{attributes:?}");
    let left = read_one(Span { decision: "abandoned", status: None, ..span() });
    assert_eq!(left.status, None);
}

#[test]
fn no_route_has_anything_but_words_and_kinds_of_identifiers() {
    for endpoint in Endpoint::ALL {
        let name = read_one(Span { endpoint: Some(endpoint), ..span() }).name;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || " /{}|".contains(c);
        assert!(name.chars().all(is_plain), "{name}");
        assert!(!name.contains("0123456789"), "{name}");
    }
}

#[test]
fn spans_that_a_collector_rejected_are_read() {
    let mut answer = ExportTraceServiceResponse::default();
    answer.partial_success.get_or_insert_default().rejected_spans = 3;
    let read =
        message::ExportTraceServiceResponse::decode(answer.encode_to_vec().as_slice()).unwrap();
    assert_eq!(read.partial_success.unwrap().rejected_spans, 3);
}
