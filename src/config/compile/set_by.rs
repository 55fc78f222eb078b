//! Which line set it? What a log line of a refusal names.

use std::sync::Arc;

use crate::config::lines::Lines;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawLimits;
use crate::policy::rate::SetBy;

/// Who set a rule of `limits`: the section at `key` where it is there, else `limits.mode`.
pub(super) fn section(
    key: &str,
    is_there: bool,
    raw: &RawLimits,
    places: &Places<'_>,
) -> SetBy {
    let path = match (is_there, raw.mode) {
        (true, _) => KeyPath::of(key),
        (false, Some(_)) => KeyPath::of("limits.mode"),
        (false, None) => return SetBy::Default,
    };
    value(&path, places, || places.line(&path))
}

/// Who set the value at `key` of the override at `index`.
pub(super) fn of_override(
    index: usize,
    key: &str,
    places: &Places<'_>,
    lines: &Lines,
) -> SetBy {
    let path = KeyPath::of("limits.overrides").index(index).key(key);
    value(&path, places, || lines.of_key(index, key))
}

/// Who set the value at `path`.
fn value(path: &KeyPath, places: &Places<'_>, line: impl FnOnce() -> Option<usize>) -> SetBy {
    let overlay = places.overlay;
    if let Some(source) = overlay.over(path).or_else(|| overlay.below(path).next()) {
        return source.set_by();
    }
    match &places.file {
        Some((file, _)) => SetBy::File { file: Arc::clone(file), line: line().unwrap_or(1) },
        None => SetBy::Default,
    }
}
