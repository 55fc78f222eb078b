//! What does the YAML say? Text becomes a tree of values, with every oddity noted on the way.
//!
//! The tree is built by a visitor of its own, because the YAML crate's would stop at the first
//! repeated key and expand aliases without a bound. Repeated keys are dropped and noted, so
//! that the rest is still checked in the same run; merge keys (`<<`) are carried out.

use std::collections::HashMap;
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
use serde_yaml::Mapping;
use serde_yaml::Value;

use crate::config::locate::KeyText;
use crate::config::locate::NO_WORD;
use crate::config::notes::At;
use crate::config::notes::Note;
use crate::config::path::KeyPath;
use crate::config::path::Segment;

/// How large a tree may grow, aliases written out, in bytes of text and 32 for each value.
const MAX_SIZE: usize = 16 * 1024 * 1024;
const MERGE_KEY: &str = "<<";

/// Reads one document of YAML.
///
/// Fails where the text is no YAML; what is merely odd is noted and left out of the tree.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    document: D,
) -> Result<(Value, Vec<Note>), D::Error> {
    let mut growth = Growth { path: KeyPath::default(), notes: Vec::new(), left: MAX_SIZE };
    let tree = Grow(&mut growth).deserialize(document)?;
    Ok((tree, growth.notes))
}

#[derive(Debug)]
struct Growth {
    path: KeyPath,
    notes: Vec<Note>,
    left: usize,
}

impl Growth {
    fn spend<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.left.checked_sub(bytes.saturating_add(32));
        self.left = left.ok_or_else(|| E::custom("its aliases make it larger than 16 MiB"))?;
        Ok(())
    }

    fn note(&mut self, at: At, message: &str, help: &str) {
        self.notes.push(Note::new(at, message.to_owned(), help.to_owned()));
    }
}

/// Builds the value at `Growth::path`.
struct Grow<'a>(&'a mut Growth);

impl<'de> DeserializeSeed<'de> for Grow<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grow<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::from(value))
    }

    // No key takes a number beyond 64 bits; as text it is refused in words.
    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.spend(value.len())?;
        Ok(Value::from(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        loop {
            self.0.path.push(Segment::Index(list.len()));
            let entry = seq.next_element_seed(Grow(&mut *self.0))?;
            self.0.path.pop();
            let Some(entry) = entry else { return Ok(Value::Sequence(list)) };
            list.push(entry);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut mapping = Mapping::new();
        let mut times: HashMap<String, usize> = HashMap::new();
        while let Some(key) = map.next_key_seed(KeyText::any())? {
            self.0.spend(key.len())?;
            let before = times.entry(key.clone()).or_default();
            let at = At::Key { path: self.0.path.key(&key), before: *before };
            if key == NO_WORD {
                self.0.note(at, "a list or a mapping is no key", "write a word and a colon");
                map.next_value::<IgnoredAny>()?;
            } else if *before > 0 {
                let help = "keep one of them; only the first was checked";
                self.0.note(at, "this key is given twice", help);
                map.next_value::<IgnoredAny>()?;
            } else {
                self.0.path.push(Segment::Key(key.clone()));
                let value = map.next_value_seed(Grow(&mut *self.0))?;
                self.0.path.pop();
                mapping.insert(Value::String(key), value);
            }
            *before = before.saturating_add(1);
        }
        self.merge(&mut mapping)?;
        Ok(Value::Mapping(mapping))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<String>()?;
        let message = format!("the tag `!{tag}` has no meaning here");
        self.0.note(At::Value(self.0.path.clone()), &message, "leave the tag out");
        content.newtype_variant_seed(self)
    }
}

impl Grow<'_> {
    /// Carries out `<<: *base` and `<<: [*one, *other]`: adds the keys that are not there yet.
    fn merge<E: Error>(self, mapping: &mut Mapping) -> Result<(), E> {
        let Some(merged) = mapping.remove(MERGE_KEY) else { return Ok(()) };
        let bases = match merged {
            Value::Sequence(bases) => bases,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Mapping(_)
            | Value::Tagged(_) => vec![merged],
        };
        for base in bases {
            let Value::Mapping(base) = base else {
                let at = At::Value(self.0.path.key(MERGE_KEY));
                let help =
                    "write an alias of a mapping, such as `<<: *base`, or a list of them";
                self.0.note(at, "only mappings can be merged", help);
                continue;
            };
            for (key, value) in base {
                self.0.spend(0)?;
                mapping.entry(key).or_insert(value);
            }
        }
        Ok(())
    }
}
