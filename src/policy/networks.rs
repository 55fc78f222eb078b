//! Whose word counts? Networks of addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Every address of `networks`.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether there is none at all.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is one of them; an IPv4 address that came by an IPv6 socket is the
    /// IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The networks.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn an_address_is_found_in_whatever_form_it_came() {
        let networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"];
        let networks = Networks::new(networks.map(|network| network.parse().unwrap()).to_vec());
        let has = |address: &str| networks.contains(address.parse().unwrap());
        assert!(has("10.255.0.1") && has("::ffff:10.1.1.1") && has("192.0.2.7"));
        assert!(has("2001:db8::1"));
        assert!(!has("11.0.0.1") && !has("192.0.2.8") && !has("::1") && !has("::10.0.0.1"));
        assert!(!Networks::default().contains("10.0.0.1".parse().unwrap()));
    }
}
