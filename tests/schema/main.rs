//! The JSON Schema of the configuration: it is the one that the reference makes, and its ranges are
//! those that the gateway keeps to. Whether it agrees with every example and every bad case is
//! checked by a validator (`tests/schema/validate.py`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod make;
mod table;

use std::fs;
use std::path::PathBuf;

use maskgate::config::ConfigErrors;
use maskgate::config::Sources;

const SCHEMA: &str = "config/maskgate.schema.json";

#[test]
fn the_schema_is_the_one_that_the_reference_makes() {
    let mut made = serde_json::to_string_pretty(&make::schema()).unwrap();
    made.push('\n');
    if std::env::var_os("UPDATE").is_some() {
        fs::write(SCHEMA, &made).unwrap();
    }
    let kept = fs::read_to_string(SCHEMA).unwrap();
    assert!(made == kept, "{SCHEMA} is not current: UPDATE=1 cargo test --test schema");
}

/// What is wrong at `key` where it is `value`; nothing if that is right.
fn mistake_at(key: &str, value: &str) -> Option<String> {
    let body =
        key.rsplit('.').fold(value.to_owned(), |below, key| format!("{{ {key}: {below} }}"));
    let inner = body.strip_prefix("{ ").unwrap().strip_suffix(" }").unwrap();
    let text = format!("{inner}\n");
    let sources = Sources { file: Some(PathBuf::from("a.yaml")), ..Sources::default() };
    let errors: ConfigErrors = sources.compile(Some(text.as_bytes())).err()?;
    let found = errors.mistakes().iter().find(|mistake| mistake.path == key)?;
    Some(found.message.clone())
}

/// A number and its unit.
fn measure(text: &str) -> (u64, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().unwrap(), &text[end..])
}

#[test]
fn the_ranges_of_the_reference_are_those_that_the_gateway_keeps_to() {
    let mut ranges = 0;
    for row in table::under("## Keys") {
        let words = row.value.trim_end_matches(", or `null`");
        // A body may be no larger than the memory of all.
        let is_range = words.starts_with(|c: char| c.is_ascii_digit());
        let Some((least, most)) = words.split_once(" to ").filter(|_| is_range) else {
            continue;
        };
        if row.key == "limits.body_memory" {
            continue;
        }
        ranges += 1;
        let ((least, unit), (most, most_unit)) = (measure(least), measure(most));
        let within = [format!("{least}{unit}"), format!("{most}{most_unit}")];
        let below = least.checked_sub(1).map(|below| format!("{below}{unit}"));
        let beyond = format!("{}{most_unit}", most + 1);
        for value in within {
            let found = mistake_at(&row.key, &value);
            let is_of_its_range = found.as_ref().is_some_and(|found| found.contains("too "));
            assert!(!is_of_its_range, "{}: {value}: {found:?}", row.key);
        }
        for value in below.into_iter().chain([beyond]) {
            assert!(mistake_at(&row.key, &value).is_some(), "{}: {value} is refused", row.key);
        }
    }
    assert!(ranges >= 25, "{ranges} ranges");
}
