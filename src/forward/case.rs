//! Fields for tests.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

/// A head of these fields; a name may stand there more than once.
pub(super) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}
