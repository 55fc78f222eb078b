//! One span for each traced request, below its caller's; and a collector that holds up nobody.

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::SERVICE;
use crate::support::Upstream;
use crate::support::client;
use crate::support::service_path;
use crate::support::upstream::Behaviour;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// What a gateway in front of `upstream` needs to send its spans to `collector`.
fn traced(collector: &Upstream, more: &str) -> String {
    format!("traces: {{ otlp: {{ endpoint: '{}', {more} }} }}\n", collector.url())
}

fn count(result: &str) -> String {
    format!("maskgate_trace_spans_total{{result=\"{result}\"}}")
}

/// Everything that a collector was sent.
fn spans(collector: &Upstream) -> Vec<Span> {
    let batches = collector.received().into_iter().map(|received| {
        assert_eq!(
            (received.method.as_str(), received.target.as_str()),
            ("POST", "/v1/traces")
        );
        assert_eq!(received.headers["content-type"], "application/x-protobuf");
        ExportTraceServiceRequest::decode(received.body).unwrap()
    });
    let of_resources = batches.flat_map(|batch| batch.resource_spans);
    let of_scopes = of_resources.flat_map(|resource| resource.scope_spans);
    of_scopes.flat_map(|scope| scope.spans).collect()
}

/// An attribute that is a text.
fn text<'s>(span: &'s Span, key: &str) -> &'s str {
    let pair = span.attributes.iter().find(|pair| pair.key == key);
    let value = pair.and_then(|pair| pair.value.as_ref()?.value.as_ref());
    let Some(Value::StringValue(text)) = value else { panic!("{key} is {value:?}") };
    text
}

/// Trace, span and flags of the context in `headers`.
fn context(headers: &HeaderMap) -> [String; 3] {
    let value = headers["traceparent"].to_str().unwrap();
    let parts: Vec<_> = value.split('-').map(str::to_owned).collect();
    let [version, trace, span, flags] = parts.try_into().unwrap();
    assert_eq!(version, "00");
    [trace, span, flags]
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

#[tokio::test]
async fn a_request_is_one_span_below_its_callers_and_above_the_upstreams() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let yaml = traced(&collector, "sample: 0") + "log: { access: all }\n";
    let gateway = Gateway::with(&yaml, &upstream).await;
    let request = Request::post(service_path("/Sessions"), "UniqueName=order-1")
        .with("x-request-id", "id-1")
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"))
        .with("tracestate", "vendor=1,other=2");
    let reply = gateway.send(&request).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["x-request-id"], "id-1");
    let received = upstream.last().headers;
    let [trace, own, flags] = context(&received);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    assert_ne!(own, CALLER);
    assert_eq!(received["tracestate"], "vendor=1,other=2");
    assert_eq!(received["x-request-id"], "id-1");
    let line = gateway.line();
    assert_eq!(line["traceparent"], format!("00-{TRACE}-{own}-01"));

    gateway.reaches(&count("exported"), 1.0).await;
    let spans = spans(&collector);
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!([hex(&span.trace_id), hex(&span.parent_span_id)], [TRACE, CALLER]);
    assert_eq!(hex(&span.span_id), own);
    assert_eq!(span.name, "POST /v1/Services/{KS}/Sessions");
    assert_eq!(text(span, "maskgate.decision"), "forwarded");
    assert_eq!(text(span, "maskgate.request_id"), "id-1");
    assert_eq!(text(span, "maskgate.service"), SERVICE);
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
}

#[tokio::test]
async fn a_batch_has_the_headers_of_a_file_as_it_is_then() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let file = std::env::temp_dir().join(format!("maskgate-headers-{}", std::process::id()));
    std::fs::write(&file, "authorization: Bearer one\n").unwrap();
    let more = format!("sample: 1, headers_file: '{}'", file.display());
    let gateway = Gateway::with(&traced(&collector, &more), &upstream).await;
    let mut sent = 0.0;
    for (text, expected) in [(None, "Bearer one"), (Some("authorization: two"), "two")] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        gateway.send(&Request::get("/v1/Services")).await;
        sent += 1.0;
        gateway.reaches(&count("exported"), sent).await;
        assert_eq!(collector.last().headers["authorization"], expected);
    }
    assert_eq!(spans(&collector).len(), 2);
    let policy = gateway.page("/policy").await.json()["settings"]["traces"].to_string();
    assert!(policy.contains(&collector.url()) && !policy.contains("Bearer"), "{policy}");
    // Nothing else is sent without them.
    std::fs::remove_file(&file).unwrap();
    gateway.send(&Request::get("/v1/Services")).await;
    gateway.reaches(&count("unreachable"), 1.0).await;
    assert_eq!(collector.received().len(), 2);
}

#[tokio::test]
async fn a_client_cannot_take_the_gateways_place_out_of_a_trace() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::with(&traced(&collector, "sample: 0"), &upstream).await;
    let request = Request::get("/v1/Services")
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"))
        .with("connection", "traceparent, x-own")
        .with("x-own", "1");
    gateway.send(&request).await;
    let received = upstream.last().headers;
    let [trace, own, _] = context(&received);
    assert_eq!(trace, TRACE);
    assert_ne!(own, CALLER);
    assert!(!received.contains_key("x-own"));
}

#[tokio::test]
async fn a_refusal_is_a_span_that_names_the_limit() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let yaml =
        traced(&collector, "sample: 1.0") + "limits: { rate: { requests_per_second: 1 } }";
    let gateway = Gateway::with(&yaml, &upstream).await;
    assert_eq!(gateway.admitted(&Request::get(service_path("/Sessions")), 6).await, 5);
    gateway.reaches(&count("exported"), 6.0).await;
    let spans = spans(&collector);
    let refused: Vec<_> =
        spans.iter().filter(|span| text(span, "maskgate.decision") == "limited").collect();
    let [refused] = refused.as_slice() else { panic!("{spans:?}") };
    assert_eq!(text(refused, "maskgate.limit"), "rate");
    assert!(refused.parent_span_id.is_empty(), "the trace begins here");
    assert_eq!(refused.status, None, "a 429 is no fault of the server");
}

#[tokio::test]
async fn a_caller_that_is_not_sampled_has_no_span_and_its_upstream_is_told() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::with(&traced(&collector, "sample: 1"), &upstream).await;
    let caller = format!("00-{TRACE}-{CALLER}-00");
    gateway.send(&Request::get("/v1/Services").with("traceparent", &caller)).await;
    let [trace, _, flags] = context(&upstream.last().headers);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    gateway.send(&Request::get("/v1/Services")).await;
    gateway.reaches(&count("exported"), 1.0).await;
    let spans = spans(&collector);
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE), "{spans:?}");
}

#[tokio::test]
async fn a_trace_that_begins_here_is_recorded_or_not_and_the_upstream_is_told_which() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    for (sample, expected) in [("sample: 0", "00"), ("sample: 1", "01")] {
        let gateway = Gateway::with(&traced(&collector, sample), &upstream).await;
        gateway.send(&Request::get("/v1/Services")).await;
        let [trace, span, flags] = context(&upstream.last().headers);
        assert_eq!(flags, expected);
        assert!(trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0'));
    }
}

#[tokio::test]
async fn a_context_that_cannot_be_read_is_replaced_and_its_state_goes_with_it() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::with(&traced(&collector, "sample: 0"), &upstream).await;
    let good = format!("00-{TRACE}-{CALLER}-01");
    let malformed = Request::get("/v1/Services").with("traceparent", &format!("{good}-x"));
    let twice = Request::get("/v1/Services").with("traceparent", &good);
    for request in [malformed, twice.with("traceparent", &good)] {
        gateway.send(&request.with("tracestate", "vendor=1")).await;
        let received = upstream.last().headers;
        assert_eq!(received.get_all("traceparent").iter().count(), 1);
        assert_ne!(context(&received)[0], TRACE);
        assert!(!received.contains_key("tracestate"));
    }
}

#[tokio::test]
async fn without_a_collector_a_context_passes_as_it_came_and_none_is_begun() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let caller = format!("00-{TRACE}-{CALLER}-01");
    let request = Request::get("/v1/Services").with("traceparent", &caller);
    gateway.send(&request.with("tracestate", "vendor=1")).await;
    let received = upstream.last().headers;
    assert_eq!(received["traceparent"], caller);
    assert_eq!(received["tracestate"], "vendor=1");
    gateway.send(&Request::get("/v1/Services")).await;
    assert!(!upstream.last().headers.contains_key("traceparent"));
}

#[tokio::test]
async fn a_span_holds_nothing_that_a_client_wrote() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::with(&traced(&collector, "sample: 1"), &upstream).await;
    let form = "Identifier=%2B15550001111&FriendlyName=Alice+Secret";
    let add =
        service_path("/Sessions/KC00000000000000000000000000000abc/Participants?x=Hidden");
    for request in [
        Request::post(add, form).with("tracestate", "vendor=Hidden"),
        Request::get("/v1/Services/Hidden-name"),
        Request::get("/Hidden").with("x-request-id", "not \"harmless\""),
        Request::new("HIDDEN", "/v1/Services").with("user-agent", "Hidden"),
    ] {
        gateway.send(&request.with("cookie", "Hidden")).await;
    }
    gateway.reaches(&count("exported"), 4.0).await;
    let sent = collector.received().iter().fold(String::new(), |all, received| {
        all + &String::from_utf8_lossy(&received.body).to_lowercase()
    });
    for secret in
        ["hidden", "alice", "5550001111", "password", "kc0000", "harmless", "127.0.0.1"]
    {
        assert!(!sent.contains(secret), "{secret} in {sent:?}");
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_nobody_and_what_it_costs_is_counted() {
    let upstream = Upstream::start();
    let collector = Upstream::behaving(Behaviour::Judge(|_| None));
    let gateway =
        Gateway::with(&traced(&collector, "sample: 1, queue: 4, timeout: 1m"), &upstream).await;
    gateway.send(&Request::get("/v1/Services")).await;
    while collector.count() == 0 {
        tokio::task::yield_now().await;
    }
    // A batch is under way, so nothing is taken out of the queue.
    let statuses = client::statuses(gateway.address, &Request::get("/v1/Services"), 20).await;
    assert_eq!(statuses, [200; 20]);
    gateway.reaches(&count("queue_full"), 16.0).await;
    assert_eq!(collector.count(), 1);
}

/// A request is answered, and what becomes of its span is `fate`.
async fn assert_dropped(upstream: &Upstream, yaml: &str, fate: &str) {
    let gateway = Gateway::with(yaml, upstream).await;
    assert_eq!(gateway.send(&Request::get("/v1/Services")).await.status, 200, "{fate}");
    gateway.reaches(&count(fate), 1.0).await;
    gateway.assert_metric(&count("exported"), 0.0).await;
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_dropped_and_counted_by_why() {
    let upstream = Upstream::start();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = format!("traces: {{ otlp: {{ endpoint: 'http://{nobody}', sample: 1 }} }}\n");
    let refusing = Upstream::behaving(Behaviour::Answer(400, "{}"));
    let busy = Upstream::behaving(Behaviour::Answer(503, "{}"));
    let slow = Upstream::behaving(Behaviour::Judge(|_| None));
    let [to_refusing, to_busy] = [&refusing, &busy].map(|each| traced(each, "sample: 1"));
    let to_slow = traced(&slow, "sample: 1, timeout: 1ms");
    tokio::join!(
        assert_dropped(&upstream, &down, "unreachable"),
        assert_dropped(&upstream, &to_refusing, "refused"),
        assert_dropped(&upstream, &to_busy, "refused"),
        assert_dropped(&upstream, &to_slow, "late"),
    );
    assert_eq!(refusing.count(), 1, "what is refused is not sent again");
    assert_eq!(busy.count(), 3, "what may be taken later is");
}

#[tokio::test]
async fn what_waits_when_the_gateway_stops_is_sent() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let mut gateway = Gateway::with(&traced(&collector, "sample: 1"), &upstream).await;
    gateway.send(&Request::get("/v1/Services")).await;
    gateway.begin_stop();
    gateway.join();
    assert_eq!(spans(&collector).len(), 1);
}
