//! Which values cannot be read? Every one of them, not only the first.
//!
//! Deserializing stops at the first value that it refuses. So that value is noted and taken
//! out of the tree, and it begins again, until nothing is refused.

use serde_yaml::Value;

use crate::config::notes::At;
use crate::config::notes::Note;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::path::Segment;
use crate::config::raw::Raw;
use crate::config::suggest;

/// After so many mistakes the search is broken off.
const MAX_FOUND: usize = 1_000;
/// The most characters of a value that are shown.
const MAX_QUOTED: usize = 48;

/// Reads as much of `tree` as can be read, and notes the rest.
pub(crate) fn peel(tree: &mut Value, notes: &mut Notes) -> Raw {
    loop {
        let refusal = match serde_path_to_error::deserialize::<_, Raw>(&*tree) {
            Ok(raw) => return raw,
            Err(refusal) => refusal,
        };
        let path = KeyPath::from(refusal.path());
        note(&path, &refusal.inner().to_string(), path.find(tree), notes);
        if notes.count() >= MAX_FOUND {
            notes.break_off();
            return Raw::default();
        }
        remove(tree, &path);
    }
}

/// Takes the value at `path` out of the tree. In a list nothing takes its place, so that the
/// indexes of the others hold. What cannot be taken out takes what is around it along.
fn remove(tree: &mut Value, path: &KeyPath) {
    let Some((segment, parent)) = path.segments().last().zip(path.parent()) else {
        *tree = Value::Null;
        return;
    };
    let removed = match (parent.find_mut(tree), segment) {
        (Some(Value::Mapping(mapping)), Segment::Key(key)) => {
            mapping.shift_remove(key.as_str()).is_some()
        }
        (Some(Value::Sequence(list)), Segment::Index(index)) => match list.get_mut(*index) {
            Some(entry) if !entry.is_null() => {
                *entry = Value::Null;
                true
            }
            Some(_) | None => false,
        },
        _ => false,
    };
    if !removed {
        remove(tree, &parent);
    }
}

/// Notes a refusal, serde's words turned into what stands there and what would be right.
fn note(path: &KeyPath, words: &str, found: Option<&Value>, notes: &mut Notes) {
    let expected = words.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    if let (true, Some(key)) = (words.starts_with("unknown field "), path.last_key()) {
        let known = suggest::words_in(expected);
        let nearest = suggest::nearest(key, known.iter().copied());
        let help = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("the keys here are {}", listed(&known)),
        };
        if let (Some(nearest), Some(parent)) = (nearest, path.parent()) {
            notes.hush(parent.key(nearest));
        }
        notes.refuse(Note::new(At::key(path.clone()), "unknown key".to_owned(), help));
        return;
    }
    let (noun, how) = expected.split_once(": ").unwrap_or((expected, ""));
    let message = format!("{} is not {noun}", described(found));
    let help = match (suggestion(found, how), how) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, "") => String::new(),
        (None, how) => format!("write {how}"),
    };
    notes.refuse(Note::new(At::Value(path.clone()), message, help));
}

/// The word that was meant, where one of a few is expected.
fn suggestion<'a>(found: Option<&Value>, how: &'a str) -> Option<&'a str> {
    let choices = how.strip_prefix("one of ")?;
    suggest::nearest(found?.as_str()?, suggest::words_in(choices))
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => {
            format!("{} and {last}", others.join(", "))
        }
        _ => quoted.concat(),
    }
}

/// What stands there, in words, or a short quotation of it.
pub(crate) fn described(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::Bool(value)) => format!("`{value}`"),
        Some(Value::Number(value)) => value.to_string(),
        Some(Value::String(value)) => quoted(value),
        Some(Value::Sequence(_)) => "a list".to_owned(),
        Some(Value::Mapping(_)) => "a mapping".to_owned(),
        Some(Value::Tagged(_)) => "a tagged value".to_owned(),
    }
}

/// `text` in quotes, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
