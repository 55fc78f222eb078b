//! `/status`: the whole gateway on one page for a person, in a browser.
//!
//! **Invariant:** the page is a constant. Its script asks the other pages of this listener and nobody
//! else, which its Content-Security-Policy holds it to, and makes text of what they say, never
//! markup.

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Full;

use crate::page::page;
use crate::policy::endpoint::Endpoint;

/// Where it is.
pub(super) const PATH: &str = "/status";
const PAGE: &str = include_str!("page.html");
/// What the page has in the place of the list of endpoints.
const ENDPOINTS: &str = "<!-- endpoints -->";
/// Which endpoint the form begins with.
const FIRST: Endpoint = Endpoint::CreateSession;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");

/// What the page loads.
const FILES: [(&str, HeaderValue, &str); 5] = [
    ("/status/page.css", CSS, include_str!("page.css")),
    ("/status/main.js", SCRIPT, include_str!("main.js")),
    ("/status/scrape.js", SCRIPT, include_str!("scrape.js")),
    ("/status/draw.js", SCRIPT, include_str!("draw.js")),
    ("/status/explain.js", SCRIPT, include_str!("explain.js")),
];

/// Everything from here, nothing from elsewhere, nothing that stands in the page itself but its
/// icon, and in nobody's frame.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The page or one of its files; none where the path is another one.
pub(super) fn answer(path: &str) -> Option<Response<Full<Bytes>>> {
    if path == PATH {
        return Some(with_headers(page(StatusCode::OK, HTML, html())));
    }
    let (_, content_type, text) = FILES.into_iter().find(|(file, ..)| *file == path)?;
    Some(with_headers(page(StatusCode::OK, content_type, text)))
}

/// Whether it is a browser that asks.
pub(super) fn is_for(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|types| types.contains("text/html"))
}

/// Where a browser is sent that asks for `/`; everybody else gets a list of the pages there.
pub(super) fn instead_of_index() -> Response<Full<Bytes>> {
    let mut response = page(StatusCode::SEE_OTHER, HTML, "<a href=status>status</a>\n");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("status"));
    response
}

fn html() -> String {
    let option = |endpoint: Endpoint| {
        let selected = if endpoint == FIRST { " selected" } else { "" };
        format!("<option{selected}>{endpoint}</option>")
    };
    PAGE.replace(ENDPOINTS, &Endpoint::ALL.map(option).concat())
}

fn with_headers(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::FILES;
    use super::PAGE;
    use super::answer;
    use super::html;
    use crate::policy::endpoint::Endpoint;

    #[test]
    fn the_page_names_every_endpoint_once() {
        for endpoint in Endpoint::ALL {
            assert_eq!(html().matches(&format!(">{endpoint}</option>")).count(), 1);
        }
    }

    #[test]
    fn every_file_that_is_asked_for_is_there() {
        let texts = FILES.into_iter().map(|(.., text)| text).chain([PAGE]);
        for name in texts.flat_map(|text| text.split('"')) {
            let file = name.strip_prefix("./").or_else(|| name.strip_prefix("status/"));
            if let Some(file) = file {
                assert!(answer(&format!("/status/{file}")).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn nothing_leads_elsewhere_and_nothing_makes_markup_of_text() {
        for (name, _, text) in FILES.into_iter().chain([("page", super::HTML, PAGE)]) {
            for word in ["innerHTML", "insertAdjacent", "document.write", "eval(", "https:"] {
                assert!(!text.contains(word), "{name} has {word}");
            }
            // A namespace is a name, and no address.
            let links = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!links.contains("//") || !links.contains("http:"), "{name}");
        }
    }
}
