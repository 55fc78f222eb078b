//! Which requests are traced? Those whose caller records its own part, and of those whose caller
//! says nothing a sample. Their spans are counted by what becomes of them.
//!
//! **Invariant:** where spans are sent nowhere, a caller's context passes as it came, and nothing
//! here is called but the reading of it for the log.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;

use crate::observe::Record;
use crate::observe::metrics::Metrics;
use crate::observe::outcome::Found;
use crate::otlp::Event;
use crate::otlp::Fault;
use crate::otlp::Limit;
use crate::otlp::Span;
use crate::otlp::Spans;
use crate::policy::traces::Sample;
use crate::reject::UpstreamFault;
use crate::time::wall_clock;
use crate::trace_context::TRACEPARENT;
use crate::trace_context::TRACESTATE;
use crate::trace_context::TraceContext;

/// What begins traces and offers spans, where they are sent somewhere.
#[derive(Clone, Debug)]
pub struct Tracer {
    /// Where spans go.
    pub spans: Spans,
    /// Which traces that begin here are recorded.
    pub sample: Sample,
}

/// What became of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanFate {
    /// The collector took it.
    Exported,
    /// The collector took its batch without it.
    Rejected,
    /// There was no room in the queue.
    QueueFull,
    /// The collector could not be reached.
    Unreachable,
    /// The collector did not answer in time.
    Late,
    /// The collector was busy, or refused.
    Refused,
    /// The gateway ended before it was sent.
    Ended,
}

impl SpanFate {
    /// Every fate, in the order of [`index`](Self::index).
    pub const ALL: [Self; 7] = [
        Self::Exported,
        Self::Rejected,
        Self::QueueFull,
        Self::Unreachable,
        Self::Late,
        Self::Refused,
        Self::Ended,
    ];

    /// A small number for arrays with one place for each fate.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The fate's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Rejected => "rejected",
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

impl From<Fault> for SpanFate {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable | Fault::NoHeaders => Self::Unreachable,
            Fault::Late => Self::Late,
            Fault::Busy(_) | Fault::Refused(_) => Self::Refused,
            Fault::Ended => Self::Ended,
        }
    }
}

/// Where a request is in its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What goes on: the gateway's own, where it traces, else the caller's.
    pub(super) context: TraceContext,
    /// The caller's span, where the gateway has one of its own below it.
    parent: Option<u64>,
}

impl Tracer {
    /// The gateway's place below its caller's, or at the beginning of a trace.
    fn place(&self, caller: Option<TraceContext>) -> Place {
        let span = fastrand::u64(1..);
        let context = caller.map_or_else(
            || {
                let trace = fastrand::u128(1..);
                TraceContext::first(trace, span, self.sample.takes(trace))
            },
            |caller| caller.next(span),
        );
        Place { context, parent: caller.map(TraceContext::span) }
    }
}

impl Record {
    /// Finds the request's place in its caller's trace, or begins one; `headers` say it to whom
    /// they are sent on.
    pub fn enter_trace(&mut self, headers: &mut HeaderMap) {
        let caller = TraceContext::of(headers);
        let Some(tracer) = &self.observer.tracer else {
            self.place = caller.map(|context| Place { context, parent: None });
            return;
        };
        let place = tracer.place(caller);
        self.place = Some(place);
        if let Some(value) = place.context.value() {
            headers.insert(TRACEPARENT, value);
        }
        if caller.is_none() {
            headers.remove(TRACESTATE); // it belongs to a context that is none (§3.3)
        }
    }

    /// Offers the span of a request that took so long, where it is traced.
    pub(super) fn offer_span(&self, whole: Duration) {
        let Some(tracer) = &self.observer.tracer else { return };
        let Some(place) = self.place.filter(|place| place.context.is_sampled()) else { return };
        if !tracer.spans.offer(self.span(place, whole)) {
            self.observer.metrics.count_spans(SpanFate::QueueFull, 1);
        }
    }

    fn span(&self, place: Place, whole: Duration) -> Span {
        Span {
            context: place.context,
            parent: place.parent,
            ended: wall_clock(),
            taken: whole,
            endpoint: self.endpoint(),
            service: self.class.and_then(|class| class.service?.sid()),
            decision: self.outcome.decision.label(),
            status: self.outcome.status.map(|status| status.as_u16()),
            limit: self.broken_limit(),
            fault: self.outcome.fault.map(UpstreamFault::label),
            upstream: self.upstream,
            request_id: copied(&self.request_id),
        }
    }

    fn broken_limit(&self) -> Option<Limit> {
        let refusal = self.outcome.refusal.or(self.outcome.on_trial)?;
        let limit = self.outcome.limit.as_ref();
        Some(Limit {
            name: refusal.label(),
            is_enforced: self.outcome.refusal.is_some(),
            allowed: limit.map(|limit| limit.allowed),
            retry_after: limit.and_then(|limit| match limit.found {
                Found::Rate(wait) => Some(wait),
                Found::Pool(..) => None,
            }),
        })
    }
}

/// A value of its own memory: a client's stands in what was read of its connection, which would be
/// kept as long as the span waits.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// Reports what becomes of spans.
pub fn report(metrics: &Arc<Metrics>, event: Event) {
    match event {
        Event::Exported(count) => metrics.count_spans(SpanFate::Exported, count),
        Event::Rejected(count) => metrics.count_spans(SpanFate::Rejected, count),
        Event::Dropped(count, fault) => metrics.count_spans(fault.into(), count),
        Event::Failing(fault) => {
            tracing::warn!(why = %fault, "spans are not taken; requests are not held up");
        }
        Event::Recovered => tracing::info!("the collector takes spans again"),
    }
}
