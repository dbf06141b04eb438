//! The addresses that VMware Tools report from inside a virtual machine: each of each network card, and the main one by
//! itself. Whether one is public is to be seen by its range alone.

use std::io::BufRead;
use std::net::IpAddr;

use tracker_driver_sdk::addresses::is_private;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, Error};

use super::object::Item;

/// A network card's addresses. `ipConfig` has all; `ipAddress` is the older list of the same.
pub(super) fn of_nic<R: BufRead>(xml: &mut Reader<R>, items: &mut Vec<Item>) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "ipAddress" => items.push(Item::Address(xml.text()?.to_owned())),
            "ipConfig" => {
                while let Some(name) = xml.child()? {
                    match name {
                        "ipAddress" => configured(xml, items)?,
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn configured<R: BufRead>(xml: &mut Reader<R>, items: &mut Vec<Item>) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "ipAddress" => items.push(Item::Address(xml.text()?.to_owned())),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// The public and the private ones, each once.
#[derive(Default)]
pub(super) struct Addresses {
    seen: Vec<IpAddr>,
    pub(super) public: Vec<Address>,
    pub(super) private: Vec<Address>,
}

impl Addresses {
    /// Adds one, unless it is none. A link-local one may have its link behind it (`fe80::1%2`); one of IPv4 that is written
    /// as one of IPv6 is what it stands for.
    pub(super) fn add(&mut self, text: &str) {
        let text = text.trim().split('%').next().unwrap_or_default();
        let Ok(ip) = text.parse::<IpAddr>() else { return };
        let ip = ip.to_canonical();
        if ip.is_unspecified() || self.seen.contains(&ip) {
            return;
        }
        self.seen.push(ip);
        let list = if is_private(ip) { &mut self.private } else { &mut self.public };
        list.extend(Address::read(&ip.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_public_or_private_by_its_range() {
        let check = |text: &str, public: bool| {
            let mut addresses = Addresses::default();
            addresses.add(text);
            addresses.add(text);
            assert_eq!((addresses.public.len(), addresses.private.len()), (public.into(), (!public).into()), "{text}");
        };
        for private in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "169.254.1.1",
            "127.0.0.1",
            "fd00::1",
            "fc00::1",
            "fe80::1",
            "fe80::1%eth0",
            "::1",
        ] {
            check(private, false);
        }
        for public in ["172.32.0.1", "100.128.0.1", "198.51.100.7", "192.0.2.1", "2001:db8::1", " 203.0.113.1 "] {
            check(public, true);
        }
        let mut mapped = Addresses::default();
        for text in ["::ffff:10.0.0.1", "10.0.0.1", "::ffff:c633:6407", "2001:DB8:0::1"] {
            mapped.add(text);
        }
        assert_eq!(mapped.private, [Address::ipv4("10.0.0.1")]);
        assert_eq!(mapped.public, [Address::ipv4("198.51.100.7"), Address::ipv6("2001:db8::1")]);
        let mut none = Addresses::default();
        for text in ["", "0.0.0.0", "::", "web", "10.0.0.256", "10.0.0.1/24"] {
            none.add(text);
        }
        assert!(none.public.is_empty() && none.private.is_empty());
    }
}
