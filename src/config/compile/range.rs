//! Is it in its range? Numbers, sizes and durations with a least and a greatest value.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::shape::Whole;
use crate::config::word::FromWord;
use crate::config::word::Word;

/// A range of counts.
pub(crate) struct Count<'a> {
    /// What is counted, in words: "a rate".
    pub(crate) what: &'static str,
    /// The least; not 0.
    pub(crate) from: u32,
    /// The greatest.
    pub(crate) to: u32,
    /// What follows "leave the line out": "for 5".
    pub(crate) otherwise: &'a str,
}

impl Count<'_> {
    /// The count at `path`; none where it is not given, or not in its range.
    pub(crate) fn take(
        &self,
        found: Option<Whole>,
        path: &KeyPath,
        notes: &mut Notes,
    ) -> Option<NonZeroU32> {
        let Whole(found) = found?;
        let wrong = match u32::try_from(found) {
            Ok(count) if (self.from..=self.to).contains(&count) => {
                return NonZeroU32::new(count);
            }
            Ok(0) => "is not",
            Ok(count) if count < self.from => "is too small for",
            Ok(_) | Err(_) => "is too large for",
        };
        let Self { what, from, to, otherwise } = self;
        let help = format!("write {from} to {to}, or leave the line out {otherwise}");
        notes.complain(At::Value(path.clone()), format!("{found} {wrong} {what}"), help);
        None
    }
}

/// A count as a size in memory.
pub(crate) fn size(count: NonZeroU32) -> NonZeroUsize {
    NonZeroUsize::try_from(count).unwrap_or(NonZeroUsize::MAX)
}

/// A range of durations.
pub(crate) struct Span<'a> {
    /// What takes so long, in words: "a timeout".
    pub(crate) what: &'static str,
    /// The least, as it is written.
    pub(crate) from: &'static str,
    /// The greatest, as it is written.
    pub(crate) to: &'static str,
    /// What follows "leave the line out": "for 5s".
    pub(crate) otherwise: &'a str,
}

impl Span<'_> {
    /// The duration at `path`; none where it is not given, or not in its range.
    pub(crate) fn take(
        &self,
        found: Option<Word<Duration>>,
        path: &KeyPath,
        notes: &mut Notes,
    ) -> Option<Duration> {
        let Word(found) = found?;
        let wrong = if Duration::from_word(self.from).is_some_and(|least| found < least) {
            "is too short for"
        } else if Duration::from_word(self.to).is_some_and(|most| found > most) {
            "is too long for"
        } else {
            return Some(found);
        };
        let Self { what, from, to, otherwise } = self;
        let help = format!("write {from} to {to}, or leave the line out {otherwise}");
        let message = format!("{} {wrong} {what}", written(found));
        notes.complain(At::Value(path.clone()), message, help);
        None
    }
}

/// A duration as a configuration writes it.
pub(crate) fn written(span: Duration) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let millis = span.as_millis();
    let unit = units.into_iter().find(|&(unit, _)| millis.is_multiple_of(unit));
    match unit {
        Some(_) if millis == 0 => "0s".to_owned(),
        Some((unit, name)) => format!("{}{name}", millis.checked_div(unit).unwrap_or(millis)),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::written;
    use std::time::Duration;

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_holds_it_whole() {
        let cases =
            [(0, "0s"), (500, "500ms"), (5_000, "5s"), (90_000, "90s"), (7_200_000, "2h")];
        for (millis, text) in cases {
            assert_eq!(written(Duration::from_millis(millis)), text);
        }
    }
}
