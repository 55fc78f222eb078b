//! What differs between a request of HTTP/2 and one of HTTP/1.1 (RFC 9113 §8). Framing, pseudo
//! fields and connection-specific fields are judged by the h2 crate.

use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use http::header;
use http::uri::Scheme;

use crate::ingress::HeadFault;
use crate::ingress::alias::is_alias;
use crate::ingress::head::MAX_FIELDS;
use crate::ingress::head::MAX_TARGET;

/// Turns the head into that of the same request in HTTP/1.1, or says what is wrong with it.
pub fn as_http1<B>(request: &mut Request<B>) -> Result<(), HeadFault> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > MAX_TARGET {
        return Err(HeadFault::TargetTooLong);
    }
    // With an authority there is a scheme; none but these is HTTP (RFC 9113 §8.3.1).
    let (scheme, authority) = (request.uri().scheme(), request.uri().authority());
    let is_http = scheme.is_some_and(|each| *each == Scheme::HTTP || *each == Scheme::HTTPS);
    if authority.is_some() && !is_http {
        return Err(HeadFault::Target);
    }
    let host = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let headers = request.headers_mut();
    if headers.len() > MAX_FIELDS {
        return Err(HeadFault::TooManyFields);
    }
    // The http crate lets a quote pass in names of HTTP/2, which is no name in HTTP/1.1.
    if headers.keys().any(|name| name.as_str().contains('"')) {
        return Err(HeadFault::FieldName);
    }
    if headers.keys().any(|name| is_alias(name.as_str().as_bytes())) {
        return Err(HeadFault::Underscore);
    }
    join_cookies(headers);
    // Where both are there, they have to agree; that is judged with the request's other hosts.
    if let (Some(host), false) = (host, headers.contains_key(header::HOST)) {
        headers.insert(header::HOST, host);
    }
    Ok(())
}

/// HTTP/2 splits `Cookie` at its semicolons; HTTP/1.1 wants one field (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.nth(1).is_none() {
        return;
    }
    let crumbs: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Takes out of an answer what HTTP/2 has no field for (RFC 9113 §8.2.2).
pub fn without_connection_fields(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
}

#[cfg(test)]
mod tests {
    use super::as_http1;
    use crate::ingress::HeadFault;
    use http::Request;

    #[test]
    fn the_authority_becomes_the_host_and_crumbs_one_cookie() {
        let mut request = Request::get("http://a.example/x")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        assert_eq!(as_http1(&mut request), Ok(()));
        assert_eq!(request.headers()["host"], "a.example");
        assert_eq!(
            request.headers().get_all("cookie").iter().collect::<Vec<_>>(),
            ["a=1; b=2"]
        );
    }

    #[test]
    fn sizes_and_aliases_are_those_of_http1() {
        let mut long = Request::get(format!("http://a/{}", "x".repeat(8192))).body(()).unwrap();
        assert_eq!(as_http1(&mut long), Err(HeadFault::TargetTooLong));
        let mut many = Request::get("http://a/").body(()).unwrap();
        for _ in 0..101 {
            many.headers_mut().append("x", "y".parse().unwrap());
        }
        assert_eq!(as_http1(&mut many), Err(HeadFault::TooManyFields));
        let mut alias =
            Request::get("http://a/").header("content_length", "1").body(()).unwrap();
        assert_eq!(as_http1(&mut alias), Err(HeadFault::Underscore));
    }
}
