//! The report card for a CI server: a test suite with one case for the command and one for each
//! check.

use super::Check;
use super::Report;
use super::render::Ended;
use super::render::Verdict;
use super::text;

pub(super) fn render(report: &Report, verdict: &Verdict) -> String {
    let command = match verdict.ended {
        Ended::Status(0) => None,
        Ended::Status(status) => Some(format!("it ended with status {status}")),
        Ended::Signal(signal) => Some(format!("it was ended by signal {signal}")),
    };
    let mut cases = case("command", command.map(Outcome::Failed));
    let (mut failures, mut skipped) = (u32::from(command_failed(verdict)), 0_u32);
    for check in Check::ALL {
        let found = check.found(report);
        let message = format!("{found} of {} requests", report.total.requests);
        let outcome = if found == 0 {
            None
        } else if verdict.fail_on.contains(&check) {
            failures = failures.saturating_add(1);
            Some(Outcome::Failed(message))
        } else {
            skipped = skipped.saturating_add(1);
            Some(Outcome::Skipped(format!("{message}; --fail-on does not name it")))
        };
        cases.push_str(&case(check.label(), outcome));
    }
    let card = escaped(&text::render(report, verdict));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"maskgate\" tests=\"4\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{skipped}\">\n{cases}  <system-out>{card}</system-out>\n</testsuite>\n"
    )
}

const fn command_failed(verdict: &Verdict) -> bool {
    !matches!(verdict.ended, Ended::Status(0))
}

enum Outcome {
    Failed(String),
    Skipped(String),
}

fn case(name: &str, outcome: Option<Outcome>) -> String {
    let (element, message) = match outcome {
        None => return format!("  <testcase classname=\"maskgate\" name=\"{name}\"/>\n"),
        Some(Outcome::Failed(message)) => ("failure", message),
        Some(Outcome::Skipped(message)) => ("skipped", message),
    };
    let message = escaped(&message);
    format!(
        "  <testcase classname=\"maskgate\" name=\"{name}\">\
         <{element} message=\"{message}\"/></testcase>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
