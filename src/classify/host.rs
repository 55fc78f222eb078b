//! Whom does the client mean to talk to? One well-formed `Host`, and nothing that contradicts it
//! (RFC 9112 §3.2).

use std::fmt;

use http::Version;
use http::header::HOST;
use http::request::Parts;

use crate::authority::host_and_port;
use crate::authority::is_host_and_port;

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
    let Some(authority) = head.uri.authority() else {
        let is_host = is_host_and_port(field.as_bytes());
        return if is_host { Ok(()) } else { Err(HostFault::Malformed) };
    };
    let named = host_and_port(field.as_bytes()).ok_or(HostFault::Malformed)?;
    if *authority == named { Ok(()) } else { Err(HostFault::Contradicted) }
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
        assert_eq!(checked(Version::HTTP_11, "/", &["a.example.com:8080"]), Ok(()));
        for host in ["", "u@a", "a,b"] {
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
