//! An answer whose links are rewritten is the same answer: however it was cut, and but for
//! addresses of the upstream where links are.

use std::sync::Arc;

use bytes::Bytes;
use maskgate::links::Rewriter;
use maskgate::policy::public_url::PublicUrl;
use maskgate::policy::upstream::HostHeader;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Origins;
use maskgate::policy::upstream::Scheme;
use serde_json::Value;

use crate::seeds;

const WORDS: [&[u8]; 34] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\\\\",
    b"\\/",
    b"\\\"",
    b"\\u",
    b"\\u002f",
    b"\\u0075",
    b"\\ud83d",
    b"\xc3\xa9",
    b"\xff",
    b"\n",
    b" ",
    b"/",
    b"?",
    b"#",
    b"@",
    b"null",
    b"1e9",
    b"\"url\":",
    b"\"links\":{",
    b"\"meta\":{",
    b"_page_url",
    b"http",
    b"HTTPS://Up:1",
    b"http://up:1",
    b"://proxy.twilio.com",
    b":443",
];

fn seeds() -> Vec<Vec<u8>> {
    seeds::lines(include_str!("../seeds/links.txt"))
}

/// `https://public` in place of `http://up:1` and `https://proxy.twilio.com`.
fn url() -> Arc<PublicUrl> {
    let origin = |scheme, host: &str, port| Origin { scheme, host: host.to_owned(), port };
    let origins =
        vec![origin(Scheme::Http, "up", 1), origin(Scheme::Https, "proxy.twilio.com", 443)];
    let public = origin(Scheme::Https, "public", 443);
    let origins = Origins::from_vec(origins).unwrap();
    Arc::new(PublicUrl::new(&public, &origins, &HostHeader::Preserve))
}

fn rewritten(url: &Arc<PublicUrl>, text: &[u8], lengths: &[u8]) -> Vec<u8> {
    let mut rewriter = Rewriter::new(Arc::clone(url));
    let mut out = Vec::new();
    let mut rest = text;
    for length in lengths {
        let (piece, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        out.extend(rewriter.pass(Bytes::copy_from_slice(piece)));
        rest = behind;
    }
    out.extend(rewriter.pass(Bytes::copy_from_slice(rest)));
    out.extend(rewriter.end());
    out
}

/// Whether `after` is what a link of the upstream became.
fn is_relinked(url: &PublicUrl, before: &str, after: &str) -> bool {
    let Some(rest) = after.strip_prefix(url.as_str()) else { return false };
    let ends_an_authority = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    let address = before.strip_suffix(rest).map(str::to_ascii_lowercase);
    ends_an_authority && address.is_some_and(|address| url.replaced().contains(&address))
}

/// The two are equal but for links, of which `key` may be one's.
fn compare(url: &PublicUrl, key: &str, levels: usize, before: &Value, after: &Value) {
    match (before, after) {
        (Value::String(before), Value::String(after)) => {
            let is_key = key == "url" || key.ends_with("_page_url") || key == "links";
            let is_relinked = is_key && levels <= 4 && is_relinked(url, before, after);
            assert!(before == after || is_relinked, "{before} became {after}");
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(after) {
                compare(url, "", levels + 1, before, after);
            }
        }
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()));
            for ((own, before), after) in before.iter().zip(after.values()) {
                let key = if key == "links" && before.is_string() { key } else { own };
                compare(url, key, levels + 1, before, after);
            }
        }
        (before, after) => assert_eq!(before, after),
    }
}

fn holds(url: &Arc<PublicUrl>, text: &[u8], lengths: &[u8]) {
    let whole = rewritten(url, text, &[]);
    assert_eq!(rewritten(url, text, lengths), whole, "{} cut", text.escape_ascii());
    let parsed = (serde_json::from_slice(text), serde_json::from_slice(&whole));
    if let (Ok(before), after) = parsed {
        compare(url, "", 0, &before, &after.unwrap());
    }
    let has_address = |text: &[u8]| {
        let text = text.to_ascii_lowercase();
        text.windows(4)
            .any(|part| part == b"up:1" || part == b"oxy." || part.starts_with(b"\\u"))
    };
    assert!(has_address(text) || whole == text, "{}", text.escape_ascii());
}

#[test]
fn a_text_whose_links_are_rewritten_is_the_same_text() {
    let (url, seeds) = (url(), seeds());
    for seed in &seeds {
        holds(&url, seed, &[1; 40]);
    }
    seeds::fuzz!(2 * seeds::MOST_CHOICES, |choices: &[u8]| {
        let (text, lengths) = seeds::changed(&seeds, &WORDS, choices);
        holds(&url, &text, lengths);
    });
}
