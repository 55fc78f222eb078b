//! `/windows?service=KS…`: how full each window of one service is.

use serde_json::json;

use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::state::State;

pub(super) fn render(state: &State, service: Sid) -> String {
    let shared = &state.shared;
    let policy = shared.policy.snapshot();
    let now = shared.clock.now();
    let views = shared.admission.windows_of(&policy, ServiceKey::Sid(service), now);
    let windows: Vec<_> = views
        .iter()
        .map(|view| {
            json!({
                "endpoint": view.endpoint.name(),
                "admissions_allowed": view.limit.admissions(),
                "window_seconds": view.limit.window().as_secs_f64(),
                "admissions_in_window": view.taken,
                "remaining": view.remaining,
                "free_in_seconds": view.free_in.as_secs_f64(),
                "guard": view.guard.map(|guard| json!({
                    "ends_in_seconds": guard.ends_in.as_secs_f64(),
                    "strangers_unanswered": guard.unanswered,
                })),
            })
        })
        .collect();
    let mut text = json!({ "service": service.to_string(), "windows": windows }).to_string();
    text.push('\n');
    text
}
