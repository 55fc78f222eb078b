//! What is a host with a port? The one judgement of `Host` and of its like.
//!
//! **Invariant:** stricter than the grammar of an authority (RFC 3986 §3.2), which allows a user
//! and, in a name, what looks like a list of hosts.

use std::net::Ipv6Addr;

use http::uri::Authority;

/// The host and the port, if any, that `text` consists of: a name or an address (IPv6 in brackets),
/// a colon and at most 65535; none where it is anything else.
pub(crate) fn host_and_port(text: &[u8]) -> Option<Authority> {
    let named = Authority::try_from(text).ok()?;
    (is_host(named.host()) && is_port(behind_host(&named))).then_some(named)
}

/// Whether `text` is a [host and a port](host_and_port).
pub(crate) fn is_host_and_port(text: &[u8]) -> bool {
    is_plain(text) || host_and_port(text).is_some()
}

/// Whether it is what nearly all hosts are, letters, digits, dots and hyphens with a port of at most
/// four digits or none, which can be seen for a tenth of the price.
fn is_plain(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |byte| *byte == b':');
    let host = parts.next().unwrap_or_default();
    let port = parts.next().unwrap_or_default();
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    !host.is_empty()
        && host.iter().all(is_usual)
        && port.len() <= 4
        && port.iter().all(u8::is_ascii_digit)
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        None => !host.is_empty() && !host.contains([',', '[', ']']),
    }
}

/// What stands behind the host; not empty where a user stands before it.
fn behind_host(named: &Authority) -> &str {
    named.as_str().strip_prefix(named.host()).unwrap_or("@")
}

/// Whether it is nothing, or a colon and perhaps a number.
fn is_port(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(':') else { return text.is_empty() };
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits && (digits.is_empty() || digits.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::host_and_port;
    use super::is_plain;
    use proptest::proptest;

    proptest! {
        #[test]
        fn what_is_plain_is_a_host_with_a_port_or_without(text in "[aZ0.:@,-]{0,9}|[a-c]:[0-9]{0,6}") {
            assert!(!is_plain(text.as_bytes()) || host_and_port(text.as_bytes()).is_some());
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        for text in ["a", "a.example.com:8080", "127.0.0.1:1", "[::1]:80", "[::1]", "A", "a:"] {
            assert!(host_and_port(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "", "a b", "a/b", "u@a", "a:b:c", "http://a", "a,b", "a:x", "a:-1", "a:65536",
            ":1", "[]", "[::1]x", "[::1]:x", "[x]", "[::1", "a:1:2", "a,b:1", "a[", "u@[::1]",
        ] {
            assert!(host_and_port(text.as_bytes()).is_none(), "{text}");
        }
    }
}
