//! Which rules for fields are added? The table `limits.payload.fields`.

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::config::compile::range::Count;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::peel;
use crate::config::raw::RawField;
use crate::config::shape::Table;
use crate::config::shape::Whole;
use crate::config::suggest;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Method;
use crate::policy::field::Check;
use crate::policy::field::FieldRule;
use crate::policy::field::FieldTable;

const MAX_NAME: usize = 128;
const LENGTH: Count<'_> =
    Count { what: "a length", from: 1, to: 16_777_216, otherwise: "and give the other limit" };

/// The API's own rules, and those that are added or changed.
pub(super) fn fields(raw: &Table<Option<RawField>>, notes: &mut Notes) -> FieldTable {
    let mut table = FieldTable::builtin();
    let section = KeyPath::of("limits.payload.fields");
    for (key, rule) in &raw.0 {
        let path = section.key(key);
        let name = name(key, &path, notes);
        let check = match rule {
            Some(rule) => check(rule, &path, notes),
            None => check(&RawField::default(), &path, notes),
        };
        if let (Some((endpoint, name)), Some(check)) = (name, check) {
            table.set(FieldRule { endpoint, name: Cow::Owned(name), check });
        }
    }
    table
}

/// The operation and the field of a key such as `CreateSession.UniqueName`.
fn name(key: &str, path: &KeyPath, notes: &mut Notes) -> Option<(Endpoint, String)> {
    let at = At::key(path.clone());
    let Some((operation, field)) = key.split_once('.') else {
        let message = format!("{} names no field of an operation", peel::quoted(key));
        let help = "write both with a dot between, such as `CreateMessageInteraction.Body`";
        notes.complain(at, message, help);
        return None;
    };
    let endpoint = endpoint(operation, &at, notes)?;
    let is_form = endpoint.operation().is_some_and(|found| found.method == Method::Post);
    if !is_form {
        let help = "only what is created or updated has fields: name such an operation";
        notes.complain(at, format!("{endpoint} has no form, and so no fields"), help);
        return None;
    }
    if field.is_empty()
        || field.len() > MAX_NAME
        || !field.bytes().all(|b| b.is_ascii_graphic())
    {
        let help = "write its name as the API does, such as `CreateMessageInteraction.Body`";
        notes.complain(at, format!("{} is not a field", peel::quoted(field)), help);
        return None;
    }
    Some((endpoint, field.to_owned()))
}

/// The operation of this name.
pub(super) fn endpoint(name: &str, at: &At, notes: &mut Notes) -> Option<Endpoint> {
    let found = Endpoint::by_name(name);
    if found.is_none() {
        let names = Endpoint::ALL.iter().map(|endpoint| endpoint.name());
        let help = match suggest::nearest(name, names) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "write the name of one, such as `CreateSession`".to_owned(),
        };
        let message = format!("{} is not an operation of the API", peel::quoted(name));
        notes.complain(at.clone(), message, help);
    }
    found
}

fn check(raw: &RawField, path: &KeyPath, notes: &mut Notes) -> Option<Check> {
    let length = |found, key, notes: &mut Notes| {
        LENGTH.take(found, &path.key(key), notes).map(NonZeroU32::get)
    };
    match (raw.max_chars, raw.max_bytes, raw.greater_than, raw.less_than) {
        (Some(max), None, None, None) => {
            let max = length(Some(max), "max_chars", notes)?;
            Some(Check::MaxChars(usize::try_from(max).ok()?))
        }
        (None, Some(max), None, None) => {
            let max = length(Some(max), "max_bytes", notes)?;
            Some(Check::MaxBytes(usize::try_from(max).ok()?))
        }
        (None, None, Some(Whole(low)), Some(Whole(high))) => {
            if high.saturating_sub(low) < 2 {
                let message = format!("no whole number is between {low} and {high}");
                let help = "make `less_than` greater than `greater_than` by 2 or more";
                notes.complain(At::key(path.clone()), message, help);
                return None;
            }
            Some(Check::Between { low, high })
        }
        _ => {
            let help = "write one of `max_chars` and `max_bytes`, or both of `greater_than` \
                        and `less_than`";
            notes.complain(At::key(path.clone()), "the rule is not one of the three", help);
            None
        }
    }
}
