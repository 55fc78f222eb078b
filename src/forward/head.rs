//! Which fields cross the gateway? Hop-by-hop fields end here, in both directions.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Uri;
use http::header;
use http_body_util::Full;

use crate::forward::Accept;
use crate::forward::Outgoing;
use crate::forward::caller::X_FORWARDED_FOR;
use crate::forward::caller::X_FORWARDED_HOST;
use crate::forward::caller::X_FORWARDED_PROTO;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Upstream;

/// The name of the field that ties a request's log lines together.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const FORWARDED: HeaderName = header::FORWARDED;
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY_AUTHENTICATION_INFO: HeaderName =
    HeaderName::from_static("proxy-authentication-info");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// RFC 9110 §7.6.1; and what a client and a proxy tell each other of credentials (§11.7), or an
/// upgrade of one connection says of itself (RFC 7540 §3.2.1).
const HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    PROXY_AUTHENTICATION_INFO,
    header::PROXY_AUTHORIZATION,
    HTTP2_SETTINGS,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields by which some frameworks change the method or the path behind the gateway's back.
const OVERRIDES: [HeaderName; 5] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// The request as the upstream gets it: the path, the fields end to end and the body as they
/// came.
pub(super) fn upstream_request(outgoing: Outgoing<'_>) -> Request<Full<Bytes>> {
    let Outgoing { head, body, caller, request_id, accept } = outgoing;
    let mut headers = head.headers;
    strip_hop_by_hop(&mut headers);
    headers.remove(header::EXPECT);
    for name in &OVERRIDES {
        headers.remove(name);
    }
    // However it was framed, the upstream is told the length, of an empty body too (§8.6).
    if !matches!(head.method, Method::GET | Method::HEAD | Method::DELETE) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    // What is said of the client is the caller's: what the request says itself is replaced, and
    // what this gateway does not say is taken away.
    for name in told_by_a_proxy(&headers) {
        headers.remove(name);
    }
    headers.insert(FORWARDED, caller.forwarded.clone());
    headers.insert(X_FORWARDED_FOR, caller.forwarded_for.clone());
    headers.insert(X_FORWARDED_PROTO, caller.proto.clone());
    if let Some(host) = caller.host.as_ref().or_else(|| headers.get(header::HOST)).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.insert(X_REQUEST_ID, request_id);
    if accept == Accept::Identity {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }

    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method;
    *request.uri_mut() =
        head.uri.into_parts().path_and_query.map_or_else(Uri::default, Uri::from);
    *request.headers_mut() = headers;
    request
}

/// Sets `Host` as the policy wants it for this origin.
pub(super) fn set_host(headers: &mut HeaderMap, upstream: &Upstream, origin: &Origin) {
    let host = match &upstream.host {
        // HTTP/1.1 wants one, whatever the client spoke.
        HostHeader::Preserve if headers.contains_key(header::HOST) => return,
        HostHeader::Preserve | HostHeader::Upstream => {
            HeaderValue::from_str(&origin.authority()).ok()
        }
        HostHeader::Name(name) => Some(name.clone()),
    };
    if let Some(host) = host {
        headers.insert(header::HOST, host);
    }
}

/// A copy of a request that may be sent twice: one with a safe method (RFC 9110 §9.2.1).
pub(super) fn copy_of_safe(request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    is_safe.then(|| request.clone())
}

/// Takes out of an answer what was meant for the gateway alone. A length beside a chunked body
/// is taken out too: two readers could frame the answer differently (RFC 9112 §6.3).
pub(super) fn clean_answer(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
}

/// How long the upstream keeps an unused connection, by its own word, less a second for the way.
pub(super) fn keep_alive_limit(headers: &HeaderMap) -> Option<Duration> {
    let field = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let seconds = field.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then_some(value.trim())
    })?;
    Some(Duration::from_secs(seconds.parse::<u64>().ok()?.saturating_sub(1)))
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The fields by which proxies tell each other of a client.
fn told_by_a_proxy(headers: &HeaderMap) -> Vec<HeaderName> {
    let told =
        |name: &&HeaderName| name.as_str().starts_with("x-forwarded-") || **name == X_REAL_IP;
    headers.keys().filter(told).cloned().collect()
}

/// The fields that `Connection` names, without those that it may not take away.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for option in value.as_bytes().split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close")
                || option.eq_ignore_ascii_case(b"keep-alive")
            {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(option)
                && !is_protected(&name)
            {
                named.push(name);
            }
        }
    }
    named
}

fn is_protected(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == header::HOST
        || *name == header::AUTHORIZATION
        || *name == FORWARDED
        || *name == X_REQUEST_ID
        || text.starts_with("content-")
        || text.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::clean_answer;
    use super::keep_alive_limit;
    use super::strip_hop_by_hop;
    use crate::forward::case::headers;
    use http::HeaderMap;
    use http::HeaderName;
    use std::time::Duration;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn hop_by_hop_fields_and_those_that_connection_names_end_here() {
        let mut fields = headers(&[
            ("Connection", "close, X-Secret"),
            ("connection", " x-other ,"),
            ("X-Secret", "1"),
            ("X-Other", "1"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut fields);
        assert_eq!(names(&fields), ["accept"]);
    }

    #[test]
    fn connection_cannot_take_away_what_the_upstream_needs() {
        let named = "Host, Authorization, Content-Length, Content-Type, X-Forwarded-For";
        let mut fields = headers(&[
            ("Connection", named),
            ("Host", "a"),
            ("Authorization", "x"),
            ("Content-Length", "1"),
            ("Content-Type", "x"),
            ("X-Forwarded-For", "x"),
        ]);
        strip_hop_by_hop(&mut fields);
        assert_eq!(fields.len(), 5);
    }

    #[test]
    fn a_length_beside_a_chunked_answer_is_taken_out() {
        let mut fields = headers(&[("Transfer-Encoding", "chunked"), ("Content-Length", "3")]);
        clean_answer(&mut fields);
        assert!(fields.is_empty());
    }

    #[test]
    fn the_upstreams_own_idle_time_is_obeyed_with_a_second_to_spare() {
        let limit = |value| keep_alive_limit(&headers(&[("Keep-Alive", value)]));
        assert_eq!(limit("timeout=5, max=100"), Some(Duration::from_secs(4)));
        assert_eq!(limit("max=3, Timeout = 1"), Some(Duration::ZERO));
        assert_eq!(limit("timeout=abc"), None);
        assert_eq!(keep_alive_limit(&HeaderMap::new()), None);
    }
}
