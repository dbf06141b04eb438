//! Which of a VM's addresses are public. CloudStack gives the address of each interface, and says only of static NAT that an address
//! is a public one: an interface has one, too, where its network is shared or routed.

use std::net::IpAddr;

use tracker_driver_sdk::Address;
use tracker_driver_sdk::addresses::is_private;

/// A VM's addresses, each once.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) public: Vec<Address>,
    pub(crate) private: Vec<Address>,
}

impl Addresses {
    /// The address of an interface: what it is shows in its range.
    pub(crate) fn of_interface(&mut self, text: Option<&str>) {
        let Some((ip, address)) = read(text) else { return };
        let list = if is_private(ip) { &mut self.private } else { &mut self.public };
        add(list, address);
    }

    /// An address that leads to the VM from outside.
    pub(crate) fn of_nat(&mut self, text: Option<&str>) {
        let Some((_, address)) = read(text) else { return };
        if !self.private.contains(&address) {
            add(&mut self.public, address);
        }
    }
}

fn add(list: &mut Vec<Address>, address: Address) {
    if !list.contains(&address) {
        list.push(address);
    }
}

fn read(text: Option<&str>) -> Option<(IpAddr, Address)> {
    let text = text?;
    Some((text.trim().parse().ok()?, Address::read(text)?))
}
