//! What was found to be wrong, and where? Collected during one reading of a configuration.

use std::sync::Arc;

use crate::config::conceal::conceal;
use crate::config::error::ConfigErrors;
use crate::config::error::Excerpt;
use crate::config::error::Mistake;
use crate::config::error::Place;
use crate::config::error::Warnings;
use crate::config::expand::Expanded;
use crate::config::locate::Spot;
use crate::config::locate::locate;
use crate::config::locate::locate_above;
use crate::config::overlay::Overlay;
use crate::config::overlay::Source;
use crate::config::path::KeyPath;

/// The most mistakes that are kept; the rest is counted.
pub(crate) const MAX_SHOWN: usize = 100;

/// What a mistake is about.
#[derive(Clone, Debug)]
pub(crate) enum At {
    /// The file as a whole.
    File,
    /// A place in the file.
    Spot(Spot),
    /// A key; of several equal ones in a mapping, the one with so many `before` it.
    Key { path: KeyPath, before: usize },
    /// A value.
    Value(KeyPath),
    /// What a variable or a flag says about a key.
    Given { source: Source, path: KeyPath },
}

impl At {
    /// The key at `path`.
    pub(crate) const fn key(path: KeyPath) -> Self {
        Self::Key { path, before: 0 }
    }

    fn path(&self) -> Option<&KeyPath> {
        match self {
            Self::File | Self::Spot(_) => None,
            Self::Key { path, .. } | Self::Value(path) | Self::Given { path, .. } => Some(path),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) at: At,
    message: String,
    help: String,
}

impl Note {
    /// `message` says what stands there, `help` what would be right.
    pub(crate) const fn new(at: At, message: String, help: String) -> Self {
        Self { at, message, help }
    }

    /// The same of a value that `source` gave for the key at `path`.
    pub(crate) fn given_by(mut self, source: &Source, path: &KeyPath) -> Self {
        let path = self.at.path().map_or_else(|| path.clone(), |inner| path.join(inner));
        self.at = At::Given { source: source.clone(), path };
        self
    }
}

/// Everything that is wrong, as far as it was found.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    found: Vec<Note>,
    warnings: Vec<Note>,
    noted: Vec<KeyPath>,
    uncounted: usize,
    unfinished: bool,
}

impl Notes {
    /// Adds what is certainly wrong by itself.
    pub(crate) fn add(&mut self, note: Note) {
        if self.found.len() < MAX_SHOWN {
            self.found.push(note);
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    /// Adds what keeps the value at its path from being read: what is complained of later at,
    /// above or below that path only follows from it.
    pub(crate) fn refuse(&mut self, note: Note) {
        self.noted.extend(note.at.path().cloned());
        self.add(note);
    }

    /// Adds what is wrong with a value that could be read, unless it only follows from
    /// something already noted.
    pub(crate) fn complain(
        &mut self,
        at: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !at.path().is_some_and(|path| self.touches(path)) {
            self.refuse(Note::new(at, message.into(), help.into()));
        }
    }

    /// Adds what is allowed, and yet seldom meant.
    pub(crate) fn warn(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Note::new(at, message.into(), help.into()));
    }

    /// Takes the value at `path` as noted, so that nothing more is said about it.
    pub(crate) fn hush(&mut self, path: KeyPath) {
        self.noted.push(path);
    }

    /// Ends the search: there may be more that is wrong.
    pub(crate) fn break_off(&mut self) {
        self.unfinished = true;
        self.hush(KeyPath::default());
    }

    /// Whether something is noted at, above or below `path`.
    pub(crate) fn touches(&self, path: &KeyPath) -> bool {
        self.noted.iter().any(|noted| noted.starts_with(path) || path.starts_with(noted))
    }

    /// How many were found.
    pub(crate) fn count(&self) -> usize {
        self.found.len().saturating_add(self.uncounted)
    }

    /// Everything found, each with its place.
    pub(crate) fn into_errors(self, places: &Places<'_>) -> ConfigErrors {
        ConfigErrors::new(placed(&self.found, places), self.uncounted, self.unfinished)
    }

    /// Every warning, each with its place.
    pub(crate) fn into_warnings(self, places: &Places<'_>) -> Warnings {
        Warnings::new(placed(&self.warnings, places))
    }
}

fn placed(notes: &[Note], places: &Places<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for note in notes {
        let (message, help) = match note.at.path() {
            Some(path) => {
                let expanded = places.expanded;
                (expanded.hide(path, &note.message), expanded.help(path, &note.help))
            }
            None => (note.message.clone(), note.help.as_str()),
        };
        let path = note.at.path().map(KeyPath::to_string).unwrap_or_default();
        for place in places.of(&note.at) {
            mistakes.push(Mistake {
                place,
                path: conceal(&path),
                message: conceal(&message),
                help: conceal(help),
            });
        }
    }
    mistakes
}

/// Where values come from.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// The file as it was named, and its text.
    pub(crate) file: Option<(Arc<str>, &'a str)>,
    /// The same text where it is YAML, so that keys can be located in it.
    pub(crate) yaml: Option<&'a str>,
    /// What variables and flags say.
    pub(crate) overlay: &'a Overlay,
    /// What variables say that the file names.
    pub(crate) expanded: &'a Expanded,
}

impl Places<'_> {
    /// The places of `at`: more than one only where several variables name an unknown key.
    fn of(&self, at: &At) -> Vec<Place> {
        let path = match at {
            At::Given { source, .. } => return vec![source.place()],
            At::File => return vec![self.in_file(None)],
            At::Spot(spot) => return vec![self.in_file(Some(*spot))],
            At::Key { path, .. } | At::Value(path) => path,
        };
        if let Some(source) = self.overlay.over(path) {
            return vec![source.place()];
        }
        let spot = self.yaml.and_then(|text| locate(text, at));
        let below: Vec<Place> = self.overlay.below(path).map(Source::place).collect();
        if spot.is_none() && !below.is_empty() {
            return below;
        }
        let above = || self.yaml.and_then(|text| locate_above(text, path));
        vec![self.in_file(spot.or_else(above))]
    }

    fn in_file(&self, spot: Option<Spot>) -> Place {
        let Some((file, text)) = &self.file else { return Place::Nowhere };
        let excerpt = |spot: Spot| Excerpt {
            line: spot.line,
            column: spot.column,
            text: source_line(text, spot.line).map(conceal),
        };
        Place::File { file: Arc::clone(file), excerpt: spot.map(excerpt) }
    }

    /// The line of the nearest thing to `path` that is written in the file.
    pub(crate) fn line(&self, path: &KeyPath) -> Option<usize> {
        let text = self.yaml?;
        let spot = locate(text, &At::key(path.clone())).or_else(|| locate_above(text, path))?;
        Some(spot.line)
    }
}

/// The line of this number; lines end as YAML's do.
fn source_line(text: &str, line: usize) -> Option<&str> {
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = text;
    for _ in 1..line {
        let (end, found) = rest.char_indices().find(|&(_, c)| is_break(c))?;
        let after = rest.get(end.saturating_add(found.len_utf8())..)?;
        rest = if found == '\r' { after.strip_prefix('\n').unwrap_or(after) } else { after };
    }
    Some(rest.split(is_break).next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::source_line;

    #[test]
    fn lines_end_as_those_of_yaml() {
        let text = "a\r\nb\rc\n\nd";
        let lines: Vec<_> = (1..7).map(|line| source_line(text, line)).collect();
        assert_eq!(lines, [Some("a"), Some("b"), Some("c"), Some(""), Some("d"), None]);
    }
}
