//! Making a metric: registered, and its children resolved.

use prometheus::Gauge;
use prometheus::GaugeVec;
use prometheus::Histogram;
use prometheus::HistogramOpts;
use prometheus::HistogramVec;
use prometheus::IntCounter;
use prometheus::IntCounterVec;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;
use prometheus::Opts;
use prometheus::Registry;
use prometheus::core::Collector;

use crate::policy::endpoint::Endpoint;
use crate::reject::Decision;

/// Upper bounds of the buckets for the time that an answer takes, in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// The same for the time that a store takes.
const QUICK_SECONDS: [f64; 10] =
    [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];
/// The label of requests that named no operation.
const NO_ENDPOINT: &str = "none";

/// Makes metrics and registers them.
pub(super) struct Maker<'r> {
    pub(super) registry: &'r Registry,
}

impl Maker<'_> {
    fn register<C: Collector + Clone + 'static>(&self, metric: C) -> prometheus::Result<C> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::new(name, help)?)
    }

    pub(super) fn int_gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::new(name, help)?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.register(Gauge::new(name, help)?)
    }

    pub(super) fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    /// A histogram of what mostly takes less than a millisecond.
    pub(super) fn quick_histogram(
        &self,
        name: &str,
        help: &str,
    ) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(QUICK_SECONDS.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    /// One counter for each value of one label.
    #[expect(clippy::disallowed_methods, reason = "resolved once, here")]
    pub(super) fn counters(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: impl Iterator<Item = &'static str>,
    ) -> prometheus::Result<Vec<IntCounter>> {
        let family = self.register(IntCounterVec::new(Opts::new(name, help), &[label])?)?;
        Ok(values.map(|value| family.with_label_values(&[value])).collect())
    }

    /// One gauge for each value of one label.
    #[expect(clippy::disallowed_methods, reason = "resolved once, here")]
    pub(super) fn gauges(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: impl Iterator<Item = &'static str>,
    ) -> prometheus::Result<Vec<Gauge>> {
        let family = self.register(GaugeVec::new(Opts::new(name, help), &[label])?)?;
        Ok(values.map(|value| family.with_label_values(&[value])).collect())
    }

    /// One gauge of whole numbers for each value of one label.
    #[expect(clippy::disallowed_methods, reason = "resolved once, here")]
    pub(super) fn int_gauges(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: impl Iterator<Item = &'static str>,
    ) -> prometheus::Result<Vec<IntGauge>> {
        let family = self.register(IntGaugeVec::new(Opts::new(name, help), &[label])?)?;
        Ok(values.map(|value| family.with_label_values(&[value])).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "resolved once, here")]
    pub(super) fn requests(&self) -> prometheus::Result<Vec<Vec<IntCounter>>> {
        let options = Opts::new("maskgate_requests_total", "Requests answered");
        let family = self.register(IntCounterVec::new(options, &["endpoint", "decision"])?)?;
        let names = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).chain([NO_ENDPOINT]);
        let row = |name| {
            let child =
                |decision: &Decision| family.with_label_values(&[name, decision.label()]);
            Decision::ALL.iter().map(child).collect()
        };
        Ok(names.map(row).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "resolved once, here")]
    pub(super) fn durations(&self) -> prometheus::Result<Vec<Histogram>> {
        let options = HistogramOpts::new(
            "maskgate_request_duration_seconds",
            "Time from a request's head to the last byte of its answer",
        );
        let options = options.buckets(SECONDS.to_vec());
        let family = self.register(HistogramVec::new(options, &["decision"])?)?;
        let child = |decision: &Decision| family.with_label_values(&[decision.label()]);
        Ok(Decision::ALL.iter().map(child).collect())
    }

    pub(super) fn build_info(&self) -> prometheus::Result<()> {
        let options = Opts::new("maskgate_build_info", "Always 1; the labels say what runs")
            .const_label("version", crate::VERSION)
            .const_label("commit", crate::COMMIT);
        self.register(IntGauge::with_opts(options)?)?.set(1);
        Ok(())
    }
}
