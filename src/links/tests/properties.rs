//! Whatever the text and its pieces are.

use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::sample::select;
use serde_json::Map;
use serde_json::Value;

use crate::links::tests::rewritten;

/// What a link of the upstream is made of.
const ADDRESSES: &str =
    "http://up:1 HTTPS://Up:1 https://proxy.twilio.com http://proxy.twilio.com:80";
const ENDS: &str = r#"/v1 ?a=" #\ /é🚕 : @ .x"#;
/// What only looks like it.
const PARTS: &str = "http:// https:/ up:1 up :1 :443 / ? # é🚕 x";
const KEYS: &str =
    "url links meta next_page_url _page_url callback_url sessions data http://up:1/ é";

fn words(words: &'static str) -> impl Strategy<Value = &'static str> + Clone {
    select(words.split_whitespace().collect::<Vec<_>>())
}

fn text() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        2 => (words(ADDRESSES), words(ENDS)).prop_map(|(address, end)| [address, end].concat()),
        1 => words(ADDRESSES).prop_map(str::to_owned),
        1 => vec(words(PARTS), 0..5).prop_map(|parts| parts.concat()),
    ]
    .prop_map(Value::from)
}

fn object(
    member: impl Strategy<Value = Value> + Clone,
) -> impl Strategy<Value = Value> + Clone {
    vec((words(KEYS), member), 0..6).prop_map(|members| {
        Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}

fn list(item: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> + Clone {
    vec(item, 0..4).prop_map(Value::from)
}

/// Any value at all.
fn value() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        6 => text(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
    ];
    leaf.prop_recursive(
        5,
        48,
        6,
        |inner| prop_oneof![1 => list(inner.clone()).boxed(), 3 => object(inner).boxed()],
    )
}

/// A value as the API might answer with.
fn page() -> impl Strategy<Value = Value> {
    let member = || prop_oneof![3 => text(), 2 => object(text()), 1 => value()];
    object(
        prop_oneof![2 => member(), 1 => list(prop_oneof![3 => object(member()), 1 => value()])],
    )
}

/// What becomes of a link, told in another way.
fn relinked(link: &str) -> String {
    let lower = link.to_ascii_lowercase();
    let ours = ["http://up:1", "https://up:1"].into_iter().chain([
        "http://proxy.twilio.com:443",
        "https://proxy.twilio.com:443",
        "http://proxy.twilio.com:80",
        "http://proxy.twilio.com",
        "https://proxy.twilio.com",
    ]);
    for ours in ours {
        if let Some(rest) = lower.strip_prefix(ours)
            && (rest.is_empty() || rest.starts_with(['/', '?', '#']))
        {
            return format!("https://public{}", &link[ours.len()..]);
        }
    }
    link.to_owned()
}

fn relink(object: &mut Map<String, Value>, is_link: impl Fn(&str) -> bool) {
    for (key, value) in object {
        if let Value::String(link) = value
            && is_link(key)
        {
            *link = relinked(link);
        }
    }
}

fn relink_resource(resource: &mut Map<String, Value>) {
    relink(resource, |key| key == "url");
    if let Some(Value::Object(links)) = resource.get_mut("links") {
        relink(links, |_| true);
    }
}

/// What should come of a whole text.
fn expected(mut value: Value) -> Value {
    let Value::Object(top) = &mut value else { return value };
    relink_resource(top);
    if let Some(Value::Object(meta)) = top.get_mut("meta") {
        relink(meta, |key| key == "url" || key.ends_with("_page_url"));
    }
    for list in top.values_mut().filter_map(Value::as_array_mut) {
        list.iter_mut().filter_map(Value::as_object_mut).for_each(relink_resource);
    }
    value
}

/// The same text with some of its characters escaped, as `choices` say.
fn escaped(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut out = String::new();
    let mut escape = false;
    let mut quoted = false;
    for character in text.chars() {
        let plain = quoted && !escape && !matches!(character, '"' | '\\');
        match (plain, choices.next().map_or(0, |choice| choice % 4)) {
            (true, 0) if character == '/' => out.push_str("\\/"),
            (true, 1) => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units).iter();
                out.extend(units.map(|unit| format!("\\u{unit:04X}")));
            }
            (false, 2) if !quoted && "{}[]:,".contains(character) => {
                out.extend([' ', character]);
            }
            _ => out.push(character),
        }
        quoted ^= character == '"' && !escape;
        escape = character == '\\' && !escape;
    }
    out
}

fn cut<'t>(text: &'t [u8], lengths: &[usize]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for length in lengths {
        let (piece, behind) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// What JSON with links is made of. Of the upstream's addresses there is but one spelling.
const TOKENS: &str = r#"{ } [ ] : , " \ \u00 / 1 true http://up: http://up:1 ://up:1 "url":" "links":{
    {"a":[ "meta":{"next_page_url":" http://up:1/","url":""#;
/// What it may begin with: most of what begins at random is soon no JSON.
const BEGINS: &str = r#"{ {"url":" {"a":[{"links":{"x":" {"meta":{"url":"http"#;

/// Bytes that may be JSON, at least in parts.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = words(TOKENS).prop_map(|word| word.as_bytes().to_vec());
    let token = prop_oneof![12 => token, 1 => vec(any::<u8>(), 1..4)];
    (words(BEGINS), vec(token, 0..40))
        .prop_map(|(begin, tokens)| [begin.as_bytes(), &tokens.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_links_are_rewritten_that_a_parser_finds(
        value in prop_oneof![1 => value(), 3 => page()],
        choices in vec(any::<u8>(), 1..40),
        lengths in vec(0_usize..30, 0..40),
    ) {
        let text = escaped(&value.to_string(), &choices);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value, "the same text");
        let out = rewritten(&cut(text.as_bytes(), &lengths));
        let found: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(found, expected(value), "{}", text);
    }

    #[test]
    fn however_a_text_is_cut_the_same_comes_out(
        bytes in bytes(),
        lengths in vec(0_usize..20, 0..60),
    ) {
        let whole = rewritten(&[&bytes[..]]);
        prop_assert_eq!(rewritten(&cut(&bytes, &lengths)), whole);
    }

    #[test]
    fn nothing_is_lost_or_changed_but_the_addresses(bytes in bytes()) {
        let out = rewritten(&[&bytes[..]]);
        let back = String::from_utf8_lossy(&out).replace("https://public", "http://up:1");
        prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn where_nothing_is_to_be_rewritten_everything_stays_as_it_is(
        bytes in vec(any::<u8>(), 0..200),
        value in value(),
    ) {
        prop_assert_eq!(rewritten(&[&bytes[..]]), bytes);
        let elsewhere = value.to_string().replace(":1", ":2").replace("proxy", "prexy");
        prop_assert_eq!(rewritten(&[elsewhere.as_bytes()]), elsewhere.into_bytes());
        let nested = format!("[[{value}]]");
        prop_assert!(rewritten(&[nested.as_bytes()]) == nested.as_bytes());
    }
}
