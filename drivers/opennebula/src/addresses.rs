//! A VM's addresses. They stand in its interfaces; where they have none, a hypervisor or another cloud reports them, or they
//! are in the context that the guest configures itself by.

use std::io::BufRead;
use std::net::IpAddr;

use tracker_driver_sdk::addresses::is_private;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, Error};

/// What has been read of one VM's addresses, by where it stood.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    of_interfaces: Vec<(IpAddr, Address)>,
    reported: Vec<(IpAddr, Address)>,
    of_context: Vec<(IpAddr, Address)>,
}

impl Addresses {
    /// `NIC`, `NIC_ALIAS`, and `PCI` of a device that is an interface.
    pub(crate) fn interface<R: BufRead>(&mut self, xml: &mut Reader<R>) -> Result<(), Error> {
        while let Some(name) = xml.child()? {
            match name {
                "IP" | "IP6" | "IP6_GLOBAL" | "IP6_ULA" | "EXTERNAL_IP" | "VROUTER_IP" | "VROUTER_IP6"
                | "VROUTER_IP6_GLOBAL" | "VROUTER_IP6_ULA" => add(&mut self.of_interfaces, xml.text()?),
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    /// `MONITORING`: what the guest's agent or the cloud behind OpenNebula says.
    pub(crate) fn monitoring<R: BufRead>(&mut self, xml: &mut Reader<R>) -> Result<(), Error> {
        while let Some(name) = xml.child()? {
            match name {
                "GUEST_IP"
                | "GUEST_IP_ADDRESSES"
                | "AWS_IP_ADDRESS"
                | "AWS_PUBLIC_IP_ADDRESS"
                | "AWS_PRIVATE_IP_ADDRESS"
                | "AZ_IPADDRESS"
                | "SL_PRIMARYIPADDRESS" => {
                    add(&mut self.reported, xml.text()?);
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    /// `CONTEXT`: `ETH0_IP`, `ETH1_ALIAS0_IP6` and their like, among variables that anybody may name.
    pub(crate) fn context<R: BufRead>(&mut self, xml: &mut Reader<R>) -> Result<(), Error> {
        while let Some(name) = xml.child()? {
            if !is_address_of_context(name) {
                xml.skip()?;
                continue;
            }
            match xml.text_if_plain()? {
                Some(text) => add(&mut self.of_context, text),
                None => xml.skip()?,
            }
        }
        Ok(())
    }

    /// The public and the private ones, each once. OpenNebula does not say which are which, so their range does.
    pub(crate) fn sorted_out(self) -> (Vec<Address>, Vec<Address>) {
        let Addresses { mut of_interfaces, reported, of_context } = self;
        let is_bare = of_interfaces.is_empty();
        of_interfaces.extend(reported);
        if is_bare {
            of_interfaces.extend(of_context);
        }
        let (mut public, mut private, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for (ip, address) in of_interfaces {
            if !seen.contains(&ip) {
                seen.push(ip);
                if is_private(ip) { &mut private } else { &mut public }.push(address);
            }
        }
        (public, private)
    }
}

/// Adds what a text lists, with commas or spaces. What leads to the guest from nowhere else, and what is no address, is left
/// out.
fn add(into: &mut Vec<(IpAddr, Address)>, text: &str) {
    let words = text.split([',', ' ']).filter_map(|word| Some((word.trim().parse().ok()?, Address::read(word)?)));
    into.extend(words.filter(|(ip, _)| !is_local(*ip)));
}

fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// `ETH<n>_`, perhaps `ALIAS<n>_`, and what an interface's address is called.
fn is_address_of_context(name: &str) -> bool {
    let numbered = |text: &str| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then(|| rest.strip_prefix('_').map(str::len)).flatten().map(|end| text.len() - end)
    };
    let Some(interface) = name.strip_prefix("ETH") else { return false };
    let Some(start) = numbered(interface) else { return false };
    let mut member = &interface[start..];
    if let Some(alias) = member.strip_prefix("ALIAS") {
        let Some(start) = numbered(alias) else { return false };
        member = &alias[start..];
    }
    matches!(member, "IP" | "IP6" | "IP6_GLOBAL" | "IP6_ULA" | "EXTERNAL_IP" | "VROUTER_IP" | "VROUTER_IP6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_the_context_are_told_from_other_variables() {
        for name in ["ETH0_IP", "ETH12_IP6", "ETH0_IP6_ULA", "ETH1_ALIAS0_IP", "ETH0_EXTERNAL_IP"] {
            assert!(is_address_of_context(name), "{name}");
        }
        let others = ["ETH0_DNS", "ETH0_GATEWAY", "ETH_IP", "ETH0IP", "ETHX_IP", "ETH0_ALIAS_IP", "IP", "ETH", "ETH0_"];
        for name in others {
            assert!(!is_address_of_context(name), "{name}");
        }
    }
}
