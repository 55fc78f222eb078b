//! Which links of the upstream lead back through the gateway, and by which address?

use std::net::Ipv6Addr;

use crate::authority::host_and_port;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Origins;
use crate::policy::upstream::Scheme;

/// The origin that clients know the gateway by, and what it takes the place of in links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    replaced: Vec<String>,
}

impl PublicUrl {
    /// `origin` in place of the upstream's: its servers', and the name that it is given as
    /// `Host`.
    pub fn new(origin: &Origin, origins: &Origins, host: &HostHeader) -> Self {
        let named = origins
            .iter()
            .map(|origin| Named {
                host: origin.host.clone(),
                port: Some(origin.port),
                scheme: Some(origin.scheme),
            })
            .chain(name_of(host));
        let mut replaced: Vec<_> = named.flat_map(|named| named.spellings()).collect();
        replaced.sort_unstable();
        replaced.dedup();
        Self { text: origin.to_string(), replaced }
    }

    /// The origin as a link begins with it: scheme and authority, no `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a link of the upstream begins with: every scheme and authority in lower case,
    /// sorted, none of them twice, none of them empty.
    pub fn replaced(&self) -> &[String] {
        &self.replaced
    }
}

/// A server by one of its names.
struct Named {
    host: String,
    port: Option<u16>,
    /// How the gateway speaks to it, where that is known.
    scheme: Option<Scheme>,
}

fn name_of(host: &HostHeader) -> Option<Named> {
    let HostHeader::Name(name) = host else { return None };
    let named = host_and_port(name.as_bytes())?;
    let host = named.host().trim_matches(['[', ']']).to_ascii_lowercase();
    Some(Named { host, port: named.port_u16(), scheme: None })
}

impl Named {
    /// Everything that a link to it may begin with. A port is written or left out where it is
    /// the one that goes without saying: for the link's scheme, or for the gateway, whatever
    /// scheme the upstream takes itself to be reached by.
    fn spellings(&self) -> Vec<String> {
        let mut spellings = Vec::new();
        for host in self.hosts() {
            for scheme in [Scheme::Http, Scheme::Https] {
                let usual = scheme.default_port();
                let begin = format!("{}://{host}", scheme.as_str());
                let own = self.scheme.map(Scheme::default_port);
                if self.port.is_none_or(|port| port == usual || Some(port) == own) {
                    spellings.push(format!("{begin}:{usual}"));
                    spellings.push(begin.clone());
                }
                spellings.extend(self.port.map(|port| format!("{begin}:{port}")));
            }
        }
        spellings
    }

    /// The host as it was written; an IPv6 address also in its usual form (RFC 5952).
    fn hosts(&self) -> Vec<String> {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => vec![format!("[{}]", self.host), format!("[{address}]")],
            Err(_) => vec![self.host.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PublicUrl;
    use crate::policy::upstream::HostHeader;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Origins;
    use crate::policy::upstream::Scheme;
    use http::HeaderValue;

    fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
        Origin { scheme, host: host.to_owned(), port }
    }

    fn replaced(origins: Vec<Origin>, host: &HostHeader) -> Vec<String> {
        let public = origin(Scheme::Https, "gateway.example.com", 8443);
        let url = PublicUrl::new(&public, &Origins::from_vec(origins).unwrap(), host);
        assert_eq!(url.as_str(), "https://gateway.example.com:8443");
        url.replaced().to_vec()
    }

    #[test]
    fn a_port_of_ones_own_is_always_written() {
        let all = replaced(vec![origin(Scheme::Http, "h", 9000)], &HostHeader::Preserve);
        assert_eq!(all, ["http://h:9000", "https://h:9000"]);
    }

    #[test]
    fn a_port_that_goes_without_saying_is_written_or_left_out() {
        let all = replaced(vec![origin(Scheme::Http, "h", 80)], &HostHeader::Preserve);
        let expected =
            ["http://h", "http://h:80", "https://h", "https://h:443", "https://h:80"];
        assert_eq!(all, expected);
        let all = replaced(vec![origin(Scheme::Http, "h", 443)], &HostHeader::Preserve);
        assert_eq!(all, ["http://h:443", "https://h", "https://h:443"]);
    }

    #[test]
    fn the_servers_and_the_name_that_they_are_given_are_replaced() {
        let origins = vec![origin(Scheme::Http, "a", 1), origin(Scheme::Http, "::1", 2)];
        let name = HostHeader::Name(HeaderValue::from_static("Api.Example.com"));
        let all = replaced(origins.clone(), &name);
        let expected = [
            "http://[::1]:2",
            "http://a:1",
            "http://api.example.com",
            "http://api.example.com:80",
            "https://[::1]:2",
            "https://a:1",
            "https://api.example.com",
            "https://api.example.com:443",
        ];
        assert_eq!(all, expected);
        let name = HostHeader::Name(HeaderValue::from_static("[::1]:2"));
        let addresses: Vec<_> =
            expected.into_iter().filter(|each| !each.contains("api")).collect();
        assert_eq!(replaced(origins, &name), addresses);
    }

    #[test]
    fn an_ipv6_address_is_known_by_its_usual_form_too() {
        let all = replaced(vec![origin(Scheme::Http, "0:0::1", 9)], &HostHeader::Upstream);
        let expected =
            ["http://[0:0::1]:9", "http://[::1]:9", "https://[0:0::1]:9", "https://[::1]:9"];
        assert_eq!(all, expected);
    }
}
