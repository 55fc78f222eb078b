//! What became of the spans of requests.

use prometheus::IntCounter;

use crate::observe::metrics::Metrics;
use crate::observe::metrics::register::Maker;
use crate::observe::traces::SpanFate;

/// Spans by what became of them.
#[derive(Debug)]
pub(super) struct SpanMetrics(Vec<IntCounter>);

impl SpanMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let spans = make.counters(
            (
                "maskgate_trace_spans_total",
                "Spans of traced requests, by what became of them: exported, or why they were dropped",
            ),
            "result",
            SpanFate::ALL.iter().map(|fate| fate.label()),
        )?;
        Ok(Self(spans))
    }
}

impl Metrics {
    /// Counts so many spans that this became of.
    pub fn count_spans(&self, fate: SpanFate, count: u64) {
        if let Some(counter) = self.spans.0.get(fate.index()) {
            counter.inc_by(count);
        }
    }
}
