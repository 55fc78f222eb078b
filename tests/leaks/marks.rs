//! Marked secrets, and every form in which one could turn up somewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a client says that nobody else may read.
pub(crate) const MARKS: [&str; 16] = [
    PASSWORD, TOKEN, NUMBER, TEXT, NAME, FIELD, FIELD_NAME, COOKIE, QUERY, ANSWER, METHOD,
    HOST, PATH, AGENT, ID, FORWARDED,
];
pub(crate) const PASSWORD: &str = "Zq9password1Kx";
pub(crate) const TOKEN: &str = "Zq9token2Kx";
pub(crate) const NUMBER: &str = "15557330199";
pub(crate) const TEXT: &str = "Zq9text3Kx";
pub(crate) const NAME: &str = "Zq9name4Kx";
pub(crate) const FIELD: &str = "Zq9field5Kx";
pub(crate) const FIELD_NAME: &str = "zq9fieldname6kx";
pub(crate) const COOKIE: &str = "Zq9cookie7Kx";
pub(crate) const QUERY: &str = "Zq9query8Kx";
/// Of the upstream's answer.
pub(crate) const ANSWER: &str = "Zq9answer9Kx";
pub(crate) const METHOD: &str = "ZQ9METHOD10KX";
pub(crate) const HOST: &str = "zq9host11kx";
pub(crate) const PATH: &str = "Zq9path12Kx";
pub(crate) const AGENT: &str = "Zq9agent13Kx";
pub(crate) const ID: &str = "Zq9id14Kx";
pub(crate) const FORWARDED: &str = "Zq9forwarded15Kx";

/// The marks that `text` gives away, in whatever form.
pub(crate) fn in_text(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for mark in MARKS {
        let exact = encoded(mark.as_bytes());
        let folded = spelt_out(mark.as_bytes());
        let forms = exact.iter().map(|form| (text, form));
        for (text, form) in forms.chain(folded.iter().map(|form| (lower.as_str(), form))) {
            if text.contains(form.as_str()) {
                found.push(format!("{mark} as {form}"));
            }
        }
    }
    found
}

/// Base64 in both alphabets, wherever in a longer text the mark begins.
fn encoded(mark: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let text = engine.encode([&vec![b'.'; before], mark].concat());
            // The characters that hold nothing but bits of the mark.
            let (begin, end) = ((before * 8).div_ceil(6), (before + mark.len()) * 8 / 6);
            forms.push(text[begin..end].to_owned());
        }
    }
    forms
}

/// In lower case: as it is, in hexadecimal, percent-encoded, and as a list of bytes.
fn spelt_out(mark: &[u8]) -> Vec<String> {
    let join = |form: fn(&u8) -> String, between: &str| {
        mark.iter().map(form).collect::<Vec<_>>().join(between)
    };
    vec![
        String::from_utf8_lossy(mark).to_ascii_lowercase(),
        join(|byte| format!("{byte:02x}"), ""),
        join(|byte| format!("%{byte:02x}"), ""),
        join(|byte| format!("\\x{byte:02x}"), ""),
        join(u8::to_string, ", "),
        join(u8::to_string, ","),
    ]
}

#[test]
fn a_mark_would_be_found_in_every_form() {
    let spelt =
        |form: fn(u8) -> String| PASSWORD.bytes().map(form).collect::<Vec<_>>().concat();
    let basic = STANDARD_NO_PAD.encode(format!("AC1:{PASSWORD}"));
    assert_eq!(in_text(&basic).len(), 2, "both alphabets have it");
    for text in [
        format!("a {PASSWORD} b"),
        PASSWORD.to_uppercase(),
        format!("{:?}", PASSWORD.as_bytes()),
        spelt(|byte| format!("%{byte:02X}")),
        spelt(|byte| format!("{byte:02X}")),
        STANDARD_NO_PAD.encode(PASSWORD),
        STANDARD_NO_PAD.encode(format!("ab{PASSWORD}c")),
    ] {
        assert!(!in_text(&text).is_empty(), "{text}");
    }
    assert!(in_text("zq9").is_empty());
}
