//! The addresses in what a guest says of its interfaces. The guest writes some of it, and may write anything.

use std::net::IpAddr;

use tracker_driver_sdk::Address;

/// The most addresses of an instance. The host takes 1,000, and refuses the whole list for more.
const MOST: usize = 500;

/// Addresses by where they lead.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Addresses {
    pub(crate) public: Vec<Address>,
    pub(crate) private: Vec<Address>,
}

impl Addresses {
    pub(crate) fn read<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut found: Vec<IpAddr> = Vec::new();
        for ip in texts.filter_map(ip) {
            if found.len() < MOST && !found.contains(&ip) {
                found.push(ip);
            }
        }
        let (private, public) = found.into_iter().partition(|ip| is_private(*ip));
        let written = |ips: Vec<IpAddr>| ips.iter().filter_map(|ip| Address::read(&ip.to_string())).collect();
        Addresses { public: written(public), private: written(private) }
    }
}

/// An address that leads to the guest from elsewhere. A prefix length (`/24`) and a zone (`%eth0`) may stand behind it. One of
/// IPv4 in the form of IPv6 (`::ffff:10.0.0.1`) is the same address.
fn ip(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.split(['/', '%']).next()?.trim().parse::<IpAddr>().ok()?.to_canonical();
    let is_local = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    (!is_local && !is_link_local).then_some(ip)
}

/// Nobody says which is which, but for the ranges: RFC 1918, RFC 6598 and RFC 4193.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}
