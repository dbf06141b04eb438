//! An instance's addresses, which EC2 gives in many places: in the instance itself, in each of its network interfaces, and
//! in each private address of an interface, which may have a public one associated with it. Each is listed once.

use std::io::BufRead;
use std::net::Ipv6Addr;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, AddressKind, Error};

use super::each_item;

/// What has been read of one instance's addresses. The instance's own come first, those of interfaces behind them,
/// wherever they stand in the answer.
#[derive(Default)]
pub(super) struct Addresses {
    public: Vec<Address>,
    private: Vec<Address>,
    /// Addresses from elements that are for public names.
    named: Vec<Address>,
    of_interfaces: OfInterfaces,
}

#[derive(Default)]
struct OfInterfaces {
    public: Vec<Address>,
    private: Vec<Address>,
}

impl Addresses {
    pub(super) fn public(&mut self, value: &str) {
        self.public.extend(Address::read(value));
    }

    /// The text of `dnsName`. A cloud without names puts an address there: the public one, or else the private one.
    pub(super) fn public_name(&mut self, value: &str) {
        match Address::read(value) {
            Some(name) if name.kind == AddressKind::Hostname => self.public.push(name),
            other => self.named.extend(other),
        }
    }

    pub(super) fn private(&mut self, value: &str) {
        self.private.extend(Address::read(value));
    }

    /// The public and the private ones, each once.
    pub(super) fn sorted_out(self) -> (Vec<Address>, Vec<Address>) {
        let mut private = Vec::with_capacity(self.private.len());
        add(&mut private, self.private.into_iter().chain(self.of_interfaces.private));
        let mut public = Vec::with_capacity(self.public.len());
        add(&mut public, self.public.into_iter().chain(self.named).chain(self.of_interfaces.public));
        // Clouds without public addresses put the private one in their places.
        public.retain(|address| address.kind == AddressKind::Hostname || !private.contains(address));
        let (unique_local, public) = public.into_iter().partition(is_unique_local);
        private.extend::<Vec<_>>(unique_local);
        (public, private)
    }
}

/// An IPv6 address of a VPC's private range (RFC 4193), which stands in the same elements as others.
fn is_unique_local(address: &Address) -> bool {
    address.value.parse().is_ok_and(|ip: Ipv6Addr| ip.is_unique_local())
}

/// One network interface. Its names are left out: they are the instance's own, or repeat an address.
pub(super) fn interface<R: BufRead>(xml: &mut Reader<R>, addresses: &mut Addresses) -> Result<(), Error> {
    let found = &mut addresses.of_interfaces;
    while let Some(name) = xml.child()? {
        match name {
            "privateIpAddress" => found.private.extend(Address::read(xml.text()?)),
            "association" => association(xml, &mut found.public)?,
            "privateIpAddressesSet" => each_item(xml, |xml| private_address(xml, found))?,
            "ipv6AddressesSet" => each_item(xml, |xml| ipv6_address(xml, &mut found.public))?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn private_address<R: BufRead>(xml: &mut Reader<R>, found: &mut OfInterfaces) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "privateIpAddress" => found.private.extend(Address::read(xml.text()?)),
            "association" => association(xml, &mut found.public)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// What stands for a private address outside: an Elastic IP address, or one that came with the start; in a Wavelength
/// zone the carrier's.
fn association<R: BufRead>(xml: &mut Reader<R>, public: &mut Vec<Address>) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "publicIp" | "carrierIp" => public.extend(Address::read(xml.text()?)),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn ipv6_address<R: BufRead>(xml: &mut Reader<R>, public: &mut Vec<Address>) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "ipv6Address" => public.extend(Address::read(xml.text()?)),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn add(addresses: &mut Vec<Address>, more: impl Iterator<Item = Address>) {
    for address in more {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
}
