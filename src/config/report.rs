//! How are mistakes shown? As text for a person, as JSON, or as annotations of a GitHub run.

use std::fmt;
use std::fmt::Write;

use serde::Serialize;

use crate::config::error::ConfigErrors;
use crate::config::error::Excerpt;
use crate::config::error::Mistake;
use crate::config::error::Place;
use crate::config::error::Warnings;

/// The most characters of a source line that are shown.
const MAX_WIDTH: usize = 96;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Each mistake with its line and a caret below it.
    Text,
    /// One array of objects.
    Json,
    /// Workflow commands of GitHub Actions, one a line.
    Github,
}

/// What there is to say of one configuration.
#[derive(Clone, Copy, Debug)]
pub enum Finding<'a> {
    /// It is wrong.
    Wrong(&'a ConfigErrors),
    /// It may be used, and yet may not be what was meant.
    Doubtful(&'a Warnings),
}

impl<'a> Finding<'a> {
    fn mistakes(self) -> &'a [Mistake] {
        match self {
            Self::Wrong(errors) => errors.mistakes(),
            Self::Doubtful(warnings) => warnings.as_slice(),
        }
    }

    const fn severity(self) -> &'static str {
        match self {
            Self::Wrong(_) => "error",
            Self::Doubtful(_) => "warning",
        }
    }

    fn rest(self) -> Option<String> {
        match self {
            Self::Wrong(errors) => rest(errors),
            Self::Doubtful(_) => None,
        }
    }
}

/// The report of `errors`, ending with a newline.
pub fn render(errors: &ConfigErrors, format: Format) -> String {
    render_all(&[Finding::Wrong(errors)], format)
}

/// One report of several configurations, ending with a newline; as JSON a single array.
pub fn render_all(all: &[Finding<'_>], format: Format) -> String {
    match format {
        Format::Text => all.iter().map(|finding| text(*finding)).collect(),
        Format::Json => json(all),
        Format::Github => all.iter().map(|finding| github(*finding)).collect(),
    }
}

fn text(finding: Finding<'_>) -> String {
    let mut out = String::new();
    for mistake in finding.mistakes() {
        out.extend([headline(finding, mistake).as_str(), "\n"]);
        if let Some(excerpt) = excerpt(mistake) {
            out.push_str(&quotation(excerpt));
        }
        if !mistake.help.is_empty() {
            out.extend(["  help: ", &mistake.help, "\n"]);
        }
    }
    if let Some(rest) = finding.rest() {
        out.extend([&rest, "\n"]);
    }
    out
}

/// Where, which key, and what stands there, in one line.
fn headline(finding: Finding<'_>, mistake: &Mistake) -> String {
    let path = if mistake.path.is_empty() { "" } else { ": " };
    let severity = match finding {
        Finding::Wrong(_) => "",
        Finding::Doubtful(_) => ": warning",
    };
    format!("{}{severity}{path}{}: {}", mistake.place, mistake.path, mistake.message)
}

/// What to say of the mistakes that are not shown.
fn rest(errors: &ConfigErrors) -> Option<String> {
    match (errors.more(), errors.is_unfinished()) {
        (0, false) => None,
        (0, true) => Some("and perhaps others: the search was broken off".to_owned()),
        (more, false) => Some(format!("and {more} more")),
        (more, true) => Some(format!("and at least {more} more")),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, excerpt: Some(Excerpt { line, column, .. }) } => {
                write!(f, "{file}:{line}:{column}")
            }
            Self::File { file, excerpt: None } => f.write_str(file),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

fn excerpt(mistake: &Mistake) -> Option<&Excerpt> {
    match &mistake.place {
        Place::File { excerpt, .. } => excerpt.as_ref(),
        Place::Variable(_) | Place::Flag(_) | Place::Nowhere => None,
    }
}

/// The source line and a caret below its column; of a long line, the part around it.
fn quotation(excerpt: &Excerpt) -> String {
    let Some(line) = excerpt.text.as_deref().filter(|line| !line.trim().is_empty()) else {
        return String::new();
    };
    let before = excerpt.column.saturating_sub(1);
    let skipped = before.saturating_sub(MAX_WIDTH.saturating_mul(3) / 4);
    let mut shown: String = line.chars().skip(skipped).take(MAX_WIDTH).collect();
    if line.chars().count() > skipped.saturating_add(MAX_WIDTH) {
        shown.push('…');
    }
    let mut caret = " ".repeat(before.saturating_sub(skipped));
    if skipped > 0 {
        shown.insert(0, '…');
        caret.push(' ');
    }
    let number = excerpt.line.to_string();
    let margin = " ".repeat(number.len());
    format!("  {number} | {}\n  {margin} | {caret}^\n", shown.trim_end())
}

#[derive(Default, Serialize)]
struct JsonMistake<'a> {
    severity: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    variable: Option<&'a str>,
    flag: Option<&'a str>,
    path: &'a str,
    message: &'a str,
    help: &'a str,
}

impl<'a> JsonMistake<'a> {
    fn of(severity: &'a str, mistake: &'a Mistake) -> Self {
        let Mistake { place, path, message, help } = mistake;
        let (file, variable, flag) = match place {
            Place::File { file, .. } => (Some(&**file), None, None),
            Place::Variable(name) => (None, Some(&**name), None),
            Place::Flag(name) => (None, None, Some(*name)),
            Place::Nowhere => (None, None, None),
        };
        let (line, column) = excerpt(mistake).map(|found| (found.line, found.column)).unzip();
        Self { severity, file, line, column, variable, flag, path, message, help }
    }
}

fn json(all: &[Finding<'_>]) -> String {
    let rests: Vec<_> = all.iter().map(|finding| finding.rest()).collect();
    let mut objects = Vec::new();
    for (finding, rest) in all.iter().zip(&rests) {
        let severity = finding.severity();
        let mistakes = finding.mistakes().iter();
        objects.extend(mistakes.map(|mistake| JsonMistake::of(severity, mistake)));
        let rest = rest.as_deref();
        objects.extend(rest.map(|message| JsonMistake {
            severity,
            message,
            ..JsonMistake::default()
        }));
    }
    // Strings and numbers always have a JSON form.
    let mut out = serde_json::to_string_pretty(&objects).unwrap_or_default();
    out.push('\n');
    out
}

/// See "Workflow commands for GitHub Actions", `error` and `warning`.
fn github(finding: Finding<'_>) -> String {
    let mut out = String::new();
    let severity = finding.severity();
    for mistake in finding.mistakes() {
        let mut message = String::new();
        // Writing to a String cannot fail.
        let _ = match &mistake.place {
            Place::File { file, excerpt: None } => {
                write!(out, "::{severity} file={}::", property(file))
            }
            Place::File { file, excerpt: Some(Excerpt { line, column, .. }) } => {
                write!(out, "::{severity} file={},line={line},col={column}::", property(file))
            }
            Place::Variable(_) | Place::Flag(_) | Place::Nowhere => {
                message = format!("{}: ", mistake.place);
                write!(out, "::{severity} ::")
            }
        };
        let path = if mistake.path.is_empty() { "" } else { ": " };
        message.extend([mistake.path.as_str(), path, &mistake.message]);
        if !mistake.help.is_empty() {
            message.extend(["; ", &mistake.help]);
        }
        out.extend([data(&message).as_str(), "\n"]);
    }
    if let Some(rest) = finding.rest() {
        out.extend(["::error ::", &data(&rest), "\n"]);
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::Finding;
    use super::Format;
    use super::render;
    use super::render_all;
    use crate::config::error::ConfigErrors;
    use crate::config::error::Excerpt;
    use crate::config::error::Mistake;
    use crate::config::error::Place;
    use crate::config::error::Warnings;

    fn mistake(column: usize, text: &str) -> Mistake {
        let excerpt = Some(Excerpt { line: 7, column, text: Some(text.to_owned()) });
        Mistake {
            place: Place::File { file: "a,b:c%.yaml".into(), excerpt },
            path: "workers".to_owned(),
            message: "100 % is not a number".to_owned(),
            help: String::new(),
        }
    }

    fn errors(column: usize, text: &str) -> ConfigErrors {
        ConfigErrors::new(vec![mistake(column, text)], 3, false)
    }

    #[test]
    fn of_a_long_line_the_part_around_the_caret_is_shown() {
        let report = render(&errors(5_001, &"x".repeat(9_999)), Format::Text);
        let lines: Vec<_> = report.lines().collect();
        assert_eq!(lines[0], "a,b:c%.yaml:7:5001: workers: 100 % is not a number");
        assert!(lines[1].starts_with("  7 | …xxx") && lines[1].ends_with("xxx…"));
        assert_eq!(lines[2].trim_end().chars().count(), 7 + 72 + 1);
        assert_eq!(lines[3], "and 3 more");
    }

    #[test]
    fn what_has_a_meaning_to_github_is_escaped() {
        let report = render(&errors(3, "x"), Format::Github);
        let expected = "::error file=a%2Cb%3Ac%25.yaml,line=7,col=3::workers: 100 %25 is not \
                        a number\n::error ::and 3 more\n";
        assert_eq!(report, expected);
    }

    #[test]
    fn a_warning_says_that_it_is_one() {
        let warnings = Warnings::new(vec![mistake(3, "x")]);
        let report = |format| render_all(&[Finding::Doubtful(&warnings)], format);
        let text = report(Format::Text);
        assert!(text.starts_with("a,b:c%.yaml:7:3: warning: workers: 100 %"), "{text}");
        let github = report(Format::Github);
        assert!(github.starts_with("::warning file=a%2Cb%3Ac%25.yaml,line=7"), "{github}");
        assert!(report(Format::Json).contains("\"severity\": \"warning\""));
    }
}
