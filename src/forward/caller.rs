//! Who sent a request, as the upstream is told and as the log has it?
//!
//! **Invariant:** what a proxy says counts only if the policy trusts its address, and then only
//! as far as it is well-formed. Whatever anybody else says of a client is replaced.

use std::borrow::Cow;
use std::net::IpAddr;
use std::net::SocketAddr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header::FORWARDED;

use crate::authority::is_host_and_port;
use crate::policy::networks::Networks;
use crate::policy::upstream::Scheme;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who sent a request. Made once a connection, and again for each request that a trusted proxy
/// passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    address: IpAddr,
    pub(super) proto: HeaderValue,
    pub(super) forwarded_for: HeaderValue,
    pub(super) forwarded: HeaderValue,
    /// What the client asked for; none: what `Host` says.
    pub(super) host: Option<HeaderValue>,
}

impl Caller {
    /// The client at this address, that speaks `scheme`.
    pub fn new(address: IpAddr, scheme: Scheme) -> Self {
        let proto = HeaderValue::from_static(scheme.as_str());
        let forwarded = format!("{};proto={}", node(address), scheme.as_str());
        Self {
            address,
            proto,
            forwarded_for: value(&address.to_string()),
            forwarded: value(&forwarded),
            host: None,
        }
    }

    /// The client's address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Who sent a request with these fields over this caller's connection: where it is a
    /// `trusted` proxy, who that says.
    ///
    /// The client's address is the last one of `X-Forwarded-For` that is not trusted itself,
    /// or the first where all are. What stands before a malformed entry is cut off with it.
    pub fn told(&self, headers: &HeaderMap, trusted: &Networks) -> Cow<'_, Self> {
        if !trusted.contains(self.address) {
            return Cow::Borrowed(self);
        }
        let told = addresses(headers);
        let stranger = told.iter().rev().find(|address| !trusted.contains(**address));
        let address = stranger.or_else(|| told.first()).copied().unwrap_or(self.address);
        Cow::Owned(Self {
            address,
            proto: proto(headers).unwrap_or_else(|| self.proto.clone()),
            forwarded_for: appended(told.iter().map(IpAddr::to_string), &self.forwarded_for),
            forwarded: match forwarded(headers) {
                Some(elements) => appended(elements.into_iter(), &self.forwarded),
                None => appended(told.iter().copied().map(node), &self.forwarded),
            },
            host: host(headers),
        })
    }
}

/// RFC 7239 §6 wants IPv6 in brackets and quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// A list with one more element at its end.
fn appended(list: impl Iterator<Item = String>, last: &HeaderValue) -> HeaderValue {
    let last = last.to_str().unwrap_or_default().to_owned();
    value(&list.chain([last]).collect::<Vec<_>>().join(", "))
}

/// The addresses of `X-Forwarded-For` behind its last malformed entry.
fn addresses(headers: &HeaderMap) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        for entry in line.as_bytes().split(|&byte| byte == b',') {
            match address(entry.trim_ascii()) {
                Some(address) => addresses.push(address),
                None => addresses.clear(),
            }
        }
    }
    addresses
}

/// An address, with a port or without.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The only value of a field, where there is one.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn proto(headers: &HeaderMap) -> Option<HeaderValue> {
    let told = single(headers, X_FORWARDED_PROTO)?.as_bytes();
    [Scheme::Http, Scheme::Https]
        .map(Scheme::as_str)
        .into_iter()
        .find(|known| told.eq_ignore_ascii_case(known.as_bytes()))
        .map(HeaderValue::from_static)
}

fn host(headers: &HeaderMap) -> Option<HeaderValue> {
    single(headers, X_FORWARDED_HOST).filter(|told| is_host_and_port(told.as_bytes())).cloned()
}

/// The lines of `Forwarded`, where all of them are well-formed (RFC 7239 §4).
fn forwarded(headers: &HeaderMap) -> Option<Vec<String>> {
    let lines = headers.get_all(FORWARDED).iter();
    let lines = lines.map(|line| line.to_str().ok().filter(|text| is_forwarded(text)));
    let lines: Vec<_> = lines.map(|line| line.map(str::to_owned)).collect::<Option<_>>()?;
    (!lines.is_empty()).then_some(lines)
}

/// Elements between commas, each of pairs between semicolons.
fn is_forwarded(line: &str) -> bool {
    let mut rest = line;
    loop {
        let Some(behind) = pair(rest.trim_start_matches([' ', '\t'])) else { return false };
        let behind = behind.trim_start_matches([' ', '\t']);
        if behind.is_empty() {
            return true;
        }
        let Some(next) = behind.strip_prefix([',', ';']) else { return false };
        rest = next;
    }
}

/// What stands behind a pair of a token and a token or quoted string.
fn pair(text: &str) -> Option<&str> {
    let value = token(text)?.strip_prefix('=')?;
    let Some(mut quoted) = value.strip_prefix('"') else { return token(value) };
    loop {
        let (end, found) = quoted.char_indices().find(|(_, c)| matches!(c, '"' | '\\'))?;
        let behind = quoted.get(end.saturating_add(1)..)?;
        if found == '"' {
            return Some(behind);
        }
        let mut escaped = behind.chars();
        escaped.next()?;
        quoted = escaped.as_str();
    }
}

/// What stands behind a token of one character at least.
fn token(text: &str) -> Option<&str> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let behind = text.trim_start_matches(is_token);
    (behind.len() < text.len()).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::Caller;
    use crate::forward::case::headers;
    use crate::policy::networks::Networks;
    use crate::policy::upstream::Scheme;

    /// Who a request is from that a proxy of 10.0.0.0/8, at 10.0.0.1, sends with these fields.
    fn told(fields: &[(&str, &str)]) -> Caller {
        let trusted = Networks::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let proxy = Caller::new("10.0.0.1".parse().unwrap(), Scheme::Http);
        proxy.told(&headers(fields), &trusted).into_owned()
    }

    fn address(forwarded_for: &str) -> String {
        told(&[("x-forwarded-for", forwarded_for)]).address().to_string()
    }

    #[test]
    fn an_ipv6_client_is_named_in_brackets_and_quotes() {
        let caller = Caller::new("2001:db8::1".parse().unwrap(), Scheme::Http);
        assert_eq!(caller.forwarded, "for=\"[2001:db8::1]\";proto=http");
        assert_eq!(caller.forwarded_for, "2001:db8::1");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_trusted() {
        assert_eq!(address("203.0.113.7"), "203.0.113.7");
        assert_eq!(address("6.6.6.6, 203.0.113.7, 10.0.0.9,10.0.0.8"), "203.0.113.7");
        assert_eq!(address("10.0.0.9, 10.0.0.8"), "10.0.0.9", "the first where all are");
        assert_eq!(address("203.0.113.7:56324"), "203.0.113.7");
        assert_eq!(address("[2001:db8::9]:56324, 10.0.0.8"), "2001:db8::9");
        assert_eq!(address("[2001:db8::9]"), "2001:db8::9");
        assert_eq!(address("::ffff:203.0.113.7"), "203.0.113.7");
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(told(&lines).address().to_string(), "203.0.113.7");
    }

    #[test]
    fn what_stands_before_a_malformed_entry_is_cut_off_with_it() {
        for (list, client, rest) in [
            ("6.6.6.6, localhost, 203.0.113.7", "203.0.113.7", "203.0.113.7, 10.0.0.1"),
            ("6.6.6.6, unknown", "10.0.0.1", "10.0.0.1"),
            ("6.6.6.6,", "10.0.0.1", "10.0.0.1"),
            ("", "10.0.0.1", "10.0.0.1"),
            ("6.6.6.6.6", "10.0.0.1", "10.0.0.1"),
        ] {
            let caller = told(&[("x-forwarded-for", list)]);
            assert_eq!(caller.address().to_string(), client, "{list}");
            assert_eq!(caller.forwarded_for, rest, "{list}");
        }
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_the_proxy_is_named_behind_it() {
        let caller = told(&[
            ("x-forwarded-for", "203.0.113.7, 10.0.0.9"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "api.example.com:8443"),
            ("forwarded", "For=\"[2001:db8::9]:4711\";proto=https , for=_hidden"),
        ]);
        assert_eq!(caller.forwarded_for, "203.0.113.7, 10.0.0.9, 10.0.0.1");
        assert_eq!(caller.proto, "https");
        assert_eq!(caller.host.unwrap(), "api.example.com:8443");
        let forwarded = "For=\"[2001:db8::9]:4711\";proto=https , for=_hidden, \
                         for=10.0.0.1;proto=http";
        assert_eq!(caller.forwarded, forwarded);
    }

    #[test]
    fn without_forwarded_it_is_made_of_the_addresses() {
        let caller = told(&[("x-forwarded-for", "2001:db8::9, 10.0.0.9")]);
        let forwarded = "for=\"[2001:db8::9]\", for=10.0.0.9, for=10.0.0.1;proto=http";
        assert_eq!(caller.forwarded, forwarded);
    }

    #[test]
    fn a_malformed_field_is_replaced() {
        for forwarded in
            ["for", "for=", "for=\"a", "for=a b", "=a", "for=a;;by=b", ",", "for=a,"]
        {
            let caller = told(&[("forwarded", forwarded)]);
            assert_eq!(caller.forwarded, "for=10.0.0.1;proto=http", "{forwarded}");
        }
        for proto in ["ftp", "https, http", ""] {
            assert_eq!(told(&[("x-forwarded-proto", proto)]).proto, "http", "{proto}");
        }
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")];
        assert_eq!(told(&twice).proto, "http");
        for host in ["a b", "a, b", "a,b", "user@a", "", "a/b", "a:x", "a:65536", "[::1", "[x]"]
        {
            assert_eq!(told(&[("x-forwarded-host", host)]).host, None, "{host}");
        }
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        let client = Caller::new("203.0.113.7".parse().unwrap(), Scheme::Https);
        let trusted = Networks::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let lie = headers(&[("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6")]);
        assert_eq!(*client.told(&lie, &trusted), client);
        assert_eq!(*client.told(&lie, &Networks::default()), client);
    }
}
