//! The JSON Schema of a configuration, made out of the tables of `docs/configuration.md`.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::table;
use crate::table::Row;

/// The whole schema.
pub(crate) fn schema() -> Value {
    let mut root = section();
    for row in table::under("## Keys") {
        let leaf = leaf(&row);
        put(&mut root, &row, leaf);
    }
    let overridden = overridden(&root);
    describe(&mut root, "limits.overrides", &json!({ "type": "array", "items": overridden }));
    describe(&mut root, "limits.payload.fields", &fields());
    let object = root.as_object_mut().unwrap();
    object.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
    object.insert("title".into(), json!("The configuration of maskgate"));
    let environment = "The value of an environment variable, or what stands behind `:-`";
    object.insert(
        "definitions".into(),
        json!({ "environment": {
            "type": "string",
            "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}$",
            "description": environment,
        }}),
    );
    root
}

/// A mapping whose keys are known.
fn section() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

/// Puts what may stand at the row's key into `root`.
fn put(root: &mut Value, row: &Row, mut leaf: Value) {
    let about = leaf.as_object_mut().unwrap();
    about.insert("description".into(), json!(row.meaning));
    if let Some(default) = row.default.as_deref().and_then(|text| default(text, about)) {
        about.insert("default".into(), default);
    }
    let mut place = root;
    for key in row.key.split('.') {
        let properties = place["properties"].as_object_mut().unwrap();
        place = properties.entry(key).or_insert_with(section);
    }
    *place = leaf;
}

/// Adds to what is said of `key`.
fn describe(root: &mut Value, key: &str, more: &Value) {
    let place = at(root, key).as_object_mut().unwrap();
    place.extend(more.as_object().unwrap().clone());
}

fn at<'a>(root: &'a mut Value, key: &str) -> &'a mut Value {
    let step = |place: &'a mut Value, key: &str| &mut place["properties"][key];
    key.split('.').fold(root, step)
}

/// A default that is a value; "one for each core" is none.
fn default(text: &str, about: &Map<String, Value>) -> Option<Value> {
    let value: Value = match text {
        "[]" => json!([]),
        _ if text.contains(' ') || matches!(text, "none" | "empty") => return None,
        _ => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    };
    assert!(!about.is_empty());
    Some(value)
}

/// What may stand at a key, by the words of the table.
fn leaf(row: &Row) -> Value {
    let (words, may_be_null) = match row.value.strip_suffix(", or `null`") {
        Some(words) => (words, true),
        None => (row.value.as_str(), false),
    };
    let mut forms = vec![form(words)];
    if may_be_null {
        forms.push(json!({ "type": "null" }));
    }
    let takes_any_text = forms[0] == json!({ "type": "string" });
    let has_entries = words.starts_with("mapping") || words == "list, see below";
    if !takes_any_text && !has_entries {
        forms.push(json!({ "$ref": "#/definitions/environment" }));
    }
    match forms.as_slice() {
        [one] => one.clone(),
        several => json!({ "anyOf": several }),
    }
}

fn form(words: &str) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let network = || json!({ "type": "string", "pattern": r"^[0-9A-Fa-f.:]+(/[0-9]+)?$" });
    let is_range = words.starts_with(|c: char| c.is_ascii_digit());
    if let Some((least, most)) = words.split_once(" to ").filter(|_| is_range) {
        return match (least.parse::<u64>(), most.parse::<u64>()) {
            (Ok(least), Ok(most)) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            _ if most.ends_with("iB") => text("^[0-9]+ ?(B|KiB|MiB)$"),
            _ => text("^[0-9]+ ?(ms|s|m|h)$"),
        };
    }
    match words {
        "address" => text(r"^(\S+:[0-9]+|.*\$\{.+)$"),
        "text" | "file" | "file, or `off`" | "URL" | "`preserve`, `upstream`, or a name" => {
            json!({ "type": "string" })
        }
        "URL, or a list of up to 64" => json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 64 },
        ]}),
        "list of networks" => json!({ "type": "array", "items": network() }),
        "share" => json!({ "type": "number", "minimum": 0.01, "maximum": 1 }),
        "part" => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        "mapping of `SK…` to `AC…`" => json!({
            "type": "object",
            "propertyNames": { "pattern": "^SK[0-9A-Fa-f]{32}$" },
            "additionalProperties": sid("AC"),
        }),
        "mapping, see below" => json!({ "type": "object" }),
        "list, see below" => json!({ "type": "array" }),
        "whole numbers" => json!({ "type": "integer", "minimum": 0 }),
        _ => choice(words),
    }
}

fn sid(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}[0-9A-Fa-f]{{32}}$") })
}

/// One of some words, numbers or truths, each between backticks.
fn choice(words: &str) -> Value {
    let all = words.split(", ").map(|word| {
        let word = word.strip_prefix('`').and_then(|word| word.strip_suffix('`'));
        let word = word.unwrap_or_else(|| panic!("what may stand there: {words}"));
        serde_json::from_str(word).unwrap_or_else(|_| json!(word))
    });
    json!({ "enum": all.collect::<Vec<Value>>() })
}

/// The rule of a field of one's own.
fn fields() -> Value {
    let mut rule = section();
    for row in table::under("### Rules for fields") {
        let leaf = leaf(&row);
        put(&mut rule, &row, leaf);
    }
    json!({ "additionalProperties": rule })
}

/// An entry of `limits.overrides`; what it shares with `limits` is taken from there.
fn overridden(root: &Value) -> Value {
    let limits = &root["properties"]["limits"];
    let mut entry = section();
    for row in table::under("### Overrides") {
        let leaf = match row.key.as_str() {
            "match.account" => sid("AC"),
            "match.service" => sid("KS"),
            "match.endpoint" => json!({ "type": "string" }),
            "pools" => named_keys(&limits["properties"]["pools"], &row.value),
            key => limits["properties"][key].clone(),
        };
        put(&mut entry, &row, without_defaults(leaf));
    }
    entry["required"] = json!(["match"]);
    entry
}

/// The keys of `section` that `words` names.
fn named_keys(section: &Value, words: &str) -> Value {
    let mut some = section.clone();
    let properties = some["properties"].as_object_mut().unwrap();
    properties.retain(|key, _| words.contains(&format!("`{key}`")));
    some
}

/// What is left out of an override is not the default, but the general rule.
fn without_defaults(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.remove("default");
        for value in object.values_mut() {
            *value = without_defaults(value.take());
        }
    }
    schema
}
