//! `POST /windows/reset?service=KS…`: has windows forget what they hold, where that is allowed.
//!
//! **Invariant:** nothing is forgotten but where the configuration allows it, no page of another
//! origin can have a browser ask for it, and whoever asks leaves a line in the log.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::ORIGIN;
use http::request::Parts;
use http_body_util::Full;
use serde_json::Value;
use serde_json::json;

use crate::admin::query::Query;
use crate::admit::Emptied;
use crate::admit::key::WindowKey;
use crate::config::Resets;
use crate::observe::metrics::ResetResult;
use crate::page::JSON;
use crate::page::TEXT;
use crate::page::not_allowed;
use crate::page::page;
use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::state::State;
use crate::store::Fault;

/// Where it is asked for.
pub(super) const PATH: &str = "/windows/reset";
const OFF: &str = "\
windows are not reset here: `admin: { allow_reset: true }` allows it, after a restart\n";
const BROWSER: &str = "\
a page in a browser may not reset windows: ask with curl -X POST\n";
/// What other replicas do is not ours to say.
const OTHERS: &str = "each keeps what it has admitted itself: reset its windows there too";

/// Answers a request for [`PATH`] by this peer.
pub(super) async fn answer(
    state: &State,
    peer: SocketAddr,
    head: &Parts,
) -> Response<Full<Bytes>> {
    if head.method != Method::POST {
        return not_allowed("POST");
    }
    if let Some(why) = refuses(state.settings.resets, &head.headers) {
        state.metrics.count_reset(ResetResult::Refused);
        tracing::warn!(%peer, "a reset of windows was asked for, and refused");
        return page(StatusCode::FORBIDDEN, TEXT, why);
    }
    let asked = Query::parse(head.uri.query().unwrap_or_default())
        .and_then(|query| Ok((query.windows()?, query)));
    match asked {
        Ok((keys, query)) => reset(state, peer, &keys, &query).await,
        Err(bad) => {
            state.metrics.count_reset(ResetResult::Refused);
            tracing::warn!(%peer, "a reset of windows was asked for, and not understood");
            page(StatusCode::BAD_REQUEST, TEXT, bad.help())
        }
    }
}

/// Why nobody may reset windows, or this one may not: a browser says which page it acts for, and
/// no page of ours asks for it.
fn refuses(resets: Resets, headers: &HeaderMap) -> Option<&'static str> {
    match resets {
        Resets::Off => Some(OFF),
        Resets::Allowed if headers.contains_key(ORIGIN) => Some(BROWSER),
        Resets::Allowed => None,
    }
}

async fn reset(
    state: &State,
    peer: SocketAddr,
    keys: &[WindowKey],
    query: &Query,
) -> Response<Full<Bytes>> {
    let shared = &state.shared;
    let endpoints: Vec<_> = keys.iter().map(|key| key.endpoint).collect();
    // The store first: what it says meanwhile is not remembered any more.
    let stored = match (&shared.store, query.service.or(query.account)) {
        (Some(store), Some(sid)) => Some(store.forget(sid, &endpoints).await),
        (None, _) | (_, None) => None,
    };
    let limits = &shared.policy.snapshot().limits;
    let emptied = shared.admission.reset(keys, limits, shared.clock.now());
    let (status, result) = match stored {
        Some(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, ResetResult::StoreFailed),
        Some(Ok(())) | None => (StatusCode::OK, ResetResult::Done),
    };
    state.metrics.count_reset(result);
    let admissions = emptied.iter().fold(0_u32, |sum, it| sum.saturating_add(it.admissions));
    tracing::warn!(
        %peer,
        service = query.service.map(text),
        account = query.account.map(text),
        endpoint = query.endpoint.map(Endpoint::name),
        windows = emptied.len(),
        admissions,
        result = result.label(),
        "windows were reset by hand"
    );
    page(status, JSON, format!("{}\n", view(query, &emptied, stored)))
}

fn text(sid: Sid) -> String {
    sid.to_string()
}

fn view(query: &Query, emptied: &[Emptied], stored: Option<Result<(), Fault>>) -> Value {
    let window = |it: &Emptied| json!({ "endpoint": it.key.endpoint.name(), "admissions_forgotten": it.admissions });
    let store = |stored: Result<(), Fault>| {
        json!({
            "reset": stored.is_ok(),
            "fault": stored.err().map(|fault| fault.to_string()),
            "other_replicas": OTHERS,
        })
    };
    json!({
        "service": query.service.map(text),
        "account": query.account.map(text),
        "windows": emptied.iter().map(window).collect::<Vec<_>>(),
        "store": stored.map(store),
    })
}
