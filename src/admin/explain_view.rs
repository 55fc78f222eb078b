//! `/explain?service=KS…&endpoint=…`: what would be decided now, and what that rests on.

use serde_json::Value;
use serde_json::json;

use crate::admin::policy_view;
use crate::admin::query::Query;
use crate::admit::Denial;
use crate::admit::Explanation;
use crate::admit::GuardView;
use crate::admit::HeldSlot;
use crate::admit::guard;
use crate::admit::key::WindowKey;
use crate::gateway::explaining::StoreSays;
use crate::policy::endpoint::Endpoint;
use crate::policy::overrides::Override;
use crate::policy::rate::RateLimit;
use crate::reject::Refusal;
use crate::state::State;

/// How many charges are shown, those that leave first: a window may have a million.
const MOST: usize = 1000;

pub(super) async fn render(state: &State, query: &Query, key: WindowKey) -> String {
    let policy = state.shared.policy.snapshot();
    let (explained, says) = state.shared.explain(&policy, key, query.account).await;
    let mut text = page(query, &explained, says.as_ref()).to_string();
    text.push('\n');
    text
}

fn page(query: &Query, explained: &Explanation<'_>, says: Option<&StoreSays>) -> Value {
    let denial = explained.denial.as_ref();
    json!({
        "service": query.service.map(|sid| sid.to_string()),
        "account": query.account.map(|sid| sid.to_string()),
        "endpoint": query.endpoint.map(Endpoint::name),
        "decision": if denial.is_none() { "forwarded" } else { "limited" },
        "limit": denial.map(|denial| Refusal::from(denial).label()),
        "why": denial.map(ToString::to_string),
        "retry_after_seconds": denial.and_then(wait),
        "on_trial": explained.on_trial.as_ref().map(|denial| Refusal::from(denial).label()),
        "rule": rule(explained),
        "window": window(explained),
        "guard": explained.guard.map(|view| guarded(view, &explained.limit)),
        "store": says.map(store),
    })
}

fn wait(denial: &Denial) -> Option<f64> {
    match denial {
        Denial::Rate(denial) => Some(denial.retry_after.as_secs_f64()),
        Denial::InFlight { .. } | Denial::StoreLost | Denial::TooManyKeys { .. } => None,
    }
}

fn rule(explained: &Explanation<'_>) -> Value {
    json!({
        "rate": policy_view::rate(explained.rule),
        "override": explained.matched.map(matched),
        "depends_on_account": explained.depends_on_account,
    })
}

fn matched(each: &Override) -> Value {
    json!({
        "account": each.matches.account.map(|sid| sid.to_string()),
        "service": each.matches.service.map(|sid| sid.to_string()),
        "endpoint": each.matches.endpoint.map(Endpoint::name),
    })
}

fn window(explained: &Explanation<'_>) -> Value {
    let charges = &explained.charges;
    json!({
        "admissions_allowed": explained.limit.admissions(),
        "admissions_in_window": charges.len(),
        "remaining": explained.remaining,
        "charges": charges.iter().take(MOST).map(charge).collect::<Vec<_>>(),
        "left_out": charges.len().saturating_sub(MOST),
    })
}

fn charge(slot: &HeldSlot) -> Value {
    json!({
        "age_seconds": slot.age.as_secs_f64(),
        "frees_in_seconds": slot.frees_in.map(|span| span.as_secs_f64()),
    })
}

fn store(says: &StoreSays) -> Value {
    json!({
        "decides": says.decides.label(),
        "admissions_in_window": says.taken,
        "fault": says.fault.map(|fault| fault.to_string()),
    })
}

fn guarded(view: GuardView, limit: &RateLimit) -> Value {
    json!({
        "ends_in_seconds": view.ends_in.as_secs_f64(),
        "strangers_unanswered": view.unanswered,
        "strangers_unanswered_allowed": guard::most_unanswered(limit),
        "tries_allowed_in_each_cell": guard::TRIES,
    })
}
