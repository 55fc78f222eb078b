//! Which links are rewritten, and how.

mod properties;

use std::sync::Arc;

use bytes::Bytes;

use crate::links::Rewriter;
use crate::policy::public_url::PublicUrl;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Origins;
use crate::policy::upstream::Scheme;

fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin { scheme, host: host.to_owned(), port }
}

/// `https://public` in place of `http://up:1` and `https://proxy.twilio.com`.
pub(super) fn url() -> PublicUrl {
    let origins =
        vec![origin(Scheme::Http, "up", 1), origin(Scheme::Https, "proxy.twilio.com", 443)];
    let public = origin(Scheme::Https, "public", 443);
    PublicUrl::new(&public, &Origins::from_vec(origins).unwrap(), &HostHeader::Preserve)
}

/// What comes out of these pieces.
fn rewritten(pieces: &[&[u8]]) -> Vec<u8> {
    let mut rewriter = Rewriter::new(Arc::new(url()));
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(rewriter.pass(Bytes::copy_from_slice(piece)));
    }
    out.extend(rewriter.end());
    out
}

/// What comes out of a text, whichever way it is cut in two, and of its single bytes.
fn of(text: &str) -> String {
    let whole = rewritten(&[text.as_bytes()]);
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        assert_eq!(rewritten(&[first, second]), whole, "cut at {cut}");
    }
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(rewritten(&bytes), whole, "byte by byte");
    String::from_utf8(whole).unwrap()
}

/// What comes out of a link to the upstream as the `url` of a resource.
fn link(value: &str) -> String {
    let out = of(&format!("{{\"url\":\"{value}\"}}"));
    out.strip_prefix("{\"url\":\"").unwrap().strip_suffix("\"}").unwrap().to_owned()
}

#[test]
fn a_resources_own_url_and_its_links_are_rewritten() {
    let text = r#"{"sid":"KS","url":"http://up:1/v1/Services/KS", "links" : {
        "sessions":"http://up:1/v1/Services/KS/Sessions",
        "phone_numbers":"https://proxy.twilio.com/v1/Services/KS/PhoneNumbers"}, "n":1.5e3}"#;
    let expected = text
        .replace("http://up:1", "https://public")
        .replace("https://proxy.twilio.com", "https://public");
    assert_eq!(of(text), expected);
}

#[test]
fn the_items_of_a_page_and_its_way_on_are_rewritten() {
    let text = r#"{"sessions":[{"url":"http://up:1/a","links":{"x":"http://up:1/b"}},
        {"links":{},"url":"http://up:1/c"}, {}], "meta":{"key":"sessions","page":0,
        "first_page_url":"http://up:1/?Page=0","next_page_url":"http://up:1?Page=1",
        "previous_page_url":null,"url":"http://up:1/v1"}}"#;
    assert_eq!(of(text), text.replace("http://up:1", "https://public"));
}

#[test]
fn whatever_else_looks_like_a_link_is_none() {
    for text in [
        r#"{"callback_url":"http://up:1/a"}"#,
        r#"{"inbound_resource_url":"http://up:1/a","more_info":"http://up:1/b"}"#,
        r#"{"data":"{\"url\":\"http://up:1/a\"}"}"#,
        r#"{"http://up:1/a":"url","url":["http://up:1/a",{"x":"http://up:1/a"}]}"#,
        r#"{"other":{"url":"http://up:1/a","links":{"a":"http://up:1/b"}}}"#,
        r#"{"links":["http://up:1/a"],"meta":["http://up:1/a"]}"#,
        r#"{"links":{"deeper":{"url":"http://up:1/a"},"list":["http://up:1/a"]}}"#,
        r#"{"list":[{"meta":{"url":"http://up:1/a"},"x":{"links":{"y":"http://up:1/a"}}}]}"#,
        r#"{"list":[["http://up:1/a",[{"url":"http://up:1/a"}]],"http://up:1/b"]}"#,
        r#"{"meta":{"links":{"x":"http://up:1/a"},"page_url":"http://up:1/a","x_page_urls":"http://up:1/a"}}"#,
        r#"{"next_page_url":"http://up:1/a","Url":"http://up:1/a","url ":"http://up:1/a"}"#,
        r#"[{"url":"http://up:1/a","links":{"x":"http://up:1/a"}}]"#,
        r#""http://up:1/a""#,
    ] {
        assert_eq!(of(text), text);
    }
}

#[test]
fn a_link_is_the_upstreams_by_its_scheme_and_its_whole_authority() {
    for (value, expected) in [
        ("http://up:1", "https://public"),
        ("HTTPS://UP:1/A?B=C#D", "https://public/A?B=C#D"),
        ("http://up:1?a", "https://public?a"),
        ("http://up:1#a", "https://public#a"),
        ("https://Proxy.Twilio.Com:443/v1", "https://public/v1"),
        ("http://proxy.twilio.com:80/v1", "https://public/v1"),
        ("http://proxy.twilio.com/http://up:1/", "https://public/http://up:1/"),
    ] {
        assert_eq!(link(value), expected, "{value}");
    }
    for value in [
        "",
        "http",
        "http://",
        "http://u",
        "http://up",
        "http://up:",
        "http://up:2/",
        "http://up:10/",
        "http://up:1.example.com/",
        "http://up:1@evil/",
        "http://u@up:1/",
        "http://xup:1/",
        "http:/up:1/",
        "//up:1/",
        "/v1",
        " http://up:1/",
        "ftp://up:1/",
        "httpss://up:1/",
        "https://proxy.twilio.com.evil/",
        "https://proxy.twilio.comx",
        "http://proxy.twilio.com:8080/",
        "http://up:1\\\\evil",
        "http://up:1\\u0000",
        "http://up:1\\u002e/",
        "http://up:1é",
    ] {
        assert_eq!(link(value), value, "{value}");
    }
}

#[test]
fn escapes_are_understood_in_keys_and_values() {
    for (value, expected) in [
        (r"http:\/\/up:1\/v1\/x", r"https://public\/v1\/x"),
        (r"http:\u002f\u002Fup:1\u002fv1", r"https://public\u002fv1"),
        (r"\u0068TT\u0050://\u0055p:\u0031\u003fx", r"https://public\u003fx"),
        (r"http://up:1/\ud83d\ude95\n\\", r"https://public/\ud83d\ude95\n\\"),
    ] {
        assert_eq!(link(value), expected, "{value}");
    }
    for value in
        [r"\ud83dhttp://up:1/", r"http://\u0175p:1/", r"http://up:1\u012f", r"\nhttp://up:1"]
    {
        assert_eq!(link(value), value, "{value}");
    }
    let text = r#"{"\u0075rl":"http://up:1/","l\u0069nks":{"\"":"http://up:1/"},
        "\u006deta":{"\n_page_\u0075rl":"http://up:1/"}}"#;
    assert_eq!(of(text), text.replace("http://up:1", "https://public"));
}

#[test]
fn from_where_it_is_no_json_a_text_passes_as_it_is() {
    let link = r#""url":"http://up:1/""#;
    for broken in [
        "{\"a\":}",
        "{\"a\" 1,",
        "{,",
        "{1:2,",
        "{\"a\":[1,],",
        "{\"a\":[1}",
        "{\"a\":{]",
        "{\"a\":\"\\x\",",
        "{\"a\":\"\\u12g4\",",
        "{\"a\":\"\n\",",
        "{\"a\":1 2,",
        "{\"a\":_,",
        "{\"a\":1}}",
        "{\"a\":1},",
        "{} {",
        "\u{feff}{",
        "[1]]{",
        "",
        "]",
        "\0{",
    ] {
        let text = format!("{broken}{link}}}");
        assert_eq!(of(&text), text);
    }
    let begun = format!("{{{link}, {link} {link}}}");
    let expected = r#"{"url":"https://public/", "url":"https://public/" "url":"http://up:1/"}"#;
    assert_eq!(of(&begun), expected, "what came before had been rewritten");
    for text in [
        r#"{"url":"http://up:1"#,
        r#"{"url":"http://up:1\"#,
        r#"{"url":"http://up:1\u00"#,
        r#"{"url":"http://up:1\q/"}"#,
        "{\"url\":\"http://up:1\n/\"}",
    ] {
        assert_eq!(of(text), text);
    }
}

#[test]
fn so_many_levels_are_read_and_no_more() {
    let nested = |levels: usize| {
        let (begin, end) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"a\":{begin}{end},\"url\":\"http://up:1/\"}}")
    };
    assert_eq!(of(&nested(127)), nested(127).replace("http://up:1", "https://public"));
    assert_eq!(of(&nested(128)), nested(128));
}

#[test]
fn a_piece_without_a_link_of_the_upstream_is_not_copied() {
    let mut rewriter = Rewriter::new(Arc::new(url()));
    let piece =
        Bytes::from_static(b"{\"a\":1,\"url\":\"http://other/\",\"links\":{\"b\":\"http://u");
    let out = rewriter.pass(piece.clone());
    assert_eq!(out, piece.slice(..piece.len() - 8));
    assert_eq!(out.as_ptr(), piece.as_ptr());
    assert!(!rewriter.is_idle());
    assert_eq!(rewriter.pass(Bytes::from_static(b"x/\"}}")), "http://ux/\"}}");
    assert!(rewriter.is_idle());
}
