//! Which headers are requests of the gateway's own sent with? Lines of a file, `name: value` each,
//! as `curl -H @FILE` takes them: a place for credentials that is not the configuration.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

/// Those that say how a request is framed, or whom it is for.
const OWN: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// Why a file has no headers in it. It quotes none of it.
#[derive(Debug, thiserror::Error)]
pub enum BadHeaders {
    /// A line is no `name: value`.
    #[error("line {0} is no `name: value`")]
    Line(usize),
    /// There is no line at all, as while it is being written.
    #[error("no line is a `name: value`")]
    None,
    /// A line is one of the gateway's own.
    #[error("line {0} sets a header that the gateway sets itself")]
    Own(usize),
}

/// Reads the text of one. Blank lines, and those that begin with `#`, say nothing.
pub fn parse(text: &str) -> Result<HeaderMap, BadHeaders> {
    let mut headers = HeaderMap::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = header(line).ok_or(BadHeaders::Line(number))?;
        if OWN.contains(&name.as_str()) {
            return Err(BadHeaders::Own(number));
        }
        headers.try_append(name, value).map_err(|_| BadHeaders::Line(number))?;
    }
    if headers.is_empty() { Err(BadHeaders::None) } else { Ok(headers) }
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn each_line_is_a_header_but_blank_ones_and_comments() {
        let headers = parse("# who\n\nAuthorization: Bearer a:b \r\nx-team:  one\n").unwrap();
        assert_eq!(headers.len(), 2);
        assert_eq!(
            ["authorization", "x-team"].map(|name| headers[name].to_str().unwrap()),
            ["Bearer a:b", "one"]
        );
        assert!(!format!("{headers:?}").contains("Bearer"));
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number_and_not_quoted() {
        for (text, told) in [
            (" \n# secret", "no line is a `name: value`"),
            ("\nBearer secret", "line 2 is no `name: value`"),
            ("a b: secret", "line 1 is no `name: value`"),
            ("a: \u{7}", "line 1 is no `name: value`"),
            ("# x\nHost: secret", "line 2 sets a header that the gateway sets itself"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), told);
        }
    }
}
