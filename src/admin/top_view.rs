//! `/top`: which services ask most, which are refused most, and which windows are the fullest.

use serde_json::Value;
use serde_json::json;

use crate::admit::busiest::Full;
use crate::admit::key::Scope;
use crate::observe::top::Count;
use crate::observe::top::Lately;
use crate::observe::top::Summary;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::state::State;

/// How many services are shown of each.
const MOST: usize = 20;

pub(super) fn render(state: &State) -> String {
    let lately = state.top.lately(state.shared.clock.now());
    let mut text = page(&lately, &state.last_sweep.seen().fullest).to_string();
    text.push('\n');
    text
}

fn page(lately: &Lately, fullest: &[Full]) -> Value {
    let seconds = lately.span.as_secs_f64();
    json!({
        "span_seconds": seconds,
        "offered": services(&lately.offered, seconds),
        "refused": services(&lately.refused, seconds),
        "of_no_known_service": lately.elsewhere,
        "fullest": fullest.iter().map(window).collect::<Vec<_>>(),
    })
}

fn services(summary: &Summary, seconds: f64) -> Value {
    let rate = |count: u64| {
        // A second at least: of less nobody can say how many there will be in one.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) / seconds.max(1.0)
    };
    let service = |(service, count): &(Sid, Count)| {
        json!({
            "service": service.to_string(),
            "requests": count.at_most,
            "over_by_at_most": count.over,
            "per_second": rate(count.at_most),
        })
    };
    let largest = summary.largest(MOST.saturating_add(1));
    let next = largest.get(MOST).map_or(0, |(_, count)| count.at_most);
    json!({
        "requests": summary.seen(),
        "per_second": rate(summary.seen()),
        "services": largest.iter().take(MOST).map(service).collect::<Vec<_>>(),
        "others_have_at_most": summary.most_missing().max(next),
    })
}

/// A window of a name or of credentials of which nobody knows whose they are names neither.
fn window(full: &Full) -> Value {
    let (service, account) = match full.key.scope {
        Scope::Service(ServiceKey::Sid(sid)) => (Some(sid), None),
        Scope::Account(AccountKey::Sid(sid)) => (None, Some(sid)),
        Scope::Service(ServiceKey::Named(_)) | Scope::Account(AccountKey::Credential(_)) => {
            (None, None)
        }
    };
    json!({
        "service": service.map(|sid| sid.to_string()),
        "account": account.map(|sid| sid.to_string()),
        "endpoint": full.key.endpoint.name(),
        "fill": full.ratio(),
        "admissions_in_window": full.taken,
        "admissions_allowed": full.allowed,
    })
}
