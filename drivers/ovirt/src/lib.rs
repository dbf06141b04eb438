//! oVirt and Red Hat Virtualization: virtual machines as instances, clusters as realms, over the REST API of the engine. What an
//! answer means is in `vms`, `clusters`, `state` and `addresses`, apart from HTTP; here and in `call` is what is asked.

mod addresses;
mod call;
mod clusters;
mod fault;
mod links;
pub mod state;
mod vms;

use std::collections::HashMap;

use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm, RealmState, SecretKind,
    log,
};

use call::{Call, Part};
use clusters::Cluster;
use links::Links;
use vms::Vm;

/// How many virtual machines are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

/// How many virtual machines are asked for their devices, by an engine that does not put them into the list.
const MOST_DEVICES: usize = 100;

/// The driver itself. User and password are those of a user of the engine, `admin@internal`; or the password is an access
/// token of its single sign-on.
#[derive(Debug)]
pub struct Ovirt;

tracker_driver_sdk::export_driver!(Ovirt);

impl Driver for Ovirt {
    fn describe() -> Description {
        Description {
            // No provider is known by name: every engine is its operator's own.
            options: vec![
                AccountOption::new(call::FILTER, call::FILTER_HELP),
                AccountOption::new(links::FOLLOW, links::FOLLOW_HELP),
            ],
            secrets: vec![SecretKind::Password, SecretKind::AccessToken],
            // The engine has no limit of requests.
            requests_per_minute: None,
            features: Features::BY_ID,
            ..Description::new("ovirt", "oVirt", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let links = Links::of(account)?;
        let mut call = Call::of(account)?;
        if !query.ids.is_empty() && query.ids.len() <= MOST_ALONE {
            return one(&mut call, links, query);
        }
        let vms = call.list(&links.of_path("vms"), "vms", vms::list)?;
        with_devices(&mut call, links, vms)
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        // An account that is not usable for one list is not for the other.
        Links::of(account)?;
        let mut call = Call::of(account)?;
        let clusters = call.list("clusters?follow=data_center", "clusters", clusters::list)?;
        Ok(Page::complete(realms(&mut call, clusters)?))
    }
}

/// One of the virtual machines that are asked for; the next page is of the next one.
fn one(call: &mut Call<'_>, links: Links, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let found = match call::segment(id) {
        Some(segment) => call.one(&links.of_path(&format!("vms/{segment}")), "vm", vms::vm)?,
        None => None,
    };
    let vms = found.into_iter().filter(|vm| vm.instance.id == id).collect();
    Ok(with_devices(call, links, vms)?.followed_by(next))
}

/// The instances with their addresses. Engines before 4.2 do not follow links: they have each virtual machine's devices
/// at an address of its own, unless they are of version 3, which has the addresses in the list. Devices that can't be had
/// make the page partial.
fn with_devices(call: &mut Call<'_>, links: Links, mut vms: Vec<Vm>) -> Result<Page<Instance>, Error> {
    let mut lack = None;
    let are_missing = links.devices && !vms.is_empty() && vms.iter().all(|vm| !vm.has_addresses);
    if are_missing && vms.len() > MOST_DEVICES {
        log::warn(&format!(
            "the engine does not follow links, and has more than {MOST_DEVICES} virtual machines: they are listed without \
             addresses"
        ));
    } else if are_missing {
        for vm in &mut vms {
            let Some(segment) = call::segment(&vm.instance.id) else { continue };
            let found = call.part(&format!("vms/{segment}/reporteddevices"), "reported_devices", addresses::devices)?;
            match found {
                Part::Answer(found) => vm.addresses = found,
                // It was removed meanwhile.
                Part::Absent => {}
                Part::Lacking(error) => {
                    lack.get_or_insert_with(|| format!("addresses are missing: {}", error.message()));
                }
            }
        }
    }
    let page = Page::complete(vms.into_iter().map(Vm::into_instance).collect());
    Ok(match lack {
        Some(why) => page.partial(why),
        None => page,
    })
}

/// A cluster is available while its data center is up. Engines before 4.2 have the data centers in a list of their own.
fn realms(call: &mut Call<'_>, clusters: Vec<Cluster>) -> Result<Vec<Realm>, Error> {
    let are_missing = clusters.iter().any(|cluster| cluster.data_center.is_some())
        && clusters.iter().all(|cluster| !cluster.is_followed);
    let states: HashMap<String, String> = match are_missing {
        true => call.further_list("datacenters", "data_centers", clusters::data_centers)?.into_iter().collect(),
        false => HashMap::new(),
    };
    let realm = |cluster: Cluster| {
        let of_list = || cluster.data_center.as_ref().and_then(|id| states.get(id)).map(String::as_str);
        let state = match cluster.status.as_deref().or_else(of_list) {
            Some(word) => clusters::state(word),
            None => RealmState::Unavailable,
        };
        Realm::new(cluster.id, cluster.name, state)
    };
    Ok(clusters.into_iter().map(realm).collect())
}
