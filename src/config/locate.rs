//! Where does it stand? Line and column of a key or a value in the text.
//!
//! The YAML crate tells a place only with an error. So the text is read once more by a seed
//! that walks along the path, skips everything else, and refuses at the end of it: the
//! refusal's location is the place.

use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::EnumAccess;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::VariantAccess;
use serde::de::Visitor;

use crate::config::notes::At;
use crate::config::path::KeyPath;
use crate::config::path::Segment;

/// A place in a text, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Spot {
    /// Where an error of the YAML crate happened.
    pub(crate) fn of(error: &serde_yaml::Error) -> Option<Self> {
        let location = error.location()?;
        Some(Self { line: location.line(), column: location.column() })
    }
}

/// The place of `at` in `text`, where it is written there.
pub(crate) fn locate(text: &str, at: &At) -> Option<Spot> {
    match at {
        At::Spot(spot) => Some(*spot),
        At::File | At::Given { .. } => None,
        At::Value(path) => walk(text, Walk { rest: path.segments(), key: None }),
        At::Key { path, before } => {
            walk(text, Walk { rest: path.segments(), key: Some(*before) })
        }
    }
}

/// The place of the nearest key above `path` that is written in `text`.
pub(crate) fn locate_above(text: &str, path: &KeyPath) -> Option<Spot> {
    let mut path = path.clone();
    while let Some(parent) = path.parent() {
        let at = match parent.last_key() {
            Some(_) => At::key(parent.clone()),
            None => At::Value(parent.clone()),
        };
        let top = parent.segments().is_empty();
        if let Some(spot) = (!top).then(|| locate(text, &at)).flatten() {
            return Some(spot);
        }
        path = parent;
    }
    None
}

/// The place at which a second document of `text` begins. The first must have been read
/// without an error: after one, the YAML crate goes on in the middle of it, and panics.
pub(crate) fn second_document(text: &str) -> Option<Spot> {
    let second = serde_yaml::Deserializer::from_str(text).nth(1)?;
    Here.deserialize(second).err().as_ref().and_then(Spot::of)
}

fn walk(text: &str, walk: Walk<'_>) -> Option<Spot> {
    let document = serde_yaml::Deserializer::from_str(text).next()?;
    walk.deserialize(document).err().as_ref().and_then(Spot::of)
}

/// Goes along `rest` and refuses at its end: on the value, or on the key that has as many
/// equal ones before it as `key` says. A scalar on the way is refused as well, for want of a
/// method for it: it is the nearest place there is.
struct Walk<'a> {
    rest: &'a [Segment],
    key: Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.rest.is_empty() {
            Here.deserialize(deserializer)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value on the way")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.rest.split_first() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let on_key = self.key.is_some() && rest.is_empty();
        let mut times: usize = 0;
        loop {
            let here = [wanted.as_str()];
            let refused: &[_] = if on_key && self.key == Some(times) { &here } else { &[] };
            let Some(key) = map.next_key_seed(KeyText::but(refused))? else { return Ok(()) };
            let found = key == *wanted;
            if found && times == 0 && !on_key {
                map.next_value_seed(Walk { rest, key: self.key })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            times = times.saturating_add(usize::from(found));
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Some((Segment::Index(wanted), rest)) = self.rest.split_first() {
            for _ in 0..*wanted {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
            }
            seq.next_element_seed(Walk { rest, key: self.key })?;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (_, content) = tagged.variant::<IgnoredAny>()?;
        content.newtype_variant_seed(self)
    }
}

/// Refuses whatever stands here: a visitor refuses what it has no method for.
struct Here;

impl<'de> DeserializeSeed<'de> for Here {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// What [`KeyText`] reads for a key that is a list or a mapping.
pub(crate) const NO_WORD: &str = "[…]";

/// Reads the key of a mapping as text, whatever scalar it is.
pub(crate) struct KeyText<'a> {
    refused: &'a [&'a str],
}

impl<'a> KeyText<'a> {
    /// Reads every key.
    pub(crate) const fn any() -> Self {
        Self::but(&[])
    }

    /// Refuses these keys, by their own name and for the sake of their places.
    pub(crate) const fn but(refused: &'a [&'a str]) -> Self {
        Self { refused }
    }

    fn accept<E: Error>(&self, text: String) -> Result<String, E> {
        if self.refused.contains(&text.as_str()) {
            return Err(E::custom(text));
        }
        Ok(text)
    }
}

impl<'de> DeserializeSeed<'de> for KeyText<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyText<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_i128<E: Error>(self, key: i128) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_u128<E: Error>(self, key: u128) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<Self::Value, E> {
        self.accept(key.to_string())
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        self.accept(key.to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.accept("null".to_owned())
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.accept(NO_WORD.to_owned())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.accept(NO_WORD.to_owned())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Self::Value, A::Error> {
        let (_, content) = tagged.variant::<IgnoredAny>()?;
        content.newtype_variant_seed(self)
    }
}
