//! The addresses in what a guest says of its interfaces. The guest writes it, and may write anything.

use std::net::IpAddr;

use serde::Deserialize;
use tracker_driver_sdk::{Address, Error};

use crate::answer::data;

/// The most addresses of a guest. The host takes 1,000, and refuses the whole list for more.
const MOST: usize = 500;

#[derive(Deserialize)]
struct OfAgent {
    result: Vec<Interface>,
}

/// The agent and newer containers have a list, older containers an address of each kind.
#[derive(Deserialize)]
struct Interface {
    #[serde(rename = "ip-addresses")]
    addresses: Option<Vec<InterfaceAddress>>,
    inet: Option<String>,
    inet6: Option<String>,
}

#[derive(Deserialize)]
struct InterfaceAddress {
    #[serde(rename = "ip-address")]
    address: Option<String>,
}

/// Addresses by where they lead.
#[derive(Debug, Default, PartialEq)]
pub struct Addresses {
    pub public: Vec<Address>,
    pub private: Vec<Address>,
}

/// Of a virtual machine, by its guest agent.
pub fn of_machine(body: &[u8]) -> Result<Addresses, Error> {
    Ok(addresses(data::<OfAgent>(body)?.result))
}

/// Of a container. One that is off, or has no interface, has null.
pub fn of_container(body: &[u8]) -> Result<Addresses, Error> {
    Ok(addresses(data::<Option<_>>(body)?.unwrap_or_default()))
}

fn addresses(interfaces: Vec<Interface>) -> Addresses {
    let mut found: Vec<IpAddr> = Vec::new();
    for Interface { addresses, inet, inet6 } in interfaces {
        let listed = addresses.into_iter().flatten().filter_map(|entry| entry.address);
        for address in listed.chain(inet).chain(inet6).filter_map(|text| ip(&text)) {
            if found.len() < MOST && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    let (private, public) = found.into_iter().partition(|ip| is_private(*ip));
    let written = |ips: Vec<IpAddr>| ips.iter().filter_map(|ip| Address::read(&ip.to_string())).collect();
    Addresses { public: written(public), private: written(private) }
}

/// An address that leads to the guest from elsewhere. A prefix length (`/24`) and a zone (`%eth0`) may stand behind it. One
/// of IPv4 that is written as one of IPv6 (`::ffff:10.0.0.1`) is what it stands for.
fn ip(text: &str) -> Option<IpAddr> {
    let ip = text.split(['/', '%']).next()?.trim().parse::<IpAddr>().ok()?.to_canonical();
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
