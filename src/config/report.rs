//! How are mistakes shown? As text for a person, as JSON, or as annotations of a GitHub run.

use std::fmt;
use std::fmt::Write;

use serde::Serialize;

use crate::config::error::ConfigErrors;
use crate::config::error::Excerpt;
use crate::config::error::Mistake;
use crate::config::error::Place;

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

/// The report of `errors`, ending with a newline.
pub fn render(errors: &ConfigErrors, format: Format) -> String {
    render_all(&[errors], format)
}

/// One report of several configurations, ending with a newline; as JSON a single array.
pub fn render_all(all: &[&ConfigErrors], format: Format) -> String {
    match format {
        Format::Text => all.iter().map(|errors| text(errors)).collect(),
        Format::Json => json(all),
        Format::Github => all.iter().map(|errors| github(errors)).collect(),
    }
}

fn text(errors: &ConfigErrors) -> String {
    let mut out = String::new();
    for mistake in errors.mistakes() {
        out.extend([headline(mistake).as_str(), "\n"]);
        if let Some(excerpt) = excerpt(mistake) {
            out.push_str(&quotation(excerpt));
        }
        if !mistake.help.is_empty() {
            out.extend(["  help: ", &mistake.help, "\n"]);
        }
    }
    if let Some(rest) = rest(errors) {
        out.extend([&rest, "\n"]);
    }
    out
}

/// Where, which key, and what stands there, in one line.
fn headline(mistake: &Mistake) -> String {
    let path = if mistake.path.is_empty() { "" } else { ": " };
    format!("{}{path}{}: {}", mistake.place, mistake.path, mistake.message)
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
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    variable: Option<&'a str>,
    flag: Option<&'a str>,
    path: &'a str,
    message: &'a str,
    help: &'a str,
}

impl<'a> From<&'a Mistake> for JsonMistake<'a> {
    fn from(mistake: &'a Mistake) -> Self {
        let Mistake { place, path, message, help } = mistake;
        let (file, variable, flag) = match place {
            Place::File { file, .. } => (Some(&**file), None, None),
            Place::Variable(name) => (None, Some(&**name), None),
            Place::Flag(name) => (None, None, Some(*name)),
            Place::Nowhere => (None, None, None),
        };
        let (line, column) = excerpt(mistake).map(|found| (found.line, found.column)).unzip();
        Self { file, line, column, variable, flag, path, message, help }
    }
}

fn json(all: &[&ConfigErrors]) -> String {
    let rests: Vec<_> = all.iter().map(|errors| rest(errors)).collect();
    let mut objects = Vec::new();
    for (errors, rest) in all.iter().zip(&rests) {
        objects.extend(errors.mistakes().iter().map(JsonMistake::from));
        let rest = rest.as_deref();
        objects.extend(rest.map(|message| JsonMistake { message, ..JsonMistake::default() }));
    }
    // Strings and numbers always have a JSON form.
    let mut out = serde_json::to_string_pretty(&objects).unwrap_or_default();
    out.push('\n');
    out
}

/// See "Workflow commands for GitHub Actions", `error`.
fn github(errors: &ConfigErrors) -> String {
    let mut out = String::new();
    for mistake in errors.mistakes() {
        let mut message = String::new();
        // Writing to a String cannot fail.
        let _ = match &mistake.place {
            Place::File { file, excerpt: None } => {
                write!(out, "::error file={}::", property(file))
            }
            Place::File { file, excerpt: Some(Excerpt { line, column, .. }) } => {
                write!(out, "::error file={},line={line},col={column}::", property(file))
            }
            Place::Variable(_) | Place::Flag(_) | Place::Nowhere => {
                message = format!("{}: ", mistake.place);
                write!(out, "::error ::")
            }
        };
        let path = if mistake.path.is_empty() { "" } else { ": " };
        message.extend([mistake.path.as_str(), path, &mistake.message]);
        if !mistake.help.is_empty() {
            message.extend(["; ", &mistake.help]);
        }
        out.extend([data(&message).as_str(), "\n"]);
    }
    if let Some(rest) = rest(errors) {
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
    use super::Format;
    use super::render;
    use crate::config::error::ConfigErrors;
    use crate::config::error::Excerpt;
    use crate::config::error::Mistake;
    use crate::config::error::Place;

    fn errors(column: usize, text: &str) -> ConfigErrors {
        let excerpt = Some(Excerpt { line: 7, column, text: Some(text.to_owned()) });
        let mistake = Mistake {
            place: Place::File { file: "a,b:c%.yaml".into(), excerpt },
            path: "workers".to_owned(),
            message: "100 % is not a number".to_owned(),
            help: String::new(),
        };
        ConfigErrors::new(vec![mistake], 3, false)
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
}
