//! The report card for a person.

use std::time::Duration;

use super::Check;
use super::Counts;
use super::Report;
use super::advice;
use super::render::Verdict;
use crate::time::micros;

pub(super) fn render(report: &Report, verdict: &Verdict) -> String {
    let mut lines = vec![String::from("maskgate: client report card")];
    let total = &report.total;
    if total.requests == 0 {
        lines
            .push(String::from("  no request arrived: is the client's base URL MASKGATE_URL?"));
    }
    let caps = total.refused.saturating_sub(report.refused_for_rate);
    let row = |name: &str, count: u64, note: String| {
        let line = format!("  {name:<16}{count:>8}   {note}");
        line.trim_end().to_owned()
    };
    let of_refused = format!("429 {}, 503 {caps}", report.refused_for_rate);
    let spacing = report.spacing.map(|spacing| {
        let [least, median, most] = [spacing.least, spacing.median, spacing.most].map(seconds);
        format!("after {least} s to {most} s, median {median} s")
    });
    lines.extend([
        row("requests", total.requests, String::new()),
        row("refused", total.refused, of_refused),
        row("came back", total.came_back, spacing.unwrap_or_default()),
        row("early", total.early, "before Retry-After was over".to_owned()),
        row("gave up", total.gave_up, "refused and never sent again".to_owned()),
    ]);
    lines.extend(report.busiest.map(|most| {
        let name = format!("most in any {:?}", most.window);
        let of = most.of.map(|sid| format!(" of {sid}")).unwrap_or_default();
        let (admitted, allowed) = (most.admitted, most.allowed);
        let note = if most.enforced { "" } else { " but not enforced" };
        let note = format!(
            "sent, {admitted} admitted, {allowed} allowed{note}: {}{of}",
            most.endpoint
        );
        row(&name, most.sent, note)
    }));
    if report.missed > 0 {
        let note = "came later and are in none of these figures".to_owned();
        lines.push(row("not counted", report.missed, note));
    }
    lines.extend(table("endpoint", report.endpoints.iter().map(|(e, c)| (e.name(), *c))));
    lines.extend(table("client", report.agents.iter().map(|(a, c)| (a.label(), *c))));
    let advice =
        advice::helps(report).map(|(agent, text)| format!("  {}: {text}", agent.label()));
    let advice: Vec<_> = advice.collect();
    if !advice.is_empty() {
        lines.extend([String::new(), String::from("  what helps")]);
        lines.extend(advice);
    }
    let failed: Vec<_> = verdict.failed(report).map(Check::label).collect();
    if !failed.is_empty() {
        lines.extend([String::new(), format!("  failed: {}", failed.join(", "))]);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn table(title: &str, rows: impl Iterator<Item = (&'static str, Counts)>) -> Vec<String> {
    let heads = ["requests", "refused", "came back", "early", "gave up"];
    let line = |name: &str, cells: [String; 5]| {
        cells.iter().fold(format!("  {name:<24}"), |line, cell| format!("{line}{cell:>11}"))
    };
    let mut lines = vec![String::new(), line(title, heads.map(str::to_owned))];
    lines.extend(rows.map(|(name, counts)| {
        let Counts { requests, refused, came_back, early, gave_up } = counts;
        line(
            name,
            [requests, refused, came_back, early, gave_up].map(|count| count.to_string()),
        )
    }));
    if lines.len() > 2 { lines } else { Vec::new() }
}

/// Seconds with two digits behind the point, cut off.
fn seconds(span: Duration) -> String {
    let hundredths = micros(span) / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
