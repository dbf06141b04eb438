//! The addresses that the guest's agent reports, by device. Devices come in any order, so addresses are sorted.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::IpAddr;

use tracker_driver_sdk::addresses::is_private;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, Error};

/// The addresses of one virtual machine, each once, as numbers and as the engine writes them.
#[derive(Debug, Default)]
pub(crate) struct Addresses(BTreeMap<IpAddr, Address>);

impl Addresses {
    /// What leads to the guest from nowhere else is left out, and so is what is no address.
    fn add(&mut self, text: &str) {
        let ip = text.trim().parse::<IpAddr>().ok().filter(|ip| !is_local(*ip));
        if let (Some(ip), Some(address)) = (ip, Address::read(text)) {
            self.0.entry(ip).or_insert(address);
        }
    }

    /// The public and the private ones. The engine does not say which are which, so their range does.
    pub(crate) fn sorted_out(self) -> (Vec<Address>, Vec<Address>) {
        let (private, public): (Vec<_>, Vec<_>) = self.0.into_iter().partition(|(ip, _)| is_private(*ip));
        let only = |found: Vec<(IpAddr, Address)>| found.into_iter().map(|(_, address)| address).collect();
        (only(public), only(private))
    }
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// `reported_devices`, as a list of its own.
pub(crate) fn devices<R: BufRead>(xml: &mut Reader<R>) -> Result<Addresses, Error> {
    let mut found = Addresses::default();
    reported(xml, &mut found)?;
    Ok(found)
}

/// `reported_devices`, wherever they stand.
pub(crate) fn reported<R: BufRead>(xml: &mut Reader<R>, into: &mut Addresses) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "reported_device" => device(xml, into)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// A device, or the guest itself in version 3 (`guest_info`).
pub(crate) fn device<R: BufRead>(xml: &mut Reader<R>, into: &mut Addresses) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "ips" => ips(xml, into)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// `<ip><address>..</address></ip>`, or `<ip address=".."/>` in version 3.
fn ips<R: BufRead>(xml: &mut Reader<R>, into: &mut Addresses) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        if name != "ip" {
            xml.skip()?;
            continue;
        }
        if let Some(address) = xml.attribute("address")? {
            into.add(&address);
        }
        while let Some(name) = xml.child()? {
            match name {
                "address" => into.add(xml.text()?),
                _ => xml.skip()?,
            }
        }
    }
    Ok(())
}
