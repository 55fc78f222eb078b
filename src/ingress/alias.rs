//! Which names of fields are another's to a framework that reads `-` and `_` as one?

/// Fields that the gateway or the upstream acts upon, as a framework spells them that reads `-`
/// and `_` as one. Every `content_…` and `x_forwarded_…` is meant too.
const ACTED_UPON: [&[u8]; 9] = [
    b"transfer_encoding",
    b"x_http_method_override",
    b"x_http_method",
    b"x_method_override",
    b"x_original_url",
    b"x_rewrite_url",
    b"x_real_ip",
    b"x_request_id",
    b"proxy_connection",
];

/// Whether a field of this name may be taken for one that is acted upon.
pub(super) fn is_alias(name: &[u8]) -> bool {
    if !name.contains(&b'_') {
        return false;
    }
    let folded: Vec<u8> = name
        .iter()
        .map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() })
        .collect();
    folded.starts_with(b"content_")
        || folded.starts_with(b"x_forwarded_")
        || ACTED_UPON.contains(&folded.as_slice())
}
