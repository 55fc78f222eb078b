//! What does the file look like? Its keys, their kinds, and no meaning.
//!
//! **Invariant:** nothing here is required. What is missing is the business of
//! [`compile`](super::compile), or taking a refused value out would raise another mistake.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::config::shape::List;
use crate::config::shape::OneOrMany;
use crate::config::shape::PartOfOne;
use crate::config::shape::Portion;
use crate::config::shape::Table;
use crate::config::shape::Truth;
use crate::config::shape::Whole;
use crate::config::shape::WholeOrOff;
use crate::config::tls_files::ClientCertificates;
use crate::config::word::AccountSid;
use crate::config::word::ServiceSid;
use crate::config::word::Size;
use crate::config::word::Word;
use crate::policy::limit::RateLimitFields;
use crate::policy::limit::Unmatched;
use crate::policy::log::AccessLog;
use crate::policy::log::LogFormat;
use crate::policy::log::LogLevel;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::store::OnLoss;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a configuration: keys and values, such as `upstream: { url: http://127.0.0.1:9000 }`"
)]
pub(crate) struct Raw {
    pub(crate) listen: RawListen,
    pub(crate) admin: RawAdmin,
    pub(crate) workers: Option<Whole>,
    pub(crate) drain: Option<Word<Duration>>,
    pub(crate) linger: Option<Word<Duration>>,
    pub(crate) state_file: Option<Word<String>>,
    pub(crate) upstream: RawUpstream,
    pub(crate) accounts: Table<Option<Word<AccountSid>>>,
    pub(crate) limits: RawLimits,
    pub(crate) store: RawStore,
    pub(crate) traces: RawTraces,
    pub(crate) log: RawLog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `address: 127.0.0.1:8080`"
)]
pub(crate) struct RawListen {
    pub(crate) address: Option<Word<SocketAddr>>,
    pub(crate) max_connections: Option<Whole>,
    pub(crate) tls: Option<RawListenTls>,
    pub(crate) proxy_protocol: Option<RawProxyProtocol>,
    pub(crate) trusted_proxies: List<Word<IpNet>>,
    pub(crate) timeouts: RawClientTimeouts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `certificate: tls.crt`"
)]
pub(crate) struct RawListenTls {
    pub(crate) certificate: Option<Word<String>>,
    pub(crate) private_key: Option<Word<String>>,
    pub(crate) client_ca: Option<Word<String>>,
    pub(crate) client_certificates: Option<Word<ClientCertificates>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `trusted: [10.0.0.0/8]`"
)]
pub(crate) struct RawProxyProtocol {
    pub(crate) trusted: List<Word<IpNet>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `body: 30s`"
)]
pub(crate) struct RawClientTimeouts {
    pub(crate) handshake: Option<Word<Duration>>,
    pub(crate) header: Option<Word<Duration>>,
    pub(crate) idle: Option<Word<Duration>>,
    pub(crate) body: Option<Word<Duration>>,
    pub(crate) body_gap: Option<Word<Duration>>,
    pub(crate) write: Option<Word<Duration>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `address: 127.0.0.1:9091`"
)]
pub(crate) struct RawAdmin {
    pub(crate) address: Option<Word<SocketAddr>>,
    pub(crate) allow_remote: Option<Truth>,
    pub(crate) allow_reset: Option<Truth>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `url: http://127.0.0.1:9000`"
)]
pub(crate) struct RawUpstream {
    pub(crate) url: Option<OneOrMany>,
    pub(crate) url_file: Option<Word<String>>,
    pub(crate) host: Option<Word<String>>,
    pub(crate) public_url: Option<Word<String>>,
    pub(crate) timeouts: RawTimeouts,
    pub(crate) tls: RawUpstreamTls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `response: 15s`"
)]
pub(crate) struct RawTimeouts {
    pub(crate) connect: Option<Word<Duration>>,
    pub(crate) response: Option<Word<Duration>>,
    pub(crate) idle: Option<Word<Duration>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `ca: ca.pem`"
)]
pub(crate) struct RawUpstreamTls {
    pub(crate) ca: Option<Word<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `rate: { requests_per_second: 30 }`"
)]
pub(crate) struct RawLimits {
    pub(crate) rate: Option<RawRate>,
    pub(crate) mode: Option<Word<Mode>>,
    pub(crate) pools: Option<RawPools>,
    pub(crate) payload: RawPayload,
    pub(crate) body_memory: Option<Word<Size>>,
    pub(crate) in_flight: RawInFlight,
    pub(crate) participants_per_number: RawParticipantsPerNumber,
    pub(crate) max_keys: Option<Whole>,
    pub(crate) unmatched: Option<Word<Unmatched>>,
    pub(crate) headers: Option<Word<RateLimitFields>>,
    pub(crate) overrides: List<RawOverride>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a rate: keys below it, such as `requests_per_second: 30`"
)]
pub(crate) struct RawRate {
    pub(crate) requests_per_second: Option<Whole>,
    pub(crate) window: Option<Word<Duration>>,
    pub(crate) burst: Option<Whole>,
    pub(crate) count: Option<Word<Counting>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `unreserved: 500`"
)]
pub(crate) struct RawPools {
    pub(crate) mode: Option<Word<Mode>>,
    pub(crate) reserved: Option<Whole>,
    pub(crate) unreserved: Option<Whole>,
    pub(crate) warn_at: Option<Portion>,
    pub(crate) recount: Option<Word<Duration>>,
    pub(crate) count_timeout: Option<Word<Duration>>,
    pub(crate) short_codes: Option<Truth>,
}

/// What an override may say of pools.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `unreserved: 500`"
)]
pub(crate) struct RawPoolRule {
    pub(crate) mode: Option<Word<Mode>>,
    pub(crate) reserved: Option<Whole>,
    pub(crate) unreserved: Option<Whole>,
    pub(crate) warn_at: Option<Portion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `body: 256KiB`"
)]
pub(crate) struct RawPayload {
    pub(crate) body: Option<Word<Size>>,
    pub(crate) oversize_status: Option<Whole>,
    pub(crate) fields: Table<Option<RawField>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a rule for a field: a key below it, such as `max_chars: 1600`"
)]
pub(crate) struct RawField {
    pub(crate) max_chars: Option<Whole>,
    pub(crate) max_bytes: Option<Whole>,
    pub(crate) greater_than: Option<Whole>,
    pub(crate) less_than: Option<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `total: 1024`"
)]
pub(crate) struct RawInFlight {
    pub(crate) total: Option<Whole>,
    pub(crate) per_service: Option<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `advise: 100`"
)]
pub(crate) struct RawParticipantsPerNumber {
    pub(crate) advise: WholeOrOff,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "an override: a mapping with `match`, and with `rate`, `pools` or `mode`"
)]
pub(crate) struct RawOverride {
    #[serde(rename = "match")]
    pub(crate) matches: RawMatch,
    pub(crate) rate: Option<RawRate>,
    pub(crate) pools: Option<RawPoolRule>,
    pub(crate) mode: Option<Word<Mode>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a match: keys below it, such as `endpoint: CreateSession`"
)]
pub(crate) struct RawMatch {
    pub(crate) account: Option<Word<AccountSid>>,
    pub(crate) service: Option<Word<ServiceSid>>,
    pub(crate) endpoint: Option<Word<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `level: info`"
)]
pub(crate) struct RawLog {
    pub(crate) level: Option<Word<LogLevel>>,
    pub(crate) format: Option<Word<LogFormat>>,
    pub(crate) access: Option<Word<AccessLog>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a store: a key below it, such as `redis: { url: redis://127.0.0.1:6379, replicas: 3 }`"
)]
pub(crate) struct RawStore {
    pub(crate) redis: Option<RawRedis>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `url: redis://127.0.0.1:6379`"
)]
pub(crate) struct RawRedis {
    pub(crate) url: Option<OneOrMany>,
    pub(crate) replicas: Option<Whole>,
    pub(crate) on_loss: Option<Word<OnLoss>>,
    pub(crate) deadline: Option<Word<Duration>>,
    pub(crate) tls: Option<RawRedisTls>,
    pub(crate) username: Option<Word<String>>,
    pub(crate) password_file: Option<Word<String>>,
    pub(crate) sentinel: Option<RawSentinel>,
    pub(crate) cluster: Option<Truth>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `ca: ca.pem`"
)]
pub(crate) struct RawRedisTls {
    pub(crate) ca: Option<Word<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `master: mymaster`"
)]
pub(crate) struct RawSentinel {
    pub(crate) master: Option<Word<String>>,
    pub(crate) username: Option<Word<String>>,
    pub(crate) password_file: Option<Word<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `otlp: { endpoint: http://127.0.0.1:4318 }`"
)]
pub(crate) struct RawTraces {
    pub(crate) otlp: Option<RawOtlp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `endpoint: http://127.0.0.1:4318`"
)]
pub(crate) struct RawOtlp {
    pub(crate) endpoint: Option<Word<String>>,
    pub(crate) sample: Option<PartOfOne>,
    pub(crate) timeout: Option<Word<Duration>>,
    pub(crate) queue: Option<Whole>,
    pub(crate) headers_file: Option<Word<String>>,
    pub(crate) tls: Option<RawOtlpTls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `ca: ca.pem`"
)]
pub(crate) struct RawOtlpTls {
    pub(crate) ca: Option<Word<String>>,
}
