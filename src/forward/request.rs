//! What is the upstream asked? A client's request as bytes: the path, the fields end to end and
//! the body as they came; what is said of the client is this gateway's word.

use std::io::Write;

use http::HeaderValue;
use http::Method;
use http::header::ACCEPT_ENCODING;
use http::header::CONNECTION;
use http::header::CONTENT_LENGTH;
use http::header::HOST;

use crate::forward::Accept;
use crate::forward::Outgoing;
use crate::forward::fields::Hop;
use crate::forward::fields::is_hop_by_hop;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Upstream;

/// Writes the head of a request to this origin behind what is in `out`.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    outgoing: &Outgoing<'_>,
    upstream: &Upstream,
    origin: &Origin,
) {
    let Outgoing { head, body, caller, request_id, accept } = outgoing;
    let headers = &head.headers;
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(
        head.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes(),
    );
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let own_host = headers.get(HOST);
    write_host(out, own_host, upstream, origin);

    let mut hop = Hop::default();
    for value in headers.get_all(CONNECTION) {
        hop.add(value.as_bytes());
    }
    let is_replaced = |name| *accept == Accept::Identity && name == ACCEPT_ENCODING;
    for (name, value) in headers {
        if !ends_here(name.as_str()) && !hop.named.contains(name) && !is_replaced(name) {
            write_field(out, name.as_str(), value.as_bytes());
        }
    }
    if *accept == Accept::Identity {
        write_field(out, "accept-encoding", b"identity");
    }
    // However it was framed, the upstream is told the length, of an empty body too (§8.6).
    let has_no_body = matches!(head.method, Method::GET | Method::HEAD | Method::DELETE);
    if !has_no_body || !body.is_empty() || headers.contains_key(CONTENT_LENGTH) {
        // Writing to memory cannot fail.
        drop(write!(out, "content-length: {}\r\n", body.len()));
    }
    write_field(out, "forwarded", caller.forwarded.as_bytes());
    write_field(out, "x-forwarded-for", caller.forwarded_for.as_bytes());
    write_field(out, "x-forwarded-proto", caller.proto.as_bytes());
    if let Some(host) = caller.host.as_ref().or(own_host) {
        write_field(out, "x-forwarded-host", host.as_bytes());
    }
    write_field(out, "x-request-id", request_id.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `Host` as the policy wants it for this origin.
fn write_host(
    out: &mut Vec<u8>,
    own: Option<&HeaderValue>,
    upstream: &Upstream,
    origin: &Origin,
) {
    match (&upstream.host, own) {
        (HostHeader::Preserve, Some(own)) => write_field(out, "host", own.as_bytes()),
        (HostHeader::Name(name), _) => write_field(out, "host", name.as_bytes()),
        // HTTP/1.1 wants one, whatever the client spoke.
        (HostHeader::Preserve, None) | (HostHeader::Upstream, _) => {
            write_field(out, "host", origin.authority().as_bytes());
        }
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a client's field stays here, by its name: one for this hop alone, one that the gateway
/// writes itself, one by which proxies tell each other of a client, or one by which some
/// frameworks change the method or the path behind the gateway's back.
fn ends_here(name: &str) -> bool {
    is_hop_by_hop(name)
        || matches!(
            name,
            "host" | "content-length" | "expect" | "forwarded" | "x-real-ip" | "x-request-id"
        )
        || matches!(
            name,
            "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
                | "x-original-url"
                | "x-rewrite-url"
        )
        || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::write_head;
    use crate::forward::Accept;
    use crate::forward::Caller;
    use crate::forward::Outgoing;
    use crate::policy::upstream::HostHeader;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use crate::policy::upstream::Upstream;
    use bytes::Bytes;
    use http::HeaderValue;
    use http::Request;

    const CLIENT: &str = "Forwarded: for=203.0.113.7;proto=http\r\n\
                          X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\n";

    /// What the upstream is sent for a request with these fields.
    fn head(line: &str, fields: &[(&str, &str)], body: &'static str) -> String {
        head_as(HostHeader::Preserve, Accept::Any, line, fields, body)
    }

    fn head_as(
        host: HostHeader,
        accept: Accept,
        line: &str,
        fields: &[(&str, &str)],
        body: &'static str,
    ) -> String {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let caller = Caller::new("203.0.113.7".parse().unwrap(), Scheme::Http);
        let outgoing = Outgoing {
            head: Box::new(request.body(()).unwrap().into_parts().0),
            body: Bytes::from_static(body.as_bytes()),
            caller: &caller,
            request_id: HeaderValue::from_static("1"),
            accept,
        };
        let origin = Origin { scheme: Scheme::Http, host: "backend".to_owned(), port: 9000 };
        let upstream = Upstream { host, ..Upstream::plain(origin.clone()) };
        let mut out = Vec::new();
        write_head(&mut out, &outgoing, &upstream, &origin);
        String::from_utf8(out).unwrap()
    }

    /// The head that is sent, from its line to its last fields.
    fn expected(begin: &str, forwarded_host: &str) -> String {
        let client = CLIENT.to_lowercase();
        format!("{begin}{client}{forwarded_host}x-request-id: 1\r\n\r\n")
    }

    #[test]
    fn fields_go_on_as_they_came_in_their_order() {
        let fields = [
            ("Accept", "*/*"),
            ("Host", "a"),
            ("X-One", "1"),
            ("Accept", "b"),
            ("X-Odd", "é\t"),
        ];
        assert_eq!(
            head("GET /v1/Services?A=%20b&c", &fields, ""),
            expected(
                "GET /v1/Services?A=%20b&c HTTP/1.1\r\nhost: a\r\naccept: */*\r\naccept: b\r\n\
                 x-one: 1\r\nx-odd: é\t\r\n",
                "x-forwarded-host: a\r\n"
            )
        );
    }

    #[test]
    fn what_is_for_this_hop_or_the_gateways_own_word_stays_here() {
        let fields = [
            ("Host", "a"),
            ("Connection", "close, X-Secret"),
            ("connection", " x-other ,"),
            ("X-Secret", "1"),
            ("X-Other", "1"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Trailer", "X-Sum"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("Proxy-Authorization", "x"),
            ("Proxy-Connection", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Expect", "100-continue"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-HTTP-Method", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("X-Original-URL", "/"),
            ("X-Rewrite-URL", "/"),
            ("Forwarded", "for=6.6.6.6"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Port", "1"),
            ("X-Real-IP", "6.6.6.6"),
            ("X-Request-Id", "2"),
            ("Accept", "*/*"),
        ];
        let begin = "DELETE /v1 HTTP/1.1\r\nhost: a\r\naccept: */*\r\n";
        let expected = expected(begin, "x-forwarded-host: a\r\n");
        assert_eq!(head("DELETE /v1", &fields, ""), expected);
    }

    #[test]
    fn connection_cannot_take_away_what_the_upstream_needs() {
        let fields = [
            ("Host", "a"),
            ("Connection", "Host, Authorization, Content-Length, Content-Type, X-Request-Id"),
            ("Authorization", "x"),
            ("Content-Type", "y"),
        ];
        let begin = "POST / HTTP/1.1\r\nhost: a\r\nauthorization: x\r\ncontent-type: y\r\n\
                     content-length: 3\r\n";
        assert_eq!(head("POST /", &fields, "A=1"), expected(begin, "x-forwarded-host: a\r\n"));
    }

    #[test]
    fn the_length_is_that_of_the_body_whatever_the_client_said() {
        for (line, fields, body, length) in [
            ("POST /", &[("Content-Length", "7")][..], "A=1", Some(3)),
            ("POST /", &[], "", Some(0)),
            ("PUT /", &[("Transfer-Encoding", "chunked")], "A", Some(1)),
            ("GET /", &[], "", None),
            ("HEAD /", &[], "", None),
            ("DELETE /", &[("Content-Length", "0")], "", Some(0)),
        ] {
            let head = head(line, fields, body);
            let lengths: Vec<_> = head.matches("content-length").collect();
            assert_eq!(lengths.len(), usize::from(length.is_some()), "{head}");
            let said =
                length.map_or_else(String::new, |length| format!("length: {length}\r\n"));
            assert!(head.contains(&said), "{head}");
        }
    }

    #[test]
    fn host_is_preserved_replaced_or_named() {
        let named = HostHeader::Name(HeaderValue::from_static("b"));
        for (host, own, sent) in [
            (HostHeader::Preserve, Some("a"), "a"),
            (HostHeader::Preserve, None, "backend:9000"),
            (HostHeader::Upstream, Some("a"), "backend:9000"),
            (named, Some("a"), "b"),
        ] {
            let fields: Vec<_> = own.map(|own| ("host", own)).into_iter().collect();
            let told =
                own.map_or_else(String::new, |own| format!("x-forwarded-host: {own}\r\n"));
            let begin = format!("GET / HTTP/1.1\r\nhost: {sent}\r\n");
            assert_eq!(
                head_as(host, Accept::Any, "GET http://a", &fields, ""),
                expected(&begin, &told)
            );
        }
    }

    #[test]
    fn an_answer_that_the_gateway_reads_is_asked_for_without_a_coding() {
        let fields = [("Host", "a"), ("Accept-Encoding", "gzip"), ("Accept", "*/*")];
        let begin = "GET / HTTP/1.1\r\nhost: a\r\n";
        let forwarded = "x-forwarded-host: a\r\n";
        let any = format!("{begin}accept-encoding: gzip\r\naccept: */*\r\n");
        assert_eq!(head("GET /", &fields, ""), expected(&any, forwarded));
        let none = format!("{begin}accept: */*\r\naccept-encoding: identity\r\n");
        let head = head_as(HostHeader::Preserve, Accept::Identity, "GET /", &fields, "");
        assert_eq!(head, expected(&none, forwarded));
    }
}
