//! Every metric with its name and help, by what it is about.

use std::time::Duration;

use prometheus::Gauge;
use prometheus::Histogram;
use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::admit::GiveBack;
use crate::learn::Unread;
use crate::links::Untouched;
use crate::observe::metrics::HandshakeStage;
use crate::observe::metrics::ResetResult;
use crate::observe::metrics::register::Maker;
use crate::policy::endpoint::Endpoint;
use crate::reject::Refusal;
use crate::reject::UpstreamFault;
use crate::restart::Outcome;

/// What became of requests.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    /// By endpoint, then by decision.
    pub(super) total: Vec<Vec<IntCounter>>,
    pub(super) refusals: Vec<IntCounter>,
    pub(super) shadow_refusals: Vec<IntCounter>,
    pub(super) duration: Vec<Histogram>,
    pub(super) in_flight: IntGauge,
    pub(super) body_bytes: IntGauge,
}

/// How the upstream does.
#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    pub(super) duration: Histogram,
    pub(super) errors: Vec<IntCounter>,
    pub(super) idle: IntGauge,
    pub(super) opened: IntCounter,
    pub(super) retries: IntCounter,
    pub(super) unread: Vec<IntCounter>,
    pub(super) untouched_links: Vec<IntCounter>,
}

/// How the process does.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    pub(super) connections: IntGauge,
    pub(super) accepted: IntCounter,
    pub(super) accept_errors: IntCounter,
    pub(super) handshake_failures: Vec<IntCounter>,
    pub(super) state_reads: Vec<IntCounter>,
    pub(super) generation: IntGauge,
    pub(super) dropped_lines: IntCounter,
}

/// How many windows there are, and how full.
#[derive(Debug)]
pub(super) struct WindowMetrics {
    pub(super) live: IntGauge,
    pub(super) fill: Vec<Gauge>,
    pub(super) guarded: IntGauge,
    pub(super) given_back: Vec<IntCounter>,
    pub(super) resets: Vec<IntCounter>,
    pub(super) known: IntGauge,
    pub(super) learned_names: IntGauge,
    pub(super) learned_accounts: IntGauge,
}

/// How many participants use numbers.
#[derive(Debug)]
pub(super) struct NumberMetrics {
    pub(super) tracked: IntGauge,
    pub(super) above: IntGauge,
    pub(super) advisories: IntCounter,
}

impl RequestMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
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
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
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
            unread: make.counters(
                (
                    "maskgate_answers_unread_total",
                    "Answers of the upstream that would have told something, but could not be read",
                ),
                "reason",
                Unread::ALL.iter().map(|reason| reason.label()),
            )?,
            untouched_links: make.counters(
                (
                    "maskgate_links_untouched_total",
                    "Answers whose links were to be rewritten and stayed as they are",
                ),
                "reason",
                Untouched::ALL.iter().map(|reason| reason.label()),
            )?,
        })
    }
}

impl ProcessMetrics {
    pub(super) fn new(make: &Maker<'_>, started: Duration) -> prometheus::Result<Self> {
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
            state_reads: make.counters(
                (
                    "maskgate_state_reads_total",
                    "Starts with a state file configured, by what came of the file",
                ),
                "result",
                Outcome::ALL.iter().map(|outcome| outcome.label()),
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
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            live: make.int_gauge(
                "maskgate_live_keys",
                "Windows alive in this process, one for each service and endpoint in use",
            )?,
            fill: make.gauges(
                (
                    "maskgate_window_fill_ratio",
                    "Share of the allowed admissions that the endpoint's fullest window held at \
                     the last sweep",
                ),
                "endpoint",
                Endpoint::ALL.iter().map(|endpoint| endpoint.name()),
            )?,
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
            resets: make.counters(
                (
                    "maskgate_window_resets_total",
                    "Wishes of operators to empty windows by hand, by what became of them",
                ),
                "result",
                ResetResult::ALL.iter().map(|result| result.label()),
            )?,
            known: make.int_gauge(
                "maskgate_known_credentials",
                "Credentials that the upstream has accepted in the last 15 minutes, each \
                 counted for every service",
            )?,
            learned_names: make.int_gauge(
                "maskgate_learned_names",
                "Unique names that stand for a service, each counted for every account or API key",
            )?,
            learned_accounts: make.int_gauge(
                "maskgate_learned_accounts",
                "API keys and bearer tokens that stand for an account",
            )?,
        })
    }
}

impl NumberMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            tracked: make.int_gauge(
                "maskgate_tracked_participants",
                "Participants of active sessions that are known to use a number",
            )?,
            above: make.int_gauge(
                "maskgate_numbers_above_advice",
                "Numbers with more known participants than limits.participants_per_number advises",
            )?,
            advisories: make.counter(
                "maskgate_participant_advisories_total",
                "Log lines that a number has more participants than is advised",
            )?,
        })
    }
}
