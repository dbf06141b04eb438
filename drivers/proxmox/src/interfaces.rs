//! The addresses in what a guest says of its interfaces. The guest writes it, and may write anything.

use serde::Deserialize;
use tracker_driver_sdk::Error;
use tracker_driver_sdk::addresses::Addresses;

use crate::answer::data;

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

/// Of a virtual machine, by its guest agent.
pub fn of_machine(body: &[u8]) -> Result<Addresses, Error> {
    Ok(addresses(data::<OfAgent>(body)?.result))
}

/// Of a container. One that is off, or has no interface, has null.
pub fn of_container(body: &[u8]) -> Result<Addresses, Error> {
    Ok(addresses(data::<Option<_>>(body)?.unwrap_or_default()))
}

fn addresses(interfaces: Vec<Interface>) -> Addresses {
    let each = interfaces.iter().flat_map(|Interface { addresses, inet, inet6 }| {
        let listed = addresses.iter().flatten().filter_map(|entry| entry.address.as_deref());
        listed.chain(inet.as_deref()).chain(inet6.as_deref())
    });
    Addresses::by_range(each)
}
