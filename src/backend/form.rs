//! Which parameters came? Forms and query strings, by the API's names.
//!
//! Names are compared exactly; unknown ones are ignored; of a repeated one the first counts,
//! except where the API wants a list.

use super::decode::Plus;
use super::decode::decode;
use super::error::Problem;
use super::moment::Moment;

/// A name or a value is not UTF-8 when decoded.
pub(super) const NOT_TEXT: Problem =
    Problem::invalid("parameters", "Names and values must be UTF-8 when decoded");

/// The parameters in the order in which they came.
#[derive(Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// A form of these parameters, decoded.
    pub(super) const fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Reads `a=1&b=2`. Fails where a name or a value is not UTF-8.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        text.split('&')
            .filter(|pair| !pair.is_empty())
            .map(pair)
            .collect::<Option<_>>()
            .map_or(Err(NOT_TEXT), |pairs| Ok(Self(pairs)))
    }

    /// The first value of that name, empty or not.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of that name; none if it is empty. The official SDK for Node.js sends
    /// an empty value for null.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// Every value of that name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number of seconds: 0 to 2,147,483,647.
    pub(super) fn seconds(&self, name: &'static str) -> Result<Option<u32>, Problem> {
        let wrong =
            Problem::invalid(name, "It must be a whole number of seconds from 0 to 2147483647");
        self.text(name).map(|text| number(text).ok_or(wrong)).transpose()
    }

    /// `true` or `false` in any case.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        let wrong = Problem::invalid(name, "It must be true or false");
        self.filled(name).map(|text| flag(text).ok_or(wrong)).transpose()
    }

    /// A date and time.
    pub(super) fn date(&self, name: &'static str) -> Result<Change<Moment>, Problem> {
        let wrong = Problem::invalid(name, "It must be a date and time in ISO 8601");
        match self.text(name) {
            None => Ok(Change::Keep),
            Some("") => Ok(Change::Unset),
            Some(text) => Moment::parse(text).ok_or(wrong).map(Change::Set),
        }
    }
}

/// What a parameter does to what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<T> {
    /// It was not sent.
    Keep,
    /// It was sent empty.
    Unset,
    /// It was sent.
    Set(T),
}

impl<T> Change<T> {
    /// What there is afterwards.
    pub(super) fn after(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }
}

fn pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((decode(name, Plus::Space)?.into_owned(), decode(value, Plus::Space)?.into_owned()))
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u32>().ok().filter(|_| digits)?;
    i32::try_from(value).is_ok().then_some(value)
}

/// The truth value of a word in any case.
pub(super) fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
