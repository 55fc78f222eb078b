//! In which lines do the keys of a list's entries stand? All of them in one reading.
//!
//! [`locate`](super::locate) reads the text once for each place, which is too slow for a list
//! of thousands. Here the keys are refused one after the other, and reading goes on after each
//! refusal: the YAML crate has then passed the key and nothing else. Within a list the refusal
//! is only known by its text, which ends with the place, except for a place at the very
//! beginning, where no key of an entry can stand.

use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::locate::KeyText;
use crate::config::path::KeyPath;
use crate::config::path::Segment;

/// The keys whose lines are asked for.
const KEYS: [&str; 4] = ["match", "rate", "pools", "mode"];

/// The lines of certain keys of each entry.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<HashMap<&'static str, usize>>);

impl Lines {
    /// Reads the lines of the entries of the list at `list` in `text`; none where it is not
    /// written there as a list of mappings.
    pub(crate) fn of(text: &str, list: &KeyPath) -> Self {
        let mut lines = Vec::new();
        if let Some(document) = serde_yaml::Deserializer::from_str(text).next() {
            let way = Way { rest: list.segments(), lines: &mut lines };
            // What cannot be read on the way leaves the lines unknown, and is no mistake here.
            drop(way.deserialize(document));
        }
        Self(lines)
    }

    /// The line of `key` in the entry at `index`, counted from 1.
    pub(crate) fn of_key(&self, index: usize, key: &str) -> Option<usize> {
        self.0.get(index)?.get(key).copied()
    }
}

/// Goes along `rest` to the list.
struct Way<'a> {
    rest: &'a [Segment],
    lines: &'a mut Vec<HashMap<&'static str, usize>>,
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeyText::any())? {
            match (self.rest.split_first(), key) {
                (Some((Segment::Key(wanted), rest)), key) if key == *wanted => {
                    map.next_value_seed(Way { rest, lines: self.lines })?;
                    break;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Entry(self.lines))?.is_some() {}
        Ok(())
    }
}

/// One entry of the list.
struct Entry<'a>(&'a mut Vec<HashMap<&'static str, usize>>);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut lines = HashMap::new();
        loop {
            match map.next_key_seed(KeyText::but(&KEYS)) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(refusal) => {
                    if let Some((key, line)) = key_and_line(&refusal.to_string()) {
                        lines.entry(key).or_insert(line);
                    }
                }
            }
            map.next_value::<IgnoredAny>()?;
        }
        self.0.push(lines);
        Ok(())
    }
}

/// Takes apart a refusal such as `limits.overrides[3]: rate at line 7 column 5`.
fn key_and_line(refusal: &str) -> Option<(&'static str, usize)> {
    let (words, place) = refusal.rsplit_once(" at line ")?;
    let key = KEYS.into_iter().find(|key| words.ends_with(key))?;
    Some((key, place.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::config::locate::locate;
    use crate::config::notes::At;
    use crate::config::path::KeyPath;

    #[test]
    fn one_reading_finds_the_lines_that_one_reading_for_each_finds() {
        let text = "log: {level: info}\nlimits:\n  max_keys: 5\n  overrides:\n\
                    # a comment\n  - match: {account: x}\n    mode: off\n    rate:\n\
                    \x20     burst: 2\n  - {mode: off,\n     match: {\n rate: 1}}\n\
                    \x20 -\n    rate: {}\n";
        let list = KeyPath::of("limits.overrides");
        let lines = Lines::of(text, &list);
        let mut found = 0;
        for index in 0..4 {
            for key in ["match", "rate", "mode"] {
                let spot = locate(text, &At::key(list.index(index).key(key)));
                assert_eq!(
                    lines.of_key(index, key),
                    spot.map(|spot| spot.line),
                    "{index} {key}"
                );
                found += usize::from(spot.is_some());
            }
        }
        assert_eq!(found, 6);
    }

    #[test]
    fn what_is_no_list_of_mappings_has_no_lines() {
        for text in ["", "limits: 5", "limits: {overrides: [1, {rate: 2}]}", "[", "- a"] {
            let lines = Lines::of(text, &KeyPath::of("limits.overrides"));
            assert_eq!(lines.of_key(1, "rate"), None, "{text}");
        }
    }
}
