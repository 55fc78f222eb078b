//! Do the participants inside a new session keep to the rules of participants?
//!
//! `Participants` of `CreateSession` is a repeated field whose values are JSON objects, each
//! with what a form of `CreateParticipant` would hold. Skipping them would leave a way round.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::inspect::check;
use crate::inspect::violation::Breach;
use crate::policy::field::FieldRule;

/// The field's name in the form.
pub(super) const PARTICIPANTS: &str = "Participants";

/// The most levels of objects and arrays, the participant's own object included.
const MAX_DEPTH: usize = 4;

/// What is wrong with one participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is wrong as a whole.
    Whole(Breach),
    /// One of its fields, named as its rule names it, is.
    Field(Cow<'static, str>, Breach),
}

/// Judges the decoded text of one `Participants` value: the first flaw, if there is one.
pub(super) fn judge(json: &str, rules: &[FieldRule]) -> Option<Flaw> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let judged = Participant { rules }.deserialize(&mut reader);
    match judged.and_then(|flaw| reader.end().map(|()| flaw)) {
        Ok(flaw) => flaw,
        Err(_) => Some(Flaw::Whole(Breach::NoObject)),
    }
}

/// Reads one object entry by entry: a map type would keep only one of several equal keys, and
/// which one the upstream keeps is not known.
struct Participant<'r> {
    rules: &'r [FieldRule],
}

impl<'de> DeserializeSeed<'de> for Participant<'_> {
    type Value = Option<Flaw>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Participant<'_> {
    type Value = Option<Flaw>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some((key, value)) = object.next_entry::<Text<'_>, &RawValue>()? {
            if first.is_none() {
                first = self.flaw(&key.0, value.get());
            }
        }
        Ok(first)
    }
}

impl Participant<'_> {
    fn flaw(&self, key: &str, value: &str) -> Option<Flaw> {
        if nesting(value).saturating_add(1) > MAX_DEPTH {
            return Some(Flaw::Whole(Breach::Nesting { max: MAX_DEPTH }));
        }
        let mut rules = self.rules.iter().filter(|rule| names(&rule.name, key)).peekable();
        rules.peek()?;
        let Ok(text) = text_of(value) else { return Some(Flaw::Whole(Breach::NoObject)) };
        rules.find_map(|rule| {
            Some(Flaw::Field(rule.name.clone(), check::decoded(rule.check, &text)?))
        })
    }
}

/// A JSON string; borrowed where nothing had to be unescaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a string; what is no string is counted as it is written.
fn text_of(value: &str) -> serde_json::Result<Cow<'_, str>> {
    if value.starts_with('"') {
        serde_json::from_str(value).map(|Text(text)| text)
    } else {
        Ok(Cow::Borrowed(value))
    }
}

/// How many objects and arrays stand inside each other in valid JSON; none in a scalar.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => (),
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => (),
        }
    }
}

/// Whether `key` is the rule's `FriendlyName`, or what a caller may write for it in JSON:
/// `friendlyName` or `friendly_name`.
fn names(rule: &str, key: &str) -> bool {
    key == rule || key.chars().eq(camel(rule)) || key.chars().eq(snake(rule))
}

fn camel(pascal: &str) -> impl Iterator<Item = char> {
    let mut chars = pascal.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars)
}

fn snake(pascal: &str) -> impl Iterator<Item = char> {
    pascal.char_indices().flat_map(|(at, letter)| {
        let begins_word = at > 0 && letter.is_ascii_uppercase();
        begins_word.then_some('_').into_iter().chain([letter.to_ascii_lowercase()])
    })
}

#[cfg(test)]
mod tests {
    use super::Breach;
    use super::Flaw;
    use super::judge;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::field::Check;
    use crate::policy::field::FieldRule;
    use crate::policy::field::FieldTable;

    fn flaw(json: &str) -> Option<Flaw> {
        judge(json, FieldTable::builtin().of(Endpoint::CreateParticipant))
    }

    fn assert_too_long(json: &str, name: &'static str, found: usize, max: usize) {
        let expected = Flaw::Field(name.into(), Breach::Chars { found, max });
        assert_eq!(flaw(json), Some(expected), "{json}");
    }

    const NO_OBJECT: Option<Flaw> = Some(Flaw::Whole(Breach::NoObject));
    const TOO_DEEP: Option<Flaw> = Some(Flaw::Whole(Breach::Nesting { max: 4 }));

    #[test]
    fn each_field_is_held_to_its_rule_in_every_spelling() {
        for (name, max, spellings) in [
            ("Identifier", 191, ["Identifier", "identifier", "Identif\\u0069er"]),
            ("FriendlyName", 255, ["FriendlyName", "friendlyName", "friendly_name"]),
            (
                "ProxyIdentifier",
                255,
                ["ProxyIdentifier", "proxyIdentifier", "proxy_identifier"],
            ),
        ] {
            for spelling in spellings {
                for letter in ["x", "é", "€", "🚕", "\\u00e9", "\\ud83d\\ude95", "\\n"] {
                    let of =
                        |count| format!("{{\"{spelling}\": \"{}\"}}", letter.repeat(count));
                    assert_eq!(flaw(&of(max)), None, "{spelling} {letter}");
                    assert_too_long(&of(max + 1), name, max + 1, max);
                }
            }
        }
    }

    #[test]
    fn other_keys_are_not_judged() {
        let value = "x".repeat(300);
        for key in ["IDENTIFIER", "Identifiers", "friendlyname", "proxyidentifier", ""] {
            assert_eq!(flaw(&format!("{{\"{key}\": \"{value}\"}}")), None, "{key}");
        }
    }

    #[test]
    fn every_one_of_several_equal_keys_is_judged() {
        let value = "x".repeat(192);
        for json in [
            format!(r#"{{"Identifier": "a", "Identifier": "{value}"}}"#),
            format!(r#"{{"Identifier": "{value}", "Identifier": "a"}}"#),
            format!(r#"{{"identifier": "a", "Identifier": "{value}"}}"#),
        ] {
            assert_too_long(&json, "Identifier", 192, 191);
        }
    }

    #[test]
    fn the_first_flaw_is_the_one_that_counts() {
        let value = "x".repeat(300);
        let json = format!(r#"{{"FriendlyName": "{value}", "Identifier": "{value}"}}"#);
        assert_too_long(&json, "FriendlyName", 300, 255);
    }

    #[test]
    fn what_is_no_string_is_counted_as_it_is_written() {
        let digits = "1".repeat(192);
        assert_too_long(&format!("{{\"Identifier\": {digits}}}"), "Identifier", 192, 191);
        assert_eq!(flaw(r#"{"Identifier": null, "FriendlyName": [1, {"a": true}]}"#), None);
        let list = format!("[{}1]", "1,".repeat(100));
        assert_too_long(&format!("{{\"Identifier\": {list}}}"), "Identifier", 203, 191);
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for json in [
            "",
            " ",
            "Identifier",
            "null",
            "1",
            "\"x\"",
            "[]",
            r#"[{"Identifier": "a"}]"#,
            r#"{"Identifier": "a""#,
            r#"{"Identifier": "a"} {}"#,
            r#"{"Identifier": "a",}"#,
            r"{Identifier: 1}",
            r"{'Identifier': 'a'}",
            r#"{"Identifier": "\ud800"}"#,
            "{\"Identifier\": \"a\nb\"}",
            "\u{feff}{}",
        ] {
            assert_eq!(flaw(json), NO_OBJECT, "{json:?}");
        }
        for json in ["{}", " { } ", "{\"Identifier\":\"+15550100\"}"] {
            assert_eq!(flaw(json), None, "{json:?}");
        }
    }

    #[test]
    fn objects_may_be_nested_four_levels_deep() {
        assert_eq!(flaw(r#"{"a": {"b": [{"c": "[[[[{{{{ \" [["}]}}"#), None);
        assert_eq!(flaw(r#"{"a": {"b": [{"c": []}]}}"#), TOO_DEEP);
        assert_eq!(
            flaw(&format!("{{\"a\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000))),
            TOO_DEEP
        );
        assert_eq!(flaw(&format!("{{\"a\": {}", "[".repeat(100_000))), NO_OBJECT);
        assert_eq!(flaw(&"{\"a\":".repeat(50_000)), NO_OBJECT);
    }

    #[test]
    fn an_added_rule_holds_inside_participants_too() {
        let mut table = FieldTable::builtin();
        table.set(FieldRule {
            endpoint: Endpoint::CreateParticipant,
            name: "ProxyIdentifierSid".into(),
            check: Check::MaxBytes(34),
        });
        let rules = table.of(Endpoint::CreateParticipant);
        let json = format!("{{\"proxy_identifier_sid\": \"{}\"}}", "x".repeat(35));
        let breach = Breach::Bytes { found: 35, max: 34 };
        assert_eq!(judge(&json, rules), Some(Flaw::Field("ProxyIdentifierSid".into(), breach)));
    }
}
