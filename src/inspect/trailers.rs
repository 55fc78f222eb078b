//! May these fields stand behind a body? They are never passed on, but one that belongs to the
//! head shows that somebody reads the message differently (RFC 9110 §6.5.1).

use http::HeaderMap;
use http::HeaderName;
use http::header;

/// Framing, routing, authentication, the format of the body, and requests about the connection.
const OF_THE_HEAD: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::MAX_FORWARDS,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether all of them may. HTTP/2 hides pseudo fields, which may not, from us: where there is
/// nothing else, nothing is left (RFC 9113 §8.1).
pub(super) fn are_harmless(trailers: &HeaderMap) -> bool {
    let is_of_the_head = |name: &HeaderName| {
        let text = name.as_str();
        OF_THE_HEAD.contains(name)
            || text.starts_with("content-")
            || text.starts_with("x-forwarded-")
            || text.contains("method-override")
    };
    !trailers.is_empty() && !trailers.keys().any(is_of_the_head)
}

#[cfg(test)]
mod tests {
    use super::are_harmless;
    use http::HeaderMap;
    use http::HeaderName;
    use http::HeaderValue;

    #[test]
    fn what_belongs_to_the_head_may_not_stand_behind_the_body() {
        let with = |names: &[&'static str]| {
            let named = names.iter().map(|name| HeaderName::from_static(name));
            named.map(|name| (name, HeaderValue::from_static("x"))).collect::<HeaderMap>()
        };
        assert!(are_harmless(&with(&["x-checksum"])));
        for name in ["content-length", "host", "authorization", "x-forwarded-for", "te"] {
            assert!(!are_harmless(&with(&["x-checksum", name])), "{name}");
        }
        assert!(!are_harmless(&HeaderMap::new()));
    }
}
