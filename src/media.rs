//! What is in an answer's body, as its head says?

use http::HeaderMap;
use http::header;

/// Whether it is `application/json`, or what is made of it (RFC 6839 §3.1), with parameters or
/// without. A body of two types is of none.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let field = field.to_str().unwrap_or_default();
    let media = field.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = media.split_once('/') else { return false };
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

/// Whether it is as it is, not compressed or encoded in another way.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = fields.flat_map(|field| field.as_bytes().split(|&byte| byte == b','));
    codings.all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    })
}

#[cfg(test)]
mod tests {
    use super::is_json;
    use super::is_plain;
    use http::HeaderMap;
    use http::HeaderName;

    fn head(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn json_is_told_by_its_type_alone() {
        for json in
            ["application/json", "Application/JSON;charset=utf-8", "application/hal+json"]
        {
            assert!(is_json(&head("content-type", &[json])), "{json}");
        }
        for other in ["application/jsonp", "text/json", "application/json-seq", "json", ""] {
            assert!(!is_json(&head("content-type", &[other])), "{other}");
        }
        assert!(!is_json(&head("content-type", &["application/json", "text/html"])));
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_body_is_plain_unless_a_coding_says_otherwise() {
        for plain in [&[][..], &["identity"], &["Identity, identity"], &[""]] {
            assert!(is_plain(&head("content-encoding", plain)), "{plain:?}");
        }
        for encoded in [&["gzip"][..], &["identity, br"], &["identity", "gzip"]] {
            assert!(!is_plain(&head("content-encoding", encoded)), "{encoded:?}");
        }
    }
}
