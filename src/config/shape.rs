//! Which shapes can a value have? Numbers, one or many, lists, and mappings with free keys.
//!
//! Each says in its own words what it expects. In a list, what was refused is none, so that
//! the indexes of the others hold.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Unexpected;
use serde::de::Visitor;

use crate::config::path::KeyPath;
use crate::config::word::Word;
use crate::policy::pools::Share;
use crate::policy::traces::Sample;

/// A whole number, not yet known to be in its range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number: digits only, without quotes or unit")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth(pub(crate) bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bool(TruthVisitor)
    }
}

struct TruthVisitor;

impl Visitor<'_> for TruthVisitor {
    type Value = Truth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a yes or no: `true` or `false`, without quotes")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Truth, E> {
        Ok(Truth(truth))
    }
}

/// A whole number that `null` turns off, where leaving it out does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum WholeOrOff {
    #[default]
    LeftOut,
    Off,
    On(Whole),
}

impl<'de> Deserialize<'de> for WholeOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeOrOffVisitor)
    }
}

struct WholeOrOffVisitor;

impl Visitor<'_> for WholeOrOffVisitor {
    type Value = WholeOrOff;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or `null`: digits only, or `null` to turn it off")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<WholeOrOff, E> {
        Ok(WholeOrOff::On(Whole(number)))
    }

    fn visit_unit<E: Error>(self) -> Result<WholeOrOff, E> {
        Ok(WholeOrOff::Off)
    }
}

/// A share of a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion(pub(crate) Share);

impl<'de> Deserialize<'de> for Portion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(PortionVisitor)
    }
}

struct PortionVisitor;

impl Visitor<'_> for PortionVisitor {
    type Value = Portion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share: a number from 0.01 to 1, such as `0.85`")
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Portion, E> {
        let refusal = || E::invalid_value(Unexpected::Float(share), &self);
        Share::new(share).map(Portion).ok_or_else(refusal)
    }

    fn visit_u64<E: Error>(self, share: u64) -> Result<Portion, E> {
        self.visit_f64(if share == 1 { 1.0 } else { f64::NAN })
    }
}

/// A part of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartOfOne(pub(crate) Sample);

impl<'de> Deserialize<'de> for PartOfOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(PartOfOneVisitor)
    }
}

struct PartOfOneVisitor;

impl Visitor<'_> for PartOfOneVisitor {
    type Value = PartOfOne;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part: a number from 0 to 1, such as `0.01`")
    }

    fn visit_f64<E: Error>(self, part: f64) -> Result<PartOfOne, E> {
        let refusal = || E::invalid_value(Unexpected::Float(part), &self);
        Sample::new(part).map(PartOfOne).ok_or_else(refusal)
    }

    fn visit_u64<E: Error>(self, part: u64) -> Result<PartOfOne, E> {
        let whole = u32::try_from(part).map_or(f64::NAN, f64::from);
        let refusal = || E::invalid_value(Unexpected::Unsigned(part), &self);
        Sample::new(whole).map(PartOfOne).ok_or_else(refusal)
    }
}

/// Text, or a list of texts.
#[derive(Debug)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<Option<Word<String>>>),
}

impl OneOrMany {
    /// Each of the texts with its place, where `path` is that of all; none where one was refused.
    pub(crate) fn texts(&self, path: &KeyPath) -> Vec<(KeyPath, Option<&str>)> {
        match self {
            Self::One(text) => vec![(path.clone(), Some(text))],
            Self::Many(texts) => {
                let texts =
                    texts.iter().map(|text| text.as_ref().map(|Word(text)| text.as_str()));
                texts.enumerate().map(|(index, text)| (path.index(index), text)).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL: one such as `http://127.0.0.1:9000`, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany::Many(texts))
    }
}

/// A list.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<Option<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list: each entry after a `- `")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(List(entries))
    }
}

/// A mapping whose keys are not known beforehand.
#[derive(Debug)]
pub(crate) struct Table<T>(pub(crate) BTreeMap<String, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = Table<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping: a line with a key and a value for each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            table.insert(key, value);
        }
        Ok(Table(table))
    }
}
