//! Resources one by one: instances that the host asks for by id, and what Azure can't list.

use tracker_driver_sdk::{Error, Instance, Page, Query};

use crate::answer::machine::Machine;
use crate::answer::network::{Addresses, Interface, Public, PublicAddress};
use crate::answer::state::View;
use crate::answer::{Reference, id};
use crate::client::Client;
use crate::machines::{COMPUTE, NETWORK, with_own_view};
use crate::poll;
use crate::problem::Failure;

/// One of the instances that are asked for; the next page is of the next one. What is no id of this driver's is of
/// none.
pub(crate) fn page(client: &Client<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    if !id::is_of_machine(id) {
        return Ok(page(Vec::new()));
    }
    let path = format!("{}?$expand=instanceView&{COMPUTE}", id::path(id)?);
    let machine = match client.one::<Machine>(&path, |_| false) {
        Ok(machine) => machine,
        Err(failure) if failure.is_absent() => return Ok(page(Vec::new())),
        Err(failure) => return Err(failure.into()),
    };
    let mut found = Addresses::default();
    if client.settings.has_addresses {
        for interface in machine.interfaces() {
            match addresses(client, interface) {
                Ok(own) => found.add(&own),
                Err(failure) if failure.status == 403 && failure.is_lasting() => poll::miss("some addresses", &failure),
                Err(failure) => return Err(failure.into()),
            }
        }
    }
    Ok(poll::finish(page(vec![with_own_view(machine, found)?])))
}

/// The run-time state of a machine.
pub(crate) fn view(client: &Client<'_>, machine: &str) -> Result<View, Failure> {
    client.one(&format!("{}/instanceView?{COMPUTE}", id::path(machine)?), |view: &View| !view.has_statuses())
}

/// The addresses of an interface, its public ones with it.
pub(crate) fn addresses(client: &Client<'_>, interface: &Reference) -> Result<Addresses, Failure> {
    let Some(id) = interface.id.as_deref().filter(|id| !id.is_empty()) else { return Ok(Addresses::default()) };
    // Interfaces of scale sets are Compute's, and have a version of their own.
    let is_of_set = id::key(id).contains("/microsoft.compute/");
    let version = if is_of_set { "api-version=2018-10-01" } else { NETWORK };
    let path = format!("{}?$expand=ipConfigurations/publicIPAddress&{version}", id::path(id)?);
    match client.one::<Interface>(&path, |_| false) {
        Ok(interface) => {
            let public = public(client, &interface)?;
            Ok(interface.addresses(&public))
        }
        // It was deleted since the machine was listed.
        Err(failure) if failure.is_absent() => Ok(Addresses::default()),
        Err(failure) => Err(failure),
    }
}

/// The public addresses that an interface names and does not bring along: an API may not know `$expand`.
fn public(client: &Client<'_>, interface: &Interface) -> Result<Public, Failure> {
    let mut public = Public::new();
    for id in interface.unexpanded() {
        match client.one::<PublicAddress>(&format!("{}?{NETWORK}", id::path(id)?), |_| false) {
            Ok(address) => public.extend([address.into_entry()]),
            Err(failure) if failure.is_absent() => {}
            Err(failure) if failure.is_lasting() => poll::miss("some public addresses", &failure),
            Err(failure) => return Err(failure),
        }
    }
    Ok(public)
}
