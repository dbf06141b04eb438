//! What Hetzner Cloud's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it
//! says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Page, Realm, RealmState, json, time};

/// `servers` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
    meta: Option<Meta>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    server: Server,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Locations {
    locations: Vec<Location>,
    meta: Option<Meta>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Meta {
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
struct Pagination {
    /// Null on the last page.
    next_page: Option<u64>,
    last_page: Option<u64>,
    /// Null where the API does not count: it may leave that out.
    total_entries: Option<u64>,
}

#[derive(Deserialize)]
struct Server {
    id: u64,
    name: Option<String>,
    status: String,
    created: Option<String>,
    public_net: Option<PublicNet>,
    private_net: Option<Vec<PrivateNet>>,
    server_type: Option<Named>,
    image: Option<Image>,
    /// Newer answers have the location here, older ones in the datacenter, which newer ones leave out or have null.
    location: Option<Named>,
    datacenter: Option<Datacenter>,
    /// In the order of their names, whatever order the answer has them in.
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct PublicNet {
    ipv4: Option<Network>,
    ipv6: Option<Network>,
}

#[derive(Deserialize)]
struct Network {
    ip: Option<String>,
}

#[derive(Deserialize)]
struct PrivateNet {
    ip: Option<String>,
    /// Further addresses of the server in this network.
    alias_ips: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Datacenter {
    location: Option<Named>,
}

#[derive(Deserialize)]
struct Image {
    id: Option<u64>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    name: String,
    description: Option<String>,
}

/// Which page a cursor stands for.
pub fn page_number(cursor: Option<&str>) -> Result<u64, Error> {
    let Some(cursor) = cursor else { return Ok(1) };
    cursor.parse().map_err(|_| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
}

/// A page of servers, the one of that number.
pub fn servers(body: &[u8], number: u64) -> Result<Page<Instance>, Error> {
    let answer: Servers = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    page(answer.servers.into_iter().map(instance).collect(), answer.meta, number)
}

/// A server by itself.
pub fn server(body: &[u8]) -> Result<Instance, Error> {
    let answer: One = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    Ok(instance(answer.server))
}

/// A page of locations, the one of that number.
pub fn locations(body: &[u8], number: u64) -> Result<Page<Realm>, Error> {
    let answer: Locations = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    page(answer.locations.into_iter().map(realm).collect(), answer.meta, number)
}

/// What stands beside an error is not what there is.
fn no_error(error: Option<&IgnoredAny>) -> Result<(), Error> {
    match error {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(()),
    }
}

/// Pages are numbered, so that a list that changes while it is read may skip an entry or have one twice. The host sees
/// both, by the total: without one, several pages may not be all that there is.
fn page<T>(items: Vec<T>, meta: Option<Meta>, number: u64) -> Result<Page<T>, Error> {
    let Some(pagination) = meta.and_then(|meta| meta.pagination) else {
        return Ok(Page::complete(items).partial("the answer does not say whether a page follows it"));
    };
    let Pagination { next_page, last_page, total_entries } = pagination;
    // Pages that led back, or beyond the last one, would never end.
    if let Some(next) = next_page
        && (next <= number || last_page.is_some_and(|last| next > last))
    {
        let last = last_page.map(|last| format!(" of {last}")).unwrap_or_default();
        return Err(Error::UnexpectedAnswer(format!("page {number}{last} says that page {next} follows it")));
    }
    let is_one_of_several = number > 1 || next_page.is_some();
    let page = Page::complete(items).followed_by(next_page.map(|next| next.to_string())).of_total(total_entries);
    if next_page.is_none()
        && let Some(last) = last_page.filter(|last| *last > number)
    {
        return Ok(page.partial(format!("page {number} of {last} says that none follows it")));
    }
    Ok(match total_entries {
        None if is_one_of_several => page.partial("the answer does not say how many entries there are on all pages"),
        _ => page,
    })
}

fn instance(server: Server) -> Instance {
    let (mut public_addresses, mut private_addresses) = (Vec::new(), Vec::new());
    if let Some(net) = server.public_net {
        public_addresses.extend(address(net.ipv4));
        public_addresses.extend(net.ipv6.and_then(|network| network.ip).and_then(|network| first_of(&network)));
    }
    for net in server.private_net.into_iter().flatten() {
        private_addresses.extend(net.ip.as_deref().and_then(Address::read));
        private_addresses.extend(net.alias_ips.iter().flatten().filter_map(|ip| Address::read(ip)));
    }
    let datacenter = || server.datacenter.and_then(|datacenter| name(datacenter.location));
    Instance {
        name: server.name,
        realm: name(server.location).or_else(datacenter),
        image: server.image.and_then(image),
        hardware_profile: name(server.server_type),
        launched_at: server.created.as_deref().and_then(time::parse_rfc3339),
        public_addresses,
        private_addresses,
        labels: server.labels.into_iter().flatten().collect(),
        ..Instance::new(server.id.to_string(), state(&server.status), server.status)
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "initializing" | "starting" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "stopping" => InstanceState::Stopping,
        "off" => InstanceState::Stopped,
        "deleting" => InstanceState::ShuttingDown,
        // `migrating` and `rebuilding`, too: the server was on or off before and is so after it, and the API does not say
        // which.
        _ => InstanceState::Unknown,
    }
}

fn name(named: Option<Named>) -> Option<String> {
    named.and_then(|named| named.name)
}

/// Images of the system have a name, by which servers are made from them; snapshots and backups only a number.
fn image(image: Image) -> Option<String> {
    image.name.filter(|name| !name.is_empty()).or_else(|| image.id.map(|id| id.to_string()))
}

fn address(network: Option<Network>) -> Option<Address> {
    Address::read(&network?.ip?)
}

/// A server is given a whole network, `2001:db8::/64`, and has the first address in it.
fn first_of(network: &str) -> Option<Address> {
    match network.strip_suffix("::/64") {
        Some(prefix) => Address::read(&format!("{prefix}::1")),
        None => Address::read(network.split('/').next().unwrap_or_default()),
    }
}

/// The API lists the locations that there are, and has no word for one that is out of order.
fn realm(location: Location) -> Realm {
    let Location { name, description } = location;
    let title = description.filter(|text| !text.is_empty()).unwrap_or_else(|| name.clone());
    Realm::new(name, title, RealmState::Available)
}
