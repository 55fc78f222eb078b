//! Which answers have links to rewrite, and what of their heads is no longer true then?

use std::sync::Arc;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http::response::Parts;

use crate::links::Relinking;
use crate::media;
use crate::policy::public_url::PublicUrl;

/// Why the links in an answer stay as they are: a closed list for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untouched {
    /// It is not JSON.
    NotJson,
    /// It is compressed, or encoded in another way.
    Encoded,
    /// It is a part of something.
    Partial,
}

impl Untouched {
    /// Every reason, in the order of [`index`](Self::index).
    pub const ALL: [Self; 3] = [Self::NotJson, Self::Encoded, Self::Partial];

    /// A small number for arrays with one place for each reason.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Encoded => "encoded",
            Self::Partial => "partial",
        }
    }
}

/// What describes the very bytes of a content (RFC 9530; RFC 1864, RFC 3230 before it), or says
/// that parts of it can be had.
const OF_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Begins to rewrite an answer and takes out of its head what will not be true any more; none
/// where it has no body, and nothing is to be done.
pub fn begin(
    url: &Arc<PublicUrl>,
    head: &mut Parts,
    is_empty: bool,
) -> Result<Option<Relinking>, Untouched> {
    if is_empty {
        return Ok(None); // its fields are those of an answer with a body (RFC 9110 §9.3.2)
    }
    if head.status == StatusCode::PARTIAL_CONTENT
        || head.headers.contains_key(header::CONTENT_RANGE)
    {
        return Err(Untouched::Partial);
    }
    if !media::is_json(&head.headers) {
        return Err(Untouched::NotJson);
    }
    if !media::is_plain(&head.headers) {
        return Err(Untouched::Encoded);
    }
    take_out_of_bytes(&mut head.headers);
    weaken_tag(&mut head.headers);
    Ok(Some(Relinking::new(Arc::clone(url))))
}

/// Takes out what only holds of the bytes that the upstream sent.
pub(super) fn take_out_of_bytes(fields: &mut HeaderMap) {
    for name in &OF_BYTES {
        fields.remove(name);
    }
}

/// What two gateways make of one text has the same meaning, but not the same bytes (RFC 9110
/// §8.8.1).
fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get_mut(header::ETAG) else { return };
    if !tag.as_bytes().starts_with(b"\"") {
        return;
    }
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        *tag = weak;
    }
}

#[cfg(test)]
mod tests {
    use super::Untouched;
    use super::begin;
    use crate::links::tests::url;
    use http::Response;
    use http::response::Parts;
    use std::sync::Arc;

    fn head(fields: &[(&str, &str)]) -> Parts {
        let mut response = Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    fn judged(fields: &[(&str, &str)]) -> Result<bool, Untouched> {
        begin(&Arc::new(url()), &mut head(fields), false).map(|begun| begun.is_some())
    }

    #[test]
    fn an_answer_of_json_is_rewritten() {
        for media in [
            "application/json",
            "Application/JSON;charset=utf-8",
            "application/json ; charset=UTF-8",
            "application/problem+json",
        ] {
            assert_eq!(judged(&[("content-type", media)]), Ok(true), "{media}");
        }
        let identity =
            [("content-type", "application/json"), ("content-encoding", "Identity, identity")];
        assert_eq!(judged(&identity), Ok(true));
    }

    #[test]
    fn what_is_not_json_or_encoded_or_a_part_stays_as_it_is() {
        let not_json = [
            "text/html",
            "application/jsonp",
            "application/json-seq",
            "text/json",
            "application/xml; a=application/json",
            "",
        ];
        for media in not_json {
            assert_eq!(judged(&[("content-type", media)]), Err(Untouched::NotJson), "{media}");
        }
        assert_eq!(judged(&[]), Err(Untouched::NotJson));
        let json = ("content-type", "application/json");
        assert_eq!(judged(&[json, json]), Err(Untouched::NotJson), "two readers, two types");
        for coding in ["gzip", "identity, br", "x-unknown"] {
            let judged = judged(&[json, ("content-encoding", coding)]);
            assert_eq!(judged, Err(Untouched::Encoded), "{coding}");
        }
        let twice = [json, ("content-encoding", "identity"), ("content-encoding", "gzip")];
        assert_eq!(judged(&twice), Err(Untouched::Encoded));
        let part = [json, ("content-range", "bytes 0-1/2"), ("content-encoding", "gzip")];
        assert_eq!(judged(&part), Err(Untouched::Partial));
        let mut part = head(&[json]);
        part.status = http::StatusCode::PARTIAL_CONTENT;
        let judged = begin(&Arc::new(url()), &mut part, false);
        assert_eq!(judged.unwrap_err(), Untouched::Partial);
    }

    #[test]
    fn what_holds_of_the_upstreams_bytes_alone_is_taken_out() {
        let mut head = head(&[
            ("content-type", "application/json"),
            ("content-length", "17"),
            ("content-md5", "x"),
            ("digest", "x"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("accept-ranges", "bytes"),
            ("etag", "\"abc\""),
            ("last-modified", "x"),
        ]);
        assert!(begin(&Arc::new(url()), &mut head, false).unwrap().is_some());
        let mut left: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "etag", "last-modified"]);
        assert_eq!(head.headers["etag"], "W/\"abc\"");
    }

    #[test]
    fn a_weak_tag_stays_one_and_an_answer_without_a_body_stays_as_it_is() {
        let fields = [("content-type", "application/json"), ("etag", "W/\"abc\"")];
        let mut weak = head(&fields);
        assert!(begin(&Arc::new(url()), &mut weak, false).unwrap().is_some());
        assert_eq!(weak.headers["etag"], "W/\"abc\"");
        let mut empty = head(&[("etag", "\"abc\""), ("content-length", "17")]);
        assert!(begin(&Arc::new(url()), &mut empty, true).unwrap().is_none());
        assert_eq!(empty.headers.len(), 2);
        assert_eq!(empty.headers["etag"], "\"abc\"");
    }
}
