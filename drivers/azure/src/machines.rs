//! The list of virtual machines, joined with their run-time states and their addresses.

use tracker_driver_sdk::{Error, Instance, Page};

use crate::answer::machine::{Machine, RunTime};
use crate::answer::network::{Addresses, Interface, Public};
use crate::answer::state::View;
use crate::answer::{Reference, id};
use crate::client::Client;
use crate::poll::{self, Joined, Network};
use crate::{scale_sets, single};

/// From 2021-11-01 on, machines say when they were created.
pub(crate) const COMPUTE: &str = "api-version=2024-07-01";
pub(crate) const NETWORK: &str = "api-version=2024-05-01";

/// A page of machines. Behind the last one come the members of scale sets.
pub(crate) fn page(client: &Client<'_>, cursor: Option<&str>) -> Result<Page<Instance>, Error> {
    let first = || format!("{}/virtualMachines?{COMPUTE}", compute(client));
    let path = cursor.map_or_else(first, str::to_owned);
    let list = client.list::<Machine>(&path)?;
    // An account without machines needs no more.
    if !list.value.is_empty() && poll::with(|poll| poll.joined.is_none()) {
        let joined = joined(client)?;
        poll::with(|poll| poll.joined = Some(joined));
        scale_sets::find(client, false)?;
    }
    let items = list.value.into_iter().map(|machine| instance(client, machine)).collect::<Result<_, _>>()?;
    let page = Page::complete(items);
    match list.next {
        Some(next) => Ok(poll::finish(page.followed_by(Some(next)))),
        None => scale_sets::behind(client, page),
    }
}

fn compute(client: &Client<'_>) -> String {
    format!("/subscriptions/{}/providers/Microsoft.Compute", client.settings.subscription)
}

fn instance(client: &Client<'_>, mut machine: Machine) -> Result<Instance, Error> {
    let key = id::key(&machine.id);
    let known = |joined: &Joined| (joined.views.get(&key).cloned(), joined.lacks_views);
    let (listed, lacks_views) = poll::with(|poll| poll.joined.as_ref().map(known)).unwrap_or_default();
    let mut view = machine.take_view().or(listed);
    if view.is_none() && lacks_views {
        view = match single::view(client, &machine.id) {
            Ok(view) => Some(view),
            // It was deleted since it was listed.
            Err(failure) if failure.is_absent() => None,
            Err(failure) if failure.is_lasting() => {
                poll::miss("some states", &failure);
                None
            }
            Err(failure) => return Err(failure.into()),
        };
    }
    let addresses = addresses(client, machine.interfaces(), |poll| poll.joined.as_ref().map(|joined| &joined.network))?;
    machine.into_instance(view.as_ref(), addresses)
}

/// The addresses of these interfaces.
pub(crate) fn addresses<'a>(
    client: &Client<'_>,
    interfaces: impl Iterator<Item = &'a Reference>,
    network: impl Fn(&poll::Poll) -> Option<&Network>,
) -> Result<Addresses, Error> {
    let mut found = Addresses::default();
    let is_single = poll::with(|poll| network(poll).is_some_and(|network| network.is_single));
    for interface in interfaces {
        if is_single {
            match single::addresses(client, interface) {
                Ok(own) => found.add(&own),
                Err(failure) if failure.is_lasting() => poll::miss("some addresses", &failure),
                Err(failure) => return Err(failure.into()),
            }
        } else if let Some(key) = interface.key() {
            poll::with(|poll| {
                if let Some(own) = network(poll).and_then(|network| network.interfaces.get(&key)) {
                    found.add(own);
                }
            });
        }
    }
    Ok(found)
}

/// Reads what the machines of all pages are joined with.
fn joined(client: &Client<'_>) -> Result<Joined, Error> {
    let mut joined = Joined::default();
    let mut entries = 0;
    let states = format!("{}/virtualMachines?{COMPUTE}&statusOnly=true", compute(client));
    client.each_page::<RunTime>(states, |page| {
        entries += page.len();
        let views = page.into_iter().filter_map(|mut entry| {
            let id = std::mem::take(&mut entry.id);
            Some((id::key(&id), entry.into_view()?))
        });
        joined.views.extend(views);
    })?;
    // An API that does not know the parameter gives the list of machines once more.
    joined.lacks_views = entries > 0 && joined.views.is_empty();
    if client.settings.has_addresses {
        joined.network = network(client)?;
    }
    Ok(joined)
}

/// The addresses of all interfaces of the subscription, but for those of scale sets.
fn network(client: &Client<'_>) -> Result<Network, Error> {
    let subscription = client.settings.subscription;
    let list = |what: &str| format!("/subscriptions/{subscription}/providers/Microsoft.Network/{what}?{NETWORK}");
    let mut public = Public::new();
    match client.each_page(list("publicIPAddresses"), |page| poll::add_public(&mut public, page)) {
        Ok(()) => {}
        Err(failure) if failure.is_lasting() => poll::miss("public addresses", &failure),
        Err(failure) => return Err(failure.into()),
    }
    let mut network = Network::default();
    let read = client.each_page::<Interface>(list("networkInterfaces"), |page| {
        page.iter().for_each(|interface| network.insert(interface, &public));
    });
    match read {
        Ok(()) => {}
        // Where there is no such list, there are the interfaces that machines name, each with its public addresses.
        Err(failure) if failure.status == 404 && failure.is_lasting() => network.is_single = true,
        Err(failure) if failure.is_lasting() => poll::miss("addresses", &failure),
        Err(failure) => return Err(failure.into()),
    }
    Ok(network)
}

/// The run-time state that a machine by itself brings along.
pub(crate) fn with_own_view(mut machine: Machine, addresses: Addresses) -> Result<Instance, Error> {
    let view: Option<View> = machine.take_view();
    machine.into_instance(view.as_ref(), addresses)
}
