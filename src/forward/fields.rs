//! Which fields cross the gateway? Hop-by-hop fields end here, in both directions.

use std::time::Duration;

use http::HeaderName;

/// The name of the field that ties a request's log lines together.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a field ends here by its name, which is in small letters: RFC 9110 §7.6.1; and what a
/// client and a proxy tell each other of credentials (§11.7), or an upgrade of one connection
/// says of itself (RFC 7540 §3.2.1).
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "http2-settings"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// What `Connection` says in all its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    /// `close` is among it.
    pub(super) closes: bool,
    /// `keep-alive` is among it.
    pub(super) keeps_alive: bool,
    /// The fields that it names, without those that it may not take away.
    pub(super) named: Vec<HeaderName>,
}

impl Hop {
    /// Takes note of one value.
    pub(super) fn add(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keeps_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(option)
                && !is_protected(name.as_str())
            {
                self.named.push(name);
            }
        }
    }
}

fn is_protected(name: &str) -> bool {
    // The gateway's own place in a trace too, which is written over the client's.
    matches!(
        name,
        "host" | "authorization" | "forwarded" | "x-request-id" | "traceparent" | "tracestate"
    ) || name.starts_with("content-")
        || name.starts_with("x-forwarded-")
}

/// How long the upstream keeps an unused connection, by what `Keep-Alive` says, less a second for
/// the way.
pub(super) fn keep_alive_limit(value: &[u8]) -> Option<Duration> {
    let seconds = str::from_utf8(value).ok()?.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then_some(value.trim())
    })?;
    Some(Duration::from_secs(seconds.parse::<u64>().ok()?.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::Hop;
    use super::is_hop_by_hop;
    use super::keep_alive_limit;
    use http::HeaderName;
    use std::time::Duration;

    fn hop(values: &[&str]) -> Hop {
        let mut hop = Hop::default();
        for value in values {
            hop.add(value.as_bytes());
        }
        hop
    }

    #[test]
    fn connection_names_fields_and_says_whether_it_ends() {
        let hop = hop(&["Close, X-Secret", " x-other ,", "b@d, te"]);
        assert!(hop.closes && !hop.keeps_alive);
        let names: Vec<_> = hop.named.iter().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-secret", "x-other", "te"]);
    }

    #[test]
    fn connection_cannot_take_away_what_is_needed() {
        let named = "Host, Authorization, Content-Length, Content-Type, X-Forwarded-For, \
                     Forwarded, X-Request-Id, Keep-Alive";
        assert_eq!(hop(&[named]), Hop { keeps_alive: true, ..Hop::default() });
    }

    #[test]
    fn a_field_of_one_hop_is_known_by_its_name() {
        assert!(is_hop_by_hop("te") && is_hop_by_hop("transfer-encoding"));
        assert!(!is_hop_by_hop("accept") && !is_hop_by_hop("content-length"));
    }

    #[test]
    fn the_upstreams_own_idle_time_is_obeyed_with_a_second_to_spare() {
        let limit = |value: &str| keep_alive_limit(value.as_bytes());
        assert_eq!(limit("timeout=5, max=100"), Some(Duration::from_secs(4)));
        assert_eq!(limit("max=3, Timeout = 1"), Some(Duration::ZERO));
        assert_eq!(limit("timeout=abc"), None);
        assert_eq!(limit(""), None);
    }
}
