//! What is wrong with a configuration? Every mistake, each with its place and a way out.
//!
//! **Invariant:** no text here holds a password, a token or a control character.

use std::fmt;
use std::sync::Arc;

use crate::config::report;
use crate::config::report::Finding;
use crate::config::report::Format;

/// Everything that is wrong with a configuration; at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    mistakes: Vec<Mistake>,
    uncounted: usize,
    unfinished: bool,
}

impl ConfigErrors {
    /// Orders the mistakes by their places.
    pub(crate) fn new(mut mistakes: Vec<Mistake>, uncounted: usize, unfinished: bool) -> Self {
        mistakes.sort();
        mistakes.dedup();
        Self { mistakes, uncounted, unfinished }
    }

    /// The mistakes: those of the file in the order of its lines, then those of variables and
    /// flags. At most about 100; [`more`](Self::more) counts the rest.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many mistakes were found beside [`mistakes`](Self::mistakes).
    pub const fn more(&self) -> usize {
        self.uncounted
    }

    /// Whether the search was broken off, so that there may be yet others.
    pub const fn is_unfinished(&self) -> bool {
        self.unfinished
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(report::render(self, Format::Text).trim_end())
    }
}

impl std::error::Error for ConfigErrors {}

/// What is allowed in a configuration, and yet seldom meant; perhaps nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(Vec<Mistake>);

impl Warnings {
    /// Orders them by their places.
    pub(crate) fn new(mut warnings: Vec<Mistake>) -> Self {
        warnings.sort();
        Self(warnings)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = [Finding::Doubtful(self)];
        f.write_str(report::render_all(&findings, Format::Text).trim_end())
    }
}

/// One thing that is wrong, or seldom meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The key that it is about, such as `limits.rate.window`; empty where it is about the
    /// whole.
    pub path: String,
    /// What stands there.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the configuration file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// The place in it, where there is one.
        excerpt: Option<Excerpt>,
    },
    /// In an environment variable of this name.
    Variable(Arc<str>),
    /// In a flag, such as `--listen`.
    Flag(&'static str),
    /// Nowhere: it is missing, and there is no file it could stand in.
    Nowhere,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The whole line, what could be a secret hidden; none where there is no such line.
    pub text: Option<String>,
}
