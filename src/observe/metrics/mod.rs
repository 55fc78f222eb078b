//! Every metric of the program, registered once.
//!
//! **Invariant:** labels are closed lists only, and their children are resolved when the metric
//! is made: a request finds its counter by an index, without a lock or a hash, and no client can
//! add a series. The list with meanings is `docs/metrics.md`; a test compares it with this file.

mod register;

use std::time::Duration;

use prometheus::Gauge;
use prometheus::Histogram;
use prometheus::IntCounter;
use prometheus::IntGauge;
use prometheus::Registry;
use prometheus::TextEncoder;

use crate::admit::GiveBack;
use crate::policy::endpoint::Endpoint;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::reject::UpstreamFault;
use register::Maker;

/// What happened to an attempt to reload the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// A new policy is in force.
    Applied,
    /// The configuration has mistakes; the old policy stays.
    Refused,
}

impl ReloadResult {
    const ALL: [Self; 2] = [Self::Applied, Self::Refused];

    const fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    const fn index(self) -> usize {
        self as usize
    }
}

/// Where a new connection failed before it got as far as HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeStage {
    /// In the header of the PROXY protocol.
    ProxyProtocol,
    /// In the TLS handshake.
    Tls,
}

impl HandshakeStage {
    const ALL: [Self; 2] = [Self::ProxyProtocol, Self::Tls];

    const fn label(self) -> &'static str {
        match self {
            Self::ProxyProtocol => "proxy_protocol",
            Self::Tls => "tls",
        }
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    const fn index(self) -> usize {
        self as usize
    }
}

/// What stands elsewhere and is only read when somebody asks for the metrics.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Requests between their admission and the last byte of their answer.
    pub in_flight: u64,
    /// Bytes of requests' bodies that are held.
    pub body_bytes: u64,
    /// Windows that hold an admission, or are guarded.
    pub live_keys: u64,
    /// Windows that are guarded.
    pub guarded_windows: u64,
    /// Credentials that are no strangers.
    pub known_credentials: u64,
    /// Generation of the policy in force.
    pub generation: u64,
    /// Unused connections to the upstream.
    pub upstream_idle: u64,
    /// Connections to the upstream opened since the start.
    pub upstream_opened: u64,
    /// Requests sent to the upstream a second time.
    pub upstream_retries: u64,
    /// Log lines that were dropped since the start.
    pub dropped_lines: u64,
    /// The fullest window of each endpoint at the last sweep, from 0 to 1.
    pub fill: Vec<(Endpoint, f64)>,
}

/// The counters, gauges and histograms.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    upstream: UpstreamMetrics,
    process: ProcessMetrics,
    windows: WindowMetrics,
}

/// What became of requests.
#[derive(Debug)]
struct RequestMetrics {
    /// By endpoint, then by decision.
    total: Vec<Vec<IntCounter>>,
    refusals: Vec<IntCounter>,
    shadow_refusals: Vec<IntCounter>,
    duration: Vec<Histogram>,
    in_flight: IntGauge,
    body_bytes: IntGauge,
}

/// How the upstream does.
#[derive(Debug)]
struct UpstreamMetrics {
    duration: Histogram,
    errors: Vec<IntCounter>,
    idle: IntGauge,
    opened: IntCounter,
    retries: IntCounter,
}

/// How the process does.
#[derive(Debug)]
struct ProcessMetrics {
    connections: IntGauge,
    accepted: IntCounter,
    accept_errors: IntCounter,
    handshake_failures: Vec<IntCounter>,
    reloads: Vec<IntCounter>,
    tls_reloads: Vec<IntCounter>,
    generation: IntGauge,
    dropped_lines: IntCounter,
}

/// How many windows there are, and how full.
#[derive(Debug)]
struct WindowMetrics {
    live: IntGauge,
    fill: Vec<Gauge>,
    guarded: IntGauge,
    given_back: Vec<IntCounter>,
    known: IntGauge,
}

impl RequestMetrics {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            total: make.requests()?,
            refusals: make.counters(
                ("maskgate_refusals_total", "Requests refused, by the limit they broke"),
                "limit",
                Refusal::ALL.iter().map(|refusal| refusal.label()),
            )?,
            shadow_refusals: make.counters(
                (
                    "maskgate_shadow_refusals_total",
                    "Requests forwarded that would have been refused with mode: enforce",
                ),
                "endpoint",
                Endpoint::ALL.iter().map(|endpoint| endpoint.name()),
            )?,
            duration: make.durations()?,
            in_flight: make.int_gauge(
                "maskgate_in_flight_requests",
                "Requests between their admission and the last byte of their answer",
            )?,
            body_bytes: make.int_gauge(
                "maskgate_request_body_bytes",
                "Bytes of requests' bodies that are held, from their arrival until they are sent",
            )?,
        })
    }
}

impl UpstreamMetrics {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            duration: make.histogram(
                "maskgate_upstream_duration_seconds",
                "Time from sending a request to the head of the upstream's answer",
            )?,
            errors: make.counters(
                (
                    "maskgate_upstream_errors_total",
                    "Requests without a whole answer of the upstream",
                ),
                "reason",
                UpstreamFault::ALL.iter().map(|fault| fault.label()),
            )?,
            idle: make.int_gauge(
                "maskgate_upstream_idle_connections",
                "Connections to the upstream that wait for a request",
            )?,
            opened: make.counter(
                "maskgate_upstream_connections_opened_total",
                "Connections to the upstream opened",
            )?,
            retries: make.counter(
                "maskgate_upstream_retries_total",
                "Requests sent to the upstream a second time, over a fresh connection",
            )?,
        })
    }
}

impl ProcessMetrics {
    fn new(make: &Maker<'_>, started: Duration) -> prometheus::Result<Self> {
        make.build_info()?;
        let start = make.gauge(
            "maskgate_start_time_seconds",
            "When the process started, in seconds since 1970; windows begin empty then",
        )?;
        start.set(started.as_secs_f64());
        Ok(Self {
            connections: make.int_gauge("maskgate_connections", "Open client connections")?,
            accepted: make.counter(
                "maskgate_connections_accepted_total",
                "Client connections accepted",
            )?,
            accept_errors: make.counter(
                "maskgate_accept_errors_total",
                "Failures to accept a client connection, such as too few file descriptors",
            )?,
            handshake_failures: make.counters(
                (
                    "maskgate_handshake_failures_total",
                    "Client connections closed before they got as far as HTTP",
                ),
                "stage",
                HandshakeStage::ALL.iter().map(|stage| stage.label()),
            )?,
            tls_reloads: make.counters(
                (
                    "maskgate_tls_reloads_total",
                    "Attempts to put changed files of the listener's certificate in force",
                ),
                "result",
                ReloadResult::ALL.iter().map(|result| result.label()),
            )?,
            reloads: make.counters(
                ("maskgate_config_reloads_total", "Attempts to reload the configuration"),
                "result",
                ReloadResult::ALL.iter().map(|result| result.label()),
            )?,
            generation: make.int_gauge(
                "maskgate_config_generation",
                "Number of the policy in force, counted from 1 at the start",
            )?,
            dropped_lines: make.counter(
                "maskgate_log_lines_dropped_total",
                "Request log lines dropped because their reader was too slow",
            )?,
        })
    }
}

impl WindowMetrics {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            live: make.int_gauge(
                "maskgate_live_keys",
                "Windows alive in this process, one for each service and endpoint in use",
            )?,
            fill: make.fill()?,
            guarded: make.int_gauge(
                "maskgate_guarded_windows",
                "Windows in which a stranger was refused by the upstream, or not answered, lately",
            )?,
            given_back: make.counters(
                (
                    "maskgate_given_back_total",
                    "Admissions of strangers that were taken back because the upstream refused",
                ),
                "reason",
                GiveBack::ALL.iter().map(|reason| reason.label()),
            )?,
            known: make.int_gauge(
                "maskgate_known_credentials",
                "Credentials that the upstream has accepted in the last 15 minutes, each \
                 counted for every service",
            )?,
        })
    }
}

impl Metrics {
    /// Makes and registers every metric. `started` is the wall clock at the start, since 1970.
    pub fn new(started: Duration) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        Ok(Self {
            requests: RequestMetrics::new(&make)?,
            upstream: UpstreamMetrics::new(&make)?,
            process: ProcessMetrics::new(&make, started)?,
            windows: WindowMetrics::new(&make)?,
            registry,
        })
    }

    /// Counts a finished request; `endpoint` is none where the request named no operation.
    pub fn count_request(
        &self,
        endpoint: Option<Endpoint>,
        decision: Decision,
        whole: Duration,
    ) {
        let row = endpoint.map_or(Endpoint::COUNT, Endpoint::index);
        let of_endpoint = self.requests.total.get(row);
        if let Some(counter) = of_endpoint.and_then(|counters| counters.get(decision.index())) {
            counter.inc();
        }
        if let Some(histogram) = self.requests.duration.get(decision.index()) {
            histogram.observe(whole.as_secs_f64());
        }
    }

    /// Counts a refusal by the limit that was broken.
    pub fn count_refusal(&self, refusal: Refusal) {
        increment(&self.requests.refusals, refusal.index());
    }

    /// Counts a request that was forwarded only because the limit's mode is `shadow`.
    pub fn count_shadow_refusal(&self, endpoint: Endpoint) {
        increment(&self.requests.shadow_refusals, endpoint.index());
    }

    /// Counts an admission that was taken back.
    pub fn count_give_back(&self, reason: GiveBack) {
        increment(&self.windows.given_back, reason.index());
    }

    /// Counts a request that the upstream did not answer wholly.
    pub fn count_upstream_error(&self, fault: UpstreamFault) {
        increment(&self.upstream.errors, fault.index());
    }

    /// Notes how long the upstream took to begin an answer.
    pub fn observe_upstream(&self, taken: Duration) {
        self.upstream.duration.observe(taken.as_secs_f64());
    }

    /// Counts an attempt to reload the configuration.
    pub fn count_reload(&self, result: ReloadResult) {
        increment(&self.process.reloads, result.index());
    }

    /// Counts an attempt to reload the listener's certificate.
    pub fn count_tls_reload(&self, result: ReloadResult) {
        increment(&self.process.tls_reloads, result.index());
    }

    /// Counts a connection that ended before it got as far as HTTP.
    pub fn count_handshake_failure(&self, stage: HandshakeStage) {
        increment(&self.process.handshake_failures, stage.index());
    }

    /// Counts a failure to accept a connection.
    pub fn count_accept_error(&self) {
        self.process.accept_errors.inc();
    }

    /// Counts an accepted connection as open.
    pub fn connection_opened(&self) {
        self.process.connections.inc();
        self.process.accepted.inc();
    }

    /// Counts a connection as closed.
    pub fn connection_closed(&self) {
        self.process.connections.dec();
    }

    /// The metrics in Prometheus' text format 0.0.4.
    pub fn render(&self, readings: &Readings) -> prometheus::Result<String> {
        set(&self.requests.in_flight, readings.in_flight);
        set(&self.requests.body_bytes, readings.body_bytes);
        set(&self.windows.live, readings.live_keys);
        set(&self.windows.guarded, readings.guarded_windows);
        set(&self.windows.known, readings.known_credentials);
        set(&self.process.generation, readings.generation);
        set(&self.upstream.idle, readings.upstream_idle);
        catch_up(&self.upstream.opened, readings.upstream_opened);
        catch_up(&self.upstream.retries, readings.upstream_retries);
        catch_up(&self.process.dropped_lines, readings.dropped_lines);
        for (endpoint, gauge) in Endpoint::ALL.iter().zip(&self.windows.fill) {
            let fill = readings.fill.iter().find(|(each, _)| each == endpoint);
            gauge.set(fill.map_or(0.0, |(_, fill)| *fill));
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn increment(counters: &[IntCounter], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.inc();
    }
}

fn set(gauge: &IntGauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Brings a counter to the value of one that is kept elsewhere.
fn catch_up(counter: &IntCounter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}
