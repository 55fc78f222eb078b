//! The report card for a program.

use serde_json::Value;
use serde_json::json;

use super::Busiest;
use super::Check;
use super::Counts;
use super::Report;
use super::Spacing;
use super::advice;
use super::render::Ended;
use super::render::Verdict;

pub(super) fn render(report: &Report, verdict: &Verdict) -> String {
    let endpoints = report.endpoints.iter().map(|(endpoint, counts)| {
        let name = ("endpoint", endpoint.name().into());
        object(counts, [name])
    });
    let clients = report.agents.iter().map(|(agent, counts)| {
        let advice = advice::helps(report).find(|(needy, _)| needy == agent);
        let advice = Value::from(advice.map(|(_, text)| text));
        object(counts, [("client", agent.label().into()), ("advice", advice)])
    });
    let (status, signal) = match verdict.ended {
        Ended::Status(status) => (Some(status), None),
        Ended::Signal(signal) => (None, Some(signal)),
    };
    let whole = object(
        &report.total,
        [
            ("refused_for_rate", report.refused_for_rate.into()),
            ("spacing", report.spacing.map(spacing).into()),
            ("busiest", report.busiest.map(busiest).into()),
            ("not_counted", report.missed.into()),
            ("endpoints", endpoints.collect()),
            ("clients", clients.collect()),
            ("command", json!({ "exit_status": status, "signal": signal })),
            ("failed", verdict.failed(report).map(Check::label).collect()),
        ],
    );
    format!("{whole:#}\n")
}

fn spacing(spacing: Spacing) -> Value {
    json!({
        "least_seconds": spacing.least.as_secs_f64(),
        "median_seconds": spacing.median.as_secs_f64(),
        "most_seconds": spacing.most.as_secs_f64(),
    })
}

fn busiest(most: Busiest) -> Value {
    json!({
        "endpoint": most.endpoint.name(),
        "of": most.of.map(|sid| sid.to_string()),
        "window_seconds": most.window.as_secs_f64(),
        "sent": most.sent,
        "admitted": most.admitted,
        "allowed": most.allowed,
        "enforced": most.enforced,
    })
}

/// The counts, and what else is known of the same.
fn object<const N: usize>(counts: &Counts, more: [(&str, Value); N]) -> Value {
    let counts = [
        ("requests", counts.requests.into()),
        ("refused", counts.refused.into()),
        ("came_back", counts.came_back.into()),
        ("early", counts.early.into()),
        ("gave_up", counts.gave_up.into()),
    ];
    let all = counts.into_iter().chain(more);
    Value::Object(all.map(|(name, value)| (name.to_owned(), value)).collect())
}
