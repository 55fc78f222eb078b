//! Whatever the bytes are, they are a configuration or a list of mistakes with true places.

use std::path::PathBuf;

use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::MAX_FILE;
use maskgate::config::Place;
use maskgate::config::Sources;
use maskgate::config::render;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::sample::select;

/// Compiles `bytes`, and checks that what is said of them is about places that exist.
fn check(bytes: &[u8], variables: Vec<(String, String)>) {
    let file = Some(PathBuf::from("any.yaml"));
    let sources = Sources { file, variables, flags: Flags::default() };
    let Err(errors) = sources.compile(Some(bytes)) else { return };
    assert!(!errors.mistakes().is_empty());
    let text = String::from_utf8_lossy(bytes);
    // A mistake at the end of the text is one line below its last.
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines = text.matches(breaks).count().saturating_add(2);
    for mistake in errors.mistakes() {
        assert!(!mistake.message.is_empty());
        if let Place::File { excerpt: Some(excerpt), .. } = &mistake.place {
            assert!((1..=lines).contains(&excerpt.line), "{mistake:?}");
            assert!(excerpt.column >= 1, "{mistake:?}");
        }
    }
    for format in [Format::Text, Format::Json, Format::Github] {
        let report = render(&errors, format);
        assert!(!report.contains(|c: char| c.is_control() && c != '\n'), "{report:?}");
    }
}

/// Words that a configuration is made of, and such as break it.
const WORDS: [&str; 98] = [
    "upstream",
    "url",
    "host",
    "public_url",
    "timeouts",
    "connect",
    "tls",
    "ca",
    "listen",
    "address",
    "admin",
    "allow_remote",
    "allow_reset",
    "workers",
    "drain",
    "linger",
    "state_file",
    "url_file",
    "${A:-1}",
    "accounts",
    "limits",
    "rate",
    "requests_per_second",
    "window",
    "burst",
    "count",
    "mode",
    "pools",
    "reserved",
    "unreserved",
    "warn_at",
    "recount",
    "count_timeout",
    "short_codes",
    "0.85",
    "payload",
    "body",
    "oversize_status",
    "fields",
    "in_flight",
    "total",
    "per_service",
    "participants_per_number",
    "advise",
    "max_keys",
    "unmatched",
    "headers",
    "overrides",
    "match",
    "account",
    "service",
    "endpoint",
    "store",
    "redis",
    "replicas",
    "on_loss",
    "deadline",
    "username",
    "password_file",
    "sentinel",
    "master",
    "cluster",
    "local_full",
    "redis://h",
    "traces",
    "otlp",
    "headers_file",
    "sample",
    "queue",
    "log",
    "level",
    "format",
    "access",
    "max_chars",
    "greater_than",
    "less_than",
    "<<",
    "&a",
    "*a",
    "!tag",
    "!!int",
    "5s",
    "30",
    "0",
    "-1",
    "1.5",
    "~",
    "true",
    "http://127.0.0.1:9000",
    "https://h",
    "256KiB",
    "CreateSession",
    "CreateSession.Ttl",
    "AC0123456789abcdef0123456789abcdef",
    "SK0123456789abcdef0123456789abcdef",
    "KS0123456789abcdef0123456789abcdef",
    "enforce",
    "off",
];

/// Flow-style YAML of any shape, mostly with known words.
fn tree() -> impl Strategy<Value = String> {
    let word = select(&WORDS[..]).prop_map(str::to_owned);
    let leaf = prop_oneof![4 => word.clone(), 1 => "[ -~]{0,12}"];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let key = word.clone();
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|entries| format!("[{}]", entries.join(", "))),
            vec((key, inner), 0..6).prop_map(|entries| {
                let pairs: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", pairs.join(", "))
            }),
        ]
    })
}

/// Lines of block-style YAML, indented at random.
fn lines() -> impl Strategy<Value = String> {
    let mark = select(&["", "- ", "? ", "\t", "#", "---", "..."][..]);
    let line =
        (0..5_usize, mark, select(&WORDS[..]), select(&[":", ": ", "", ": |"][..]), tree());
    let text = |(depth, mark, key, colon, value): (usize, &str, &str, &str, String)| {
        format!("{}{mark}{key}{colon}{value}\n", "  ".repeat(depth))
    };
    vec(line.prop_map(text), 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        check(&bytes, Vec::new());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        check(text.as_bytes(), vec![("MASKGATE_LIMITS".to_owned(), text.clone())]);
    }

    #[test]
    fn any_tree_is_answered(text in tree(), value in tree(), key in select(&WORDS[..])) {
        let variables = vec![
            (format!("MASKGATE_LIMITS__{}", key.to_uppercase()), value.clone()),
            (format!("MASKGATE_{}", key.to_uppercase()), value),
        ];
        check(text.as_bytes(), variables);
    }

    #[test]
    fn any_lines_are_answered(text in lines()) {
        check(text.as_bytes(), Vec::new());
    }
}

#[test]
fn a_file_of_the_greatest_size_is_answered_whatever_fills_it() {
    for part in
        ["[", "{a: ", "- ", "? ", "!a ", "&a ", "*a ", "\"", "'", "#", "a: &a [*a, *a]\n"]
    {
        check(part.repeat(MAX_FILE / part.len()).as_bytes(), Vec::new());
    }
}

#[test]
fn a_thousand_mistakes_are_answered() {
    for part in ["a:\n", "a: [b, c]\n", "? [a]\n", "- {a: b}\n"] {
        check(part.repeat(1_000).as_bytes(), Vec::new());
    }
    let unknown: Vec<_> = (0..1_100).map(|number| format!("key-{number}: 1\n")).collect();
    check(unknown.concat().as_bytes(), Vec::new());
}

#[test]
fn thousands_of_overrides_are_read_in_one_go() {
    let mut text = "upstream: { url: http://a }\nlimits:\n  overrides:\n".to_owned();
    for number in 0..2_500 {
        let entry =
            format!("  - match: {{service: KS{number:032x}}}\n    rate: {{burst: 1}}\n");
        text.push_str(&entry);
    }
    let policy = Sources::default().compile(Some(text.as_bytes())).unwrap().policy;
    assert_eq!(policy.limits.overrides.iter().count(), 2_500);
}
