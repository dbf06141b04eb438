//! The addresses that a connection may go to. Pure: the caller passes the address that a name resolved to.
//!
//! All addresses are denied that IANA's special-purpose registries (RFC 6890 and its successors) do not call globally
//! reachable and, in IPv6, all that are not yet assigned as global unicast. IPv4 inside IPv6 has two cases. The mapped
//! form is judged as its IPv4 address, because the system itself connects to it as IPv4. 6to4, Teredo and NAT64 are
//! denied completely, because they lead through a translator to an address that is not visible here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The public internet, and what an operator opened beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPolicy {
    /// Merged and sorted, so that policies which mean the same are equal.
    opened: Vec<IpNet>,
}

/// An address that the policy closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {range}, which is not allowed")]
pub struct AddressRefused {
    pub address: IpAddr,
    /// What it is: `a loopback address`, `a private address`, ...
    pub range: &'static str,
}

impl AddressPolicy {
    /// `opened` are ranges that may be reached though they are not public. An IPv4 range opens the same
    /// addresses in their IPv6-mapped form, and the other way round; `::/0` opens no IPv4.
    pub fn opening(opened: Vec<IpNet>) -> AddressPolicy {
        let opened: Vec<IpNet> = opened.into_iter().map(canonical).collect();
        AddressPolicy { opened: IpNet::aggregate(&opened) }
    }

    pub fn check(&self, address: IpAddr) -> Result<(), AddressRefused> {
        let judged = address.to_canonical();
        let closed = match judged {
            IpAddr::V4(v4) => closed_v4(v4),
            IpAddr::V6(v6) => closed_v6(v6),
        };
        match closed {
            Some(range) if !self.opened.iter().any(|opened| opened.contains(&judged)) => {
                Err(AddressRefused { address, range })
            }
            _ => Ok(()),
        }
    }
}

/// What a closed IPv4 address is.
fn closed_v4(address: Ipv4Addr) -> Option<&'static str> {
    CLOSED_V4.iter().find(|(range, _)| range.contains(&address)).map(|(_, what)| *what)
}

/// What a closed IPv6 address is.
fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    match CLOSED_V6.iter().find(|(range, _)| range.contains(&address)) {
        Some((_, what)) => Some(what),
        None if GLOBAL_V6.contains(&address) => None,
        None => Some("an address outside of public IPv6"),
    }
}

/// A range of mapped addresses as the IPv4 range that it means.
fn canonical(range: IpNet) -> IpNet {
    match range.trunc() {
        IpNet::V6(v6) if MAPPED.contains(&v6) => {
            let v4 = v6.network().to_ipv4_mapped().expect("invariant: it lies within the mapped range");
            IpNet::V4(Ipv4Net::new_assert(v4, v6.prefix_len() - MAPPED.prefix_len()))
        }
        range => range,
    }
}

const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);

/// What IANA assigns as global unicast.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Searched in order: what is narrower comes first.
const CLOSED_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "an address of this very network (0.0.0.0/8)"),
    (v4([10, 0, 0, 0], 8), "a private address"),
    (v4([100, 64, 0, 0], 10), "an address behind a carrier's NAT"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([172, 16, 0, 0], 12), "a private address"),
    (v4([192, 0, 0, 0], 24), "an address for protocol assignments"),
    (v4([192, 0, 2, 0], 24), "a documentation address"),
    (v4([192, 88, 99, 0], 24), "a 6to4 relay address"),
    (v4([192, 168, 0, 0], 16), "a private address"),
    (v4([198, 18, 0, 0], 15), "a benchmarking address"),
    (v4([198, 51, 100, 0], 24), "a documentation address"),
    (v4([203, 0, 113, 0], 24), "a documentation address"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), "a reserved address"),
];

const CLOSED_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "an IPv4-compatible address"),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), "an IPv4-translated address"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "a NAT64 address"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a NAT64 address"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard-only address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a Teredo address"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "a benchmarking address"),
    (v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), "an ORCHID, which is no address"),
    (v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), "an ORCHID, which is no address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "an address for protocol assignments"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a documentation address"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a 6to4 address"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation address"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "a segment routing (SRv6) address"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a unique local address"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
];

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `opened` are ranges apart by spaces; `want` is what the address is if it is refused.
    fn check(opened: &str, address: &str, want: Option<&str>) {
        let policy = AddressPolicy::opening(opened.split_whitespace().map(|range| range.parse().unwrap()).collect());
        let got = policy.check(address.parse().unwrap()).err().map(|refused| refused.range);
        assert_eq!(got, want, "{address} with {opened:?} opened");
    }

    #[test]
    fn the_public_internet_is_open() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.31.196.1",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2a00:1450:4001:831::200e",
            "2620:4f:8000::1",
            "::ffff:8.8.8.8",
        ] {
            check("", address, None);
        }
    }

    #[test]
    fn everything_else_is_closed() {
        check("", "0.0.0.0", Some("an address of this very network (0.0.0.0/8)"));
        check("", "0.1.2.3", Some("an address of this very network (0.0.0.0/8)"));
        check("", "10.0.0.0", Some("a private address"));
        check("", "10.255.255.255", Some("a private address"));
        check("", "172.16.0.1", Some("a private address"));
        check("", "172.31.255.255", Some("a private address"));
        check("", "192.168.1.1", Some("a private address"));
        check("", "100.64.0.1", Some("an address behind a carrier's NAT"));
        check("", "100.127.255.255", Some("an address behind a carrier's NAT"));
        check("", "127.0.0.1", Some("a loopback address"));
        check("", "127.255.255.254", Some("a loopback address"));
        check("", "169.254.169.254", Some("a link-local address"));
        check("", "192.0.0.8", Some("an address for protocol assignments"));
        check("", "192.0.2.1", Some("a documentation address"));
        check("", "198.51.100.1", Some("a documentation address"));
        check("", "203.0.113.1", Some("a documentation address"));
        check("", "192.88.99.1", Some("a 6to4 relay address"));
        check("", "198.18.0.1", Some("a benchmarking address"));
        check("", "198.19.255.255", Some("a benchmarking address"));
        check("", "224.0.0.1", Some("a multicast address"));
        check("", "239.255.255.255", Some("a multicast address"));
        check("", "240.0.0.1", Some("a reserved address"));
        check("", "255.255.255.254", Some("a reserved address"));
        check("", "255.255.255.255", Some("the broadcast address"));

        check("", "::", Some("the unspecified address"));
        check("", "::1", Some("a loopback address"));
        check("", "::8.8.8.8", Some("an IPv4-compatible address"));
        check("", "::127.0.0.1", Some("an IPv4-compatible address"));
        check("", "::ffff:0:8.8.8.8", Some("an IPv4-translated address"));
        check("", "64:ff9b::8.8.8.8", Some("a NAT64 address"));
        check("", "64:ff9b::127.0.0.1", Some("a NAT64 address"));
        check("", "64:ff9b:1::10.0.0.1", Some("a NAT64 address"));
        check("", "64:ff9b:1:ffff::1", Some("a NAT64 address"));
        check("", "100::1", Some("a discard-only address"));
        check("", "100:0:0:1::1", Some("an address outside of public IPv6"));
        check("", "2001::1", Some("a Teredo address"));
        check("", "2001:0:4136:e378:8000:63bf:3fff:fdd2", Some("a Teredo address"));
        check("", "2001:2::1", Some("a benchmarking address"));
        check("", "2001:10::1", Some("an ORCHID, which is no address"));
        check("", "2001:2f::1", Some("an ORCHID, which is no address"));
        check("", "2001:30::1", Some("an address for protocol assignments"));
        check("", "2001:1ff::1", Some("an address for protocol assignments"));
        check("", "2001:db8::1", Some("a documentation address"));
        check("", "3fff:fff::1", Some("a documentation address"));
        check("", "2002:7f00:1::", Some("a 6to4 address"));
        check("", "2002:808:808::1", Some("a 6to4 address"));
        check("", "5f00::1", Some("a segment routing (SRv6) address"));
        check("", "fc00::1", Some("a unique local address"));
        check("", "fd12:3456::1", Some("a unique local address"));
        check("", "fd00:ec2::254", Some("a unique local address"));
        check("", "fe80::1", Some("a link-local address"));
        check("", "febf::1", Some("a link-local address"));
        check("", "fec0::1", Some("a site-local address"));
        check("", "ff02::1", Some("a multicast address"));
        check("", "4000::1", Some("an address outside of public IPv6"));
        check("", "1fff::1", Some("an address outside of public IPv6"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_that_it_is() {
        check("", "::ffff:127.0.0.1", Some("a loopback address"));
        check("", "::ffff:169.254.169.254", Some("a link-local address"));
        check("", "::ffff:0.0.0.0", Some("an address of this very network (0.0.0.0/8)"));
        check("10.0.0.0/8", "::ffff:10.1.2.3", None);
        check("::ffff:10.0.0.0/104", "10.1.2.3", None);
        check("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", None);
        check("::ffff:10.0.0.0/104", "::ffff:192.168.1.1", Some("a private address"));
    }

    #[test]
    fn what_an_operator_opens_is_open_and_nothing_beside_it() {
        check("127.0.0.0/8", "127.0.0.1", None);
        check("127.0.0.0/8", "::1", Some("a loopback address"));
        check("127.0.0.1/32", "127.0.0.2", Some("a loopback address"));
        check("127.0.0.0/8 ::1/128", "::1", None);
        check("10.1.2.3/16", "10.1.255.1", None);
        check("10.1.2.3/16", "10.2.0.1", Some("a private address"));
        check("fd00::/8", "fd12::1", None);
        check("0.0.0.0/0", "169.254.169.254", None);
        check("0.0.0.0/0", "::ffff:127.0.0.1", None);
        check("0.0.0.0/0", "::1", Some("a loopback address"));
        check("::/0", "fe80::1", None);
        check("::/0", "127.0.0.1", Some("a loopback address"));
        check("::/0", "::ffff:127.0.0.1", Some("a loopback address"));
        check("64:ff9b::/96", "64:ff9b::8.8.8.8", None);
        check("10.0.0.0/8", "64:ff9b::10.0.0.1", Some("a NAT64 address"));
    }

    #[test]
    fn policies_that_mean_the_same_are_equal() {
        let check = |one: &[&str], other: &[&str]| {
            let policy =
                |ranges: &[&str]| AddressPolicy::opening(ranges.iter().map(|range| range.parse().unwrap()).collect());
            assert_eq!(policy(one), policy(other));
        };
        check(&["10.1.2.3/8"], &["10.0.0.0/8"]);
        check(&["10.0.0.0/9", "10.128.0.0/9"], &["10.0.0.0/8"]);
        check(&["::1/128", "127.0.0.0/8", "127.0.0.1/32"], &["127.0.0.0/8", "::1/128"]);
        check(&["::ffff:0:0/96"], &["0.0.0.0/0"]);
    }
}
