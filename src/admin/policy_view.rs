//! `/policy`: what is in force, as JSON, without secrets.

use serde_json::Value;
use serde_json::json;

use crate::admin::store_view;
use crate::config::Resets;
use crate::config::Settings;
use crate::policy::clients::Clients;
use crate::policy::endpoint::Endpoint;
use crate::policy::field::Check;
use crate::policy::field::FieldRule;
use crate::policy::limit::Limits;
use crate::policy::limit::OversizeStatus;
use crate::policy::limit::RateLimitFields;
use crate::policy::limit::Unmatched;
use crate::policy::log::AccessLog;
use crate::policy::log::LogFormat;
use crate::policy::log::LogLevel;
use crate::policy::log::LogPolicy;
use crate::policy::overrides::Override;
use crate::policy::pools::PoolLimits;
use crate::policy::pools::PoolOverride;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::RateRule;
use crate::policy::traces::Otlp;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Upstream;
use crate::state::Reload;
use crate::state::State;
use crate::time::Tick;

/// The most of a configuration's mistakes that is shown, in bytes.
const MOST_MISTAKES: usize = 8192;

/// The page.
pub(super) fn render(state: &State) -> String {
    let now = state.shared.clock.now();
    let policy = state.shared.policy.snapshot();
    let store = state.shared.store.as_deref().map(|store| store_view::of(store, now));
    let view = json!({
        "generation": policy.generation,
        "listen": clients(&policy.clients),
        "upstream": upstream(&policy.upstream),
        "accounts": policy.accounts.len(),
        "limits": limits(&policy.limits),
        "store": store,
        "log": log(policy.log),
        "settings": settings(&state.settings),
        "reload": state.last_reload.get().map(|last| reload(&last, now)),
    });
    let mut text = view.to_string();
    text.push('\n');
    text
}

/// What a reload does not change.
fn settings(settings: &Settings) -> Value {
    json!({
        "max_connections": settings.max_connections,
        "workers": settings.workers,
        "drain_seconds": settings.drain.as_secs_f64(),
        "allow_reset": settings.resets == Resets::Allowed,
        "traces": settings.traces.as_ref().map(traces),
    })
}

fn traces(otlp: &Otlp) -> Value {
    json!({
        "endpoint": format!("{}{}", otlp.collector, otlp.path),
        "sample": otlp.sample.share(),
        "timeout_seconds": otlp.timeout.as_secs_f64(),
        "queue": otlp.queue,
        "tls": otlp.tls.is_some(),
        "headers_file": otlp.headers.as_ref().map(|file| file.display().to_string()),
    })
}

fn reload(last: &Reload, now: Tick) -> Value {
    let cut =
        |text: &str| text.get(..text.floor_char_boundary(MOST_MISTAKES)).map(str::to_owned);
    json!({
        "result": if last.mistakes.is_some() { "refused" } else { "applied" },
        "age_seconds": now.since(last.at).as_secs_f64(),
        "mistakes": last.mistakes.as_deref().and_then(cut),
    })
}

fn clients(clients: &Clients) -> Value {
    let timeouts = clients.timeouts;
    let trusted: Vec<_> = clients.trusted_proxies.iter().map(ToString::to_string).collect();
    json!({
        "trusted_proxies": trusted,
        "timeouts_seconds": {
            "handshake": timeouts.handshake.as_secs_f64(),
            "header": timeouts.header.as_secs_f64(),
            "idle": timeouts.idle.as_secs_f64(),
            "body": timeouts.body.as_secs_f64(),
            "body_gap": timeouts.body_gap.as_secs_f64(),
            "write": timeouts.write.as_secs_f64(),
        },
    })
}

fn upstream(upstream: &Upstream) -> Value {
    let urls: Vec<_> = upstream.origins.iter().map(ToString::to_string).collect();
    let host = match &upstream.host {
        HostHeader::Preserve => json!("preserve"),
        HostHeader::Upstream => json!("upstream"),
        HostHeader::Name(name) => json!(name.to_str().unwrap_or_default()),
    };
    json!({
        "url": urls,
        "host": host,
        "public_url": upstream.public_url.as_ref().map(|url| url.as_str()),
        "timeouts_seconds": {
            "connect": upstream.timeouts.connect.as_secs_f64(),
            "response": upstream.timeouts.response.as_secs_f64(),
            "idle": upstream.timeouts.idle.as_secs_f64(),
        },
    })
}

fn limits(limits: &Limits) -> Value {
    let oversize_status = match limits.body.oversize_status {
        OversizeStatus::BadRequest => 400,
        OversizeStatus::ContentTooLarge => 413,
    };
    json!({
        "rate": rate(&limits.rate),
        "overrides": limits.overrides.iter().map(each_override).collect::<Vec<_>>(),
        "pools": pools(&limits.pools),
        "payload": {
            "body_bytes": limits.body.max_bytes,
            "oversize_status": oversize_status,
            "fields": limits.fields.iter().map(field).collect::<Vec<_>>(),
        },
        "body_memory_bytes": limits.body_memory,
        "in_flight": {
            "total": limits.in_flight.total,
            "per_service": limits.in_flight.per_service,
        },
        "participants_per_number": { "advise": limits.participants_per_number },
        "max_keys": limits.max_keys,
        "unmatched": match limits.unmatched {
            Unmatched::Reject => "reject",
            Unmatched::Forward => "forward",
        },
        "headers": match limits.headers {
            RateLimitFields::On => "on",
            RateLimitFields::Off => "off",
        },
    })
}

pub(super) fn rate(rule: &RateRule) -> Value {
    json!({
        "requests_per_second": rule.limit.requests_per_second(),
        "window_seconds": rule.limit.window().as_secs_f64(),
        "burst": rule.limit.burst(),
        "admissions_in_window": rule.limit.admissions(),
        "count": match rule.count {
            Counting::Admitted => "admitted",
            Counting::Offered => "offered",
        },
        "mode": mode(rule.mode),
        "set_by": rule.set_by.to_string(),
    })
}

pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    }
}

fn pools(limits: &PoolLimits) -> Value {
    json!({
        "rule": pool_rule(&limits.rule),
        "overrides": limits.overrides.iter().map(pool_override).collect::<Vec<_>>(),
        "recount_seconds": limits.recount.as_secs_f64(),
        "count_timeout_seconds": limits.count_timeout.as_secs_f64(),
        "short_codes": limits.short_codes,
    })
}

fn pool_rule(rule: &PoolRule) -> Value {
    json!({
        "reserved": rule.limits.reserved,
        "unreserved": rule.limits.unreserved,
        "warn_at": rule.warn_at.get(),
        "mode": mode(rule.mode),
        "set_by": rule.set_by.to_string(),
    })
}

fn pool_override(each: &PoolOverride) -> Value {
    json!({
        "account": each.account.map(|sid| sid.to_string()),
        "service": each.service.map(|sid| sid.to_string()),
        "rule": pool_rule(&each.rule),
    })
}

fn each_override(each: &Override) -> Value {
    json!({
        "account": each.matches.account.map(|sid| sid.to_string()),
        "service": each.matches.service.map(|sid| sid.to_string()),
        "endpoint": each.matches.endpoint.map(Endpoint::name),
        "rate": rate(&each.rate),
    })
}

fn field(rule: &FieldRule) -> Value {
    let name = format!("{}.{}", rule.endpoint, rule.name);
    match rule.check {
        Check::MaxChars(max) => json!({ "field": name, "max_chars": max }),
        Check::MaxBytes(max) => json!({ "field": name, "max_bytes": max }),
        Check::Between { low, high } => {
            json!({ "field": name, "greater_than": low, "less_than": high })
        }
    }
}

fn log(log: LogPolicy) -> Value {
    json!({
        "level": match log.level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        },
        "format": match log.format {
            LogFormat::Json => "json",
            LogFormat::Text => "text",
        },
        "access": match log.access {
            AccessLog::All => "all",
            AccessLog::Refused => "refused",
            AccessLog::Off => "off",
        },
    })
}
