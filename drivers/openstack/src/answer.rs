//! What Nova's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, InstanceState, Page, Realm, RealmState, json};

use crate::server::Server;
use crate::settings::Settings;

/// `servers` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
    servers_links: Option<Vec<Link>>,
    #[serde(
        alias = "forbidden",
        alias = "overLimit",
        alias = "computeFault",
        alias = "serviceUnavailable",
        alias = "unauthorized"
    )]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    server: Server,
}

#[derive(Deserialize)]
struct Link {
    rel: Option<String>,
    href: Option<String>,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    status: String,
}

#[derive(Deserialize)]
struct Zones {
    #[serde(rename = "availabilityZoneInfo")]
    zones: Vec<Zone>,
    #[serde(
        alias = "forbidden",
        alias = "overLimit",
        alias = "computeFault",
        alias = "serviceUnavailable",
        alias = "unauthorized"
    )]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Zone {
    #[serde(rename = "zoneName")]
    name: String,
    #[serde(rename = "zoneState")]
    state: Option<ZoneState>,
}

#[derive(Deserialize)]
struct ZoneState {
    available: Option<bool>,
}

/// A page of servers, or of those that changed, the deleted ones among them.
pub fn servers(body: &[u8], are_changes: bool, settings: &Settings<'_>) -> Result<Page<Instance>, Error> {
    let Servers { servers, servers_links, error } = json::parse(body)?;
    no_error(error.as_ref())?;
    let next = following(servers_links)?;
    let unreached = servers.iter().filter(|server| server.is_unreached()).count();
    let instances = servers.into_iter().map(|server| server.into_instance(settings));
    if are_changes {
        let (gone, changed): (Vec<Instance>, Vec<Instance>) = instances.partition(is_gone);
        // They are entries of the page, and no instances any more.
        let omitted = gone.len() as u64;
        let gone = gone.into_iter().map(|instance| instance.id).collect();
        return Ok(Page::delta(changed, gone).omitting(omitted).followed_by(next));
    }
    Ok(said_if_unreached(Page::complete(instances.collect()).followed_by(next), unreached))
}

/// A server by itself, or nothing where it is deleted: then lists do not have it, either.
pub fn server(body: &[u8], settings: &Settings<'_>) -> Result<Page<Instance>, Error> {
    let One { server } = json::parse(body)?;
    let unreached = usize::from(server.is_unreached());
    let instance = server.into_instance(settings);
    let found = if is_gone(&instance) { Vec::new() } else { vec![instance] };
    Ok(said_if_unreached(Page::complete(found), unreached))
}

/// How many compute services are in cells that Nova does not reach.
pub fn unreached_services(body: &[u8]) -> Result<usize, Error> {
    let Services { services } = json::parse(body)?;
    Ok(services.iter().filter(|service| service.status == "UNKNOWN").count())
}

/// The availability zones, all on one page.
pub fn zones(body: &[u8]) -> Result<Page<Realm>, Error> {
    let Zones { zones, error } = json::parse(body)?;
    no_error(error.as_ref())?;
    if zones.iter().any(|zone| zone.name.is_empty()) {
        return Err(Error::UnexpectedAnswer("an availability zone has an empty name".to_owned()));
    }
    Ok(Page::complete(zones.into_iter().map(realm).collect()))
}

/// Deleted, or marked so: no list has it any more.
fn is_gone(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Finish | InstanceState::ShuttingDown)
}

fn said_if_unreached(page: Page<Instance>, unreached: usize) -> Page<Instance> {
    match unreached {
        0 => page,
        count => page.partial(format!("Nova does not reach the cell of {count} of the servers")),
    }
}

/// What stands beside an error is not what there is.
fn no_error(error: Option<&IgnoredAny>) -> Result<(), Error> {
    match error {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(()),
    }
}

/// The marker in the link to the next page, escaped as it stands there. The link is not followed: a marker can't lead to
/// another host.
fn following(links: Option<Vec<Link>>) -> Result<Option<String>, Error> {
    let mut links = links.into_iter().flatten();
    let Some(next) = links.find(|link| link.rel.as_deref() == Some("next")) else { return Ok(None) };
    let href = next.href.unwrap_or_default();
    let query = href.split('#').next().and_then(|link| link.split_once('?')).map_or("", |(_, query)| query);
    match query.split('&').find_map(|pair| pair.strip_prefix("marker=")).filter(|marker| !marker.is_empty()) {
        Some(marker) => Ok(Some(marker.to_owned())),
        None => {
            let link = quote(href.as_bytes());
            Err(Error::UnexpectedAnswer(format!("the link to the next page, `{link}`, has no marker")))
        }
    }
}

/// A zone is known by its name. It is available where one of its hosts takes servers.
fn realm(zone: Zone) -> Realm {
    let state = match zone.state.and_then(|state| state.available) {
        Some(true) => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    Realm::new(zone.name.clone(), zone.name, state)
}
