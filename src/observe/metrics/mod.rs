//! Every metric of the program, registered once.
//!
//! **Invariant:** labels are closed lists only, and their children are resolved when the metric
//! is made: a request finds its counter by an index, without a lock or a hash, and no client can
//! add a series. The list with meanings is `docs/metrics.md`; a test compares it with what is exported.

mod families;
mod limits;
mod pools;
mod register;
mod reloads;
mod spans;
mod store;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use prometheus::IntGauge;
use prometheus::Registry;
use prometheus::TextEncoder;

use crate::admit::GiveBack;
use crate::learn::Unread;
use crate::links::Untouched;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::pool::Fill;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::reject::UpstreamFault;
use crate::restart::Outcome;
use families::NumberMetrics;
use families::ProcessMetrics;
use families::RequestMetrics;
use families::UpstreamMetrics;
use families::WindowMetrics;
use limits::LimitMetrics;
use pools::PoolMetrics;
use register::Maker;
use reloads::ReloadMetrics;
pub use reloads::ReloadResult;
use spans::SpanMetrics;
use store::StoreMetrics;
pub use store::StoreReading;

/// What became of an operator's wish to empty windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetResult {
    /// They are empty.
    Done,
    /// They are empty here, and not in the store that replicas share.
    StoreFailed,
    /// It is not allowed.
    Refused,
}

impl ResetResult {
    const ALL: [Self; 3] = [Self::Done, Self::StoreFailed, Self::Refused];

    /// Its word in metrics and log lines.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::StoreFailed => "store_failed",
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
    /// Participants that are known to use a number.
    pub tracked_participants: u64,
    /// Numbers with more of them than is advised.
    pub numbers_above_advice: u64,
    /// Names that stand for a service.
    pub learned_names: u64,
    /// API keys and bearer tokens that stand for an account.
    pub learned_accounts: u64,
    /// The policy in force; none before there is one.
    pub policy: Option<Arc<Policy>>,
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
    /// How full the number pools were at the last sweep.
    pub pools: Fill,
    /// How the store stands that replicas share; none where there is none.
    pub store: Option<StoreReading>,
}

/// The counters, gauges and histograms.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    upstream: UpstreamMetrics,
    process: ProcessMetrics,
    reloads: ReloadMetrics,
    limits: LimitMetrics,
    windows: WindowMetrics,
    pools: PoolMetrics,
    store: StoreMetrics,
    spans: SpanMetrics,
    numbers: NumberMetrics,
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
            reloads: ReloadMetrics::new(&make, started)?,
            limits: LimitMetrics::new(&make)?,
            windows: WindowMetrics::new(&make)?,
            pools: PoolMetrics::new(&make)?,
            store: StoreMetrics::new(&make)?,
            spans: SpanMetrics::new(&make)?,
            numbers: NumberMetrics::new(&make)?,
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

    /// Counts a log line about a number that has more participants than is advised.
    pub fn count_advisory(&self) {
        self.numbers.advisories.inc();
    }

    /// Counts a request that the upstream did not answer wholly.
    pub fn count_upstream_error(&self, fault: UpstreamFault) {
        increment(&self.upstream.errors, fault.index());
    }

    /// Counts an answer that tells nothing, though it should.
    pub fn count_unread(&self, reason: Unread) {
        increment(&self.upstream.unread, reason.index());
    }

    /// Counts an answer whose links stay as they are.
    pub fn count_untouched_links(&self, why: Untouched) {
        increment(&self.upstream.untouched_links, why.index());
    }

    /// Notes how long the upstream took to begin an answer.
    pub fn observe_upstream(&self, taken: Duration) {
        self.upstream.duration.observe(taken.as_secs_f64());
    }

    /// Counts an operator's wish to empty windows.
    pub fn count_reset(&self, result: ResetResult) {
        increment(&self.windows.resets, result.index());
    }

    /// Counts what came of the state file at the start.
    pub fn count_state_read(&self, outcome: Outcome) {
        increment(&self.process.state_reads, outcome.index());
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
        set(&self.numbers.tracked, readings.tracked_participants);
        set(&self.numbers.above, readings.numbers_above_advice);
        set(&self.windows.learned_names, readings.learned_names);
        set(&self.windows.learned_accounts, readings.learned_accounts);
        let policy = readings.policy.as_deref();
        set(&self.process.generation, policy.map_or(0, |policy| policy.generation));
        self.limits.show(policy);
        set(&self.upstream.idle, readings.upstream_idle);
        catch_up(&self.upstream.opened, readings.upstream_opened);
        catch_up(&self.upstream.retries, readings.upstream_retries);
        catch_up(&self.process.dropped_lines, readings.dropped_lines);
        self.pools.show(&readings.pools);
        self.store.show(readings.store);
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
