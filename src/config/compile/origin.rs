//! Which server is meant? A URL that is an origin: a scheme, a host and a port.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use rustls::pki_types::ServerName;

use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;

/// RFC 1035 §2.3.4.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// What is wrong with a URL, and what would be right. Quotes nothing of it but a scheme, a
/// host and a port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadUrl {
    pub(super) message: String,
    pub(super) help: String,
}

/// Reads an origin such as `https://backend.example:8443`; one `/` may follow.
pub(super) fn origin(url: &str) -> Result<Origin, BadUrl> {
    // First of all, so that no other refusal quotes a password.
    if url.contains('@') {
        return bad(
            "user information does not belong in this URL",
            "take it out, up to and including the `@`: clients bring their own credentials",
        );
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let help = "begin with `http://` or `https://`, as in `http://127.0.0.1:9000`";
        return bad("the URL has no scheme", help);
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => {
            let help = "begin with `http://` or `https://`";
            return bad("the scheme of the URL is not one that the gateway speaks", help);
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority)?;
    let origin =
        Origin { scheme, host: name(host)?, port: number(port, scheme.default_port())? };
    if scheme == Scheme::Https && ServerName::try_from(origin.host.as_str()).is_err() {
        let help = "write a DNS name or an IP address";
        return bad(format!("no certificate can be for the host {:?}", origin.host), help);
    }
    if !matches!(after, "" | "/") {
        let what = match after.chars().next() {
            Some('?') => "a query",
            Some('#') => "a fragment",
            _ => "a path",
        };
        let message = format!("an origin is wanted, and this URL has {what}");
        return bad(message, format!("write `{origin}`; requests keep their own paths"));
    }
    Ok(origin)
}

/// A host and a port behind the scheme of a URL; `port` where it has none.
pub(super) fn place(authority: &str, port: u16) -> Result<(String, u16), BadUrl> {
    let (host, given) = host_and_port(authority)?;
    Ok((name(host)?, number(given, port)?))
}

/// A URL is refused.
pub(super) fn bad<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, BadUrl> {
    Err(BadUrl { message: message.into(), help: help.into() })
}

/// Takes `host:port` apart; an IPv6 address stands in brackets.
fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), BadUrl> {
    if let Some(rest) = authority.strip_prefix('[') {
        let split = rest.split_once(']').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok());
        return match split {
            Some((host, "")) => Ok((host, None)),
            Some((host, port)) if port.starts_with(':') => Ok((host, port.get(1..))),
            Some(_) | None => {
                let help = "write an IPv6 address as in `http://[::1]:9000`";
                bad("the host in brackets is not an IPv6 address", help)
            }
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| port.contains(':')) {
        let help = "put an IPv6 address in brackets, as in `http://[::1]:9000`";
        return bad("the URL has more than one colon after its host", help);
    }
    Ok((host, port))
}

/// A name or an address as it is resolved; letters in lower case.
fn name(host: &str) -> Result<String, BadUrl> {
    if host.is_empty() {
        return bad("the URL has no host", "write one, as in `http://127.0.0.1:9000`");
    }
    if host.parse::<Ipv6Addr>().is_ok() || host.parse::<Ipv4Addr>().is_ok() {
        return Ok(host.to_ascii_lowercase());
    }
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_name = |label: &str| {
        let fits = (1..=MAX_LABEL).contains(&label.len());
        fits && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // Some resolvers read `10.1` as `10.0.0.1`; nobody means that.
    let ends_in_number = labels
        .clone()
        .next_back()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if host.len() > MAX_HOST || ends_in_number || !labels.clone().all(is_name) {
        let help =
            "write a DNS name or an IP address; international names in their `xn--` form";
        return bad("the host of the URL is no name and no address", help);
    }
    Ok(host.to_ascii_lowercase())
}

fn number(port: Option<&str>, otherwise: u16) -> Result<u16, BadUrl> {
    let Some(port) = port else { return Ok(otherwise) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number > 0 => Ok(number),
        Ok(_) | Err(_) => bad(
            "the port of the URL is not a port",
            "write 1 to 65535, or no colon and no port",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    fn read(url: &str) -> String {
        origin(url).map_or_else(|bad| bad.message, |origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let cases = [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("HTTP://Backend:80/", "http://backend"),
            ("https://proxy.twilio.com", "https://proxy.twilio.com"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("http://my_backend.local.", "http://my_backend.local."),
        ];
        for (url, expected) in cases {
            assert_eq!(read(url), expected);
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        let cases = [
            ("", "no scheme"),
            ("127.0.0.1:9000", "no scheme"),
            ("ftp://h", "scheme"),
            ("http://", "no host"),
            ("http://:9000", "no host"),
            ("http://h:", "port"),
            ("http://h:0", "port"),
            ("http://h:+1", "port"),
            ("http://h:65536", "port"),
            ("http://::1:80", "more than one colon"),
            ("http://[::1", "brackets"),
            ("http://[::1]x", "brackets"),
            ("http://h h", "no name"),
            ("http://10.1", "no name"),
            ("http://a..b", "no name"),
            ("http://bücher", "no name"),
            ("http://h/v1", "a path"),
            ("http://h//", "a path"),
            ("http://h?x", "a query"),
            ("http://h#x", "a fragment"),
            ("https://-", "certificate"),
            ("http://u:p@h", "user information"),
        ];
        for (url, expected) in cases {
            assert!(read(url).contains(expected), "{url}: {}", read(url));
        }
    }
}
