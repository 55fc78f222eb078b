//! Whom does the client mean to talk to? One well-formed `Host`, and nothing that contradicts it
//! (RFC 9112 §3.2).

use std::fmt;
use std::net::Ipv6Addr;

use http::Version;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFault {
    /// HTTP/1.1 wants the field, and there is none.
    Missing,
    /// There are several: two readers could take different ones.
    Several,
    /// It is no host with an optional port.
    Malformed,
    /// The request line names another host.
    Contradicted,
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "The Host field is missing",
            Self::Several => "Several Host fields were sent; send one",
            Self::Malformed => "The Host field is no host with an optional port",
            Self::Contradicted => "The Host field and the request line name different hosts",
        })
    }
}

/// Checks the `Host` of a request. Before HTTP/1.1 it may be left out.
pub(super) fn check(head: &Parts) -> Result<(), HostFault> {
    let mut fields = head.headers.get_all(HOST).iter();
    let Some(field) = fields.next() else {
        let may_be_missing = head.version < Version::HTTP_11 && head.uri.authority().is_none();
        return if may_be_missing { Ok(()) } else { Err(HostFault::Missing) };
    };
    if fields.next().is_some() {
        return Err(HostFault::Several);
    }
    let named = Authority::try_from(field.as_bytes()).map_err(|_| HostFault::Malformed)?;
    if !is_host_and_port(&named) {
        return Err(HostFault::Malformed);
    }
    match head.uri.authority() {
        Some(authority) if *authority != named => Err(HostFault::Contradicted),
        Some(_) | None => Ok(()),
    }
}

/// Whether it is a name or an address, and a port if any: no user, no list of hosts, which the
/// grammar of a name would allow.
fn is_host_and_port(named: &Authority) -> bool {
    let (text, host) = (named.as_str(), named.host());
    let is_host = match host.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        None => !host.is_empty() && !host.contains([',', '[', ']']),
    };
    let port = text.strip_prefix(host).unwrap_or("?");
    let is_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    is_host && is_port
}

#[cfg(test)]
mod tests {
    use super::HostFault;
    use super::check;
    use http::Request;
    use http::Version;

    fn checked(version: Version, target: &str, hosts: &[&str]) -> Result<(), HostFault> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn one_well_formed_host_is_wanted() {
        for host in ["a", "a.example.com:8080", "127.0.0.1:1", "[::1]:80", "A"] {
            assert_eq!(checked(Version::HTTP_11, "/", &[host]), Ok(()), "{host}");
        }
        for host in [
            "", "a b", "a/b", "u@a", "a:b:c", "http://a", "a,b", "a:x", "a:-1", "a:65536",
            "[]", "[::1]x", "[::1]:x", "[x]", "[::1", "a:1:2",
        ] {
            let refused = Err(HostFault::Malformed);
            assert_eq!(checked(Version::HTTP_11, "/", &[host]), refused, "{host}");
        }
        assert_eq!(checked(Version::HTTP_11, "/", &[]), Err(HostFault::Missing));
        assert_eq!(checked(Version::HTTP_11, "/", &["a", "a"]), Err(HostFault::Several));
        assert_eq!(checked(Version::HTTP_10, "/", &[]), Ok(()));
        assert_eq!(checked(Version::HTTP_10, "/", &["a", "b"]), Err(HostFault::Several));
    }

    #[test]
    fn a_request_line_with_a_host_must_name_the_same() {
        assert_eq!(checked(Version::HTTP_11, "http://a:1/x", &["A:1"]), Ok(()));
        let contradicted = Err(HostFault::Contradicted);
        assert_eq!(checked(Version::HTTP_11, "http://evil/x", &["a"]), contradicted);
        assert_eq!(checked(Version::HTTP_10, "http://a/x", &[]), Err(HostFault::Missing));
    }
}
