//! How is a report written? For a person, for a program, or for a CI server.

use super::Check;
use super::Report;
use super::json;
use super::junit;
use super::text;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    Text,
    /// One JSON object.
    Json,
    /// A test suite in the XML of `JUnit`, which CI servers read.
    Junit,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Status(u8),
    /// By this signal.
    Signal(u8),
}

/// What the run is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the command ended.
    pub ended: Ended,
    /// The checks that decide.
    pub fail_on: Vec<Check>,
}

impl Verdict {
    /// The checks that decide, and fail.
    pub fn failed<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = Check> + 'a {
        let chosen = Check::ALL.into_iter().filter(|check| self.fail_on.contains(check));
        chosen.filter(|check| check.found(report) > 0)
    }
}

/// The report as text that ends with a line break.
pub fn render(report: &Report, verdict: &Verdict, format: Format) -> String {
    match format {
        Format::Text => text::render(report, verdict),
        Format::Json => json::render(report, verdict),
        Format::Junit => junit::render(report, verdict),
    }
}
