//! What does the file look like? Its keys, their kinds, and no meaning.
//!
//! **Invariant:** nothing here is required. What is missing is the business of
//! [`compile`](super::compile), or taking a refused value out would raise another mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::word::AccountSid;
use crate::config::word::ServiceSid;
use crate::config::word::Size;
use crate::config::word::Word;
use crate::policy::limit::Counting;
use crate::policy::limit::Mode;
use crate::policy::limit::RateLimitFields;
use crate::policy::limit::Unmatched;
use crate::policy::log::AccessLog;
use crate::policy::log::LogFormat;
use crate::policy::log::LogLevel;

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
    pub(crate) upstream: RawUpstream,
    pub(crate) accounts: Table<Option<Word<AccountSid>>>,
    pub(crate) limits: RawLimits,
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
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: a key below it, such as `address: 127.0.0.1:9091`"
)]
pub(crate) struct RawAdmin {
    pub(crate) address: Option<Word<SocketAddr>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping: keys below it, such as `url: http://127.0.0.1:9000`"
)]
pub(crate) struct RawUpstream {
    pub(crate) url: Option<OneOrMany>,
    pub(crate) host: Option<Word<String>>,
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
    pub(crate) payload: RawPayload,
    pub(crate) in_flight: RawInFlight,
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
    expecting = "an override: a mapping with `match`, and with `rate` or `mode`"
)]
pub(crate) struct RawOverride {
    #[serde(rename = "match")]
    pub(crate) matches: RawMatch,
    pub(crate) rate: Option<RawRate>,
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

/// A whole number, not yet known to be in its range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number: digits only, without quotes or unit")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

/// Text, or a list of texts; what was refused in the list is none.
#[derive(Debug)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<Option<Word<String>>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL: one such as `http://127.0.0.1:9000`, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany::Many(texts))
    }
}

/// A list; what was refused in it is none.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<Option<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list: each entry after a `- `")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(List(entries))
    }
}

/// A mapping whose keys are not known beforehand.
#[derive(Debug)]
pub(crate) struct Table<T>(pub(crate) BTreeMap<String, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = Table<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping: a line with a key and a value for each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            table.insert(key, value);
        }
        Ok(Table(table))
    }
}
