//! Addresses of providers that do not say which of them are public: their ranges say so. A guest may have written them.

use std::net::IpAddr;

use crate::Address;

/// The most addresses that are read of an instance. The host takes 1,000, and refuses the whole list for more.
const MOST: usize = 500;

/// Addresses by where they lead.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Addresses {
    pub public: Vec<Address>,
    pub private: Vec<Address>,
}

impl Addresses {
    /// Those that [`reachable`] reads in the texts, each once, up to 500.
    pub fn by_range<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut found: Vec<IpAddr> = Vec::new();
        for ip in texts.filter_map(reachable) {
            if found.len() < MOST && !found.contains(&ip) {
                found.push(ip);
            }
        }
        let (private, public) = found.into_iter().partition(|ip| is_private(*ip));
        let written = |ips: Vec<IpAddr>| ips.iter().filter_map(|ip| Address::read(&ip.to_string())).collect();
        Addresses { public: written(public), private: written(private) }
    }
}

/// An address that leads to a machine from elsewhere: not of the machine itself, of its link, unspecified or a group's. A prefix
/// length (`/24`) and a zone (`%eth0`) may stand behind it. One of IPv4 in the form of IPv6 (`::ffff:10.0.0.1`) is the same
/// address.
pub fn reachable(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.split(['/', '%']).next()?.trim().parse::<IpAddr>().ok()?.to_canonical();
    let is_nobodys = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    (!is_nobodys && !is_link_local(ip)).then_some(ip)
}

/// Whether nobody reaches it from the Internet: the ranges of RFC 1918, RFC 6598 and RFC 4193, link-local addresses, and those of
/// the machine itself.
pub fn is_private(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_of_range = match ip {
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    is_of_range || is_link_local(ip) || ip.is_loopback()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_tell_public_from_private() {
        let is_private = |ip: &str| is_private(ip.parse().expect("an address"));
        for ip in [
            "::ffff:10.0.0.1",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.1",
            "169.254.1.1",
            "127.0.0.1",
            "fd00::1",
            "fc01::1",
            "fe80::1",
            "::1",
        ] {
            assert!(is_private(ip), "{ip}");
        }
        for ip in ["192.0.2.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert!(!is_private(ip), "{ip}");
        }
    }

    #[test]
    fn what_leads_to_a_machine_is_read_once() {
        let texts = [
            "10.0.0.1/24",
            "::ffff:10.0.0.1",
            "198.51.100.7",
            "2001:DB8:0::1%eth0",
            "fe80::1%eth0",
            "127.0.0.1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "web",
            "",
            "10.0.0.256",
        ];
        let addresses = Addresses::by_range(texts.into_iter());
        assert_eq!(addresses.private, [Address::ipv4("10.0.0.1")]);
        assert_eq!(addresses.public, [Address::ipv4("198.51.100.7"), Address::ipv6("2001:db8::1")]);
        let many: Vec<String> = (0..2_000).map(|n: u32| format!("10.0.{}.{}", n / 250, n % 250)).collect();
        assert_eq!(Addresses::by_range(many.iter().map(String::as_str)).private.len(), MOST);
    }
}
