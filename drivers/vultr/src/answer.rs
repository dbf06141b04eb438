//! What Vultr's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::{Address, Error, Instance, Page, Realm, RealmState, json, time};

use crate::state;

/// `instances` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Instances {
    instances: Vec<Server>,
    meta: Option<Meta>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    instance: Server,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Regions {
    regions: Vec<Region>,
    meta: Option<Meta>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Meta {
    total: Option<u64>,
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    /// A cursor; empty on the last page.
    next: Option<String>,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    label: Option<String>,
    hostname: Option<String>,
    status: String,
    power_status: String,
    server_status: String,
    region: Option<String>,
    plan: Option<String>,
    /// Of an application of the marketplace; empty for the others.
    image_id: Option<String>,
    /// Of the snapshot that it was made from; empty for the others.
    snapshot_id: Option<String>,
    os_id: Option<u64>,
    date_created: Option<String>,
    /// `0.0.0.0` before there is one.
    main_ip: Option<String>,
    v6_main_ip: Option<String>,
    v6_networks: Option<Vec<Network>>,
    /// Of the VPC; empty where there is none.
    internal_ip: Option<String>,
    tags: Option<Vec<String>>,
    /// What older answers have in place of `tags`.
    tag: Option<String>,
}

#[derive(Deserialize)]
struct Network {
    main_ip: Option<String>,
}

#[derive(Deserialize)]
struct Region {
    id: String,
    city: Option<String>,
}

/// A page of instances.
pub fn instances(body: &[u8]) -> Result<Page<Instance>, Error> {
    let answer: Instances = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    Ok(page(answer.instances.into_iter().map(server).collect(), answer.meta))
}

/// An instance by itself.
pub fn instance(body: &[u8]) -> Result<Instance, Error> {
    let answer: One = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    Ok(server(answer.instance))
}

/// A page of regions.
pub fn regions(body: &[u8]) -> Result<Page<Realm>, Error> {
    let answer: Regions = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    Ok(page(answer.regions.into_iter().map(realm).collect(), answer.meta))
}

/// What stands beside an error is not what there is.
fn no_error(error: Option<&IgnoredAny>) -> Result<(), Error> {
    match error {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(()),
    }
}

/// The API counts all entries. Without its count, several pages may not be all that there is.
fn page<T>(items: Vec<T>, meta: Option<Meta>) -> Page<T> {
    let page = Page::complete(items);
    let Some(Meta { total, links }) = meta else {
        return page.partial("the answer does not say whether a page follows it");
    };
    let page = page.of_total(total);
    let Some(next) = links.and_then(|links| links.next) else {
        return page.partial("the answer does not say whether a page follows it");
    };
    let page = page.followed_by(Some(next).filter(|next| !next.is_empty()));
    match total {
        Some(_) => page,
        None => page.partial("the answer does not say how many entries there are"),
    }
}

fn server(server: Server) -> Instance {
    let (state, words) = state::of(&server.status, &server.power_status, &server.server_status);
    let read = |text: Option<String>| text.as_deref().and_then(Address::read);
    let networks = server.v6_networks.into_iter().flatten().filter_map(|network| read(network.main_ip));
    let (mut public_addresses, mut private_addresses) = (Vec::new(), Vec::new());
    for address in read(server.main_ip).into_iter().chain(read(server.v6_main_ip)).chain(networks) {
        // One without a public address has its private one as its main one.
        add(if is_private(&address) { &mut private_addresses } else { &mut public_addresses }, address);
    }
    if let Some(address) = read(server.internal_ip) {
        add(&mut private_addresses, address);
    }
    let mut labels: Vec<_> = server.tags.into_iter().flatten().map(|tag| (tag, String::new())).collect();
    if let Some(tag) = filled(server.tag).filter(|tag| labels.iter().all(|(name, _)| name != tag)) {
        labels.push((tag, String::new()));
    }
    let os = server.os_id.filter(|id| *id != 0).map(|id| id.to_string());
    Instance {
        name: filled(server.label).or_else(|| filled(server.hostname)),
        realm: filled(server.region),
        // All that was made of a snapshot has the same operating system: one that stands for "a snapshot".
        image: filled(server.image_id).or_else(|| filled(server.snapshot_id)).or(os),
        hardware_profile: filled(server.plan),
        launched_at: server.date_created.as_deref().and_then(time::parse_rfc3339),
        public_addresses,
        private_addresses,
        labels,
        ..Instance::new(server.id, state, words)
    }
}

/// What is not there is an empty text.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The same address stands in several members.
fn add(addresses: &mut Vec<Address>, address: Address) {
    if !addresses.contains(&address) {
        addresses.push(address);
    }
}

fn is_private(address: &Address) -> bool {
    match address.value.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_private(),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local(),
        Err(_) => false,
    }
}

/// The API lists the regions that there are, and has no word for one that is out of order.
fn realm(region: Region) -> Realm {
    let Region { id, city } = region;
    let name = filled(city).unwrap_or_else(|| id.clone());
    Realm::new(id, name, RealmState::Available)
}
