//! What the provider's answers mean. There is no HTTP in here, so that recorded answers are all that it takes
//! to test it.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Page, Realm, RealmState, json, time};

/// A page of servers. `servers` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
    /// Where the next page begins; null on the last one.
    next: Option<String>,
    /// Zones that did not answer the provider: their servers are not on the list.
    #[serde(default)]
    unreachable_zones: Vec<String>,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    name: Option<String>,
    status: String,
    zone: Option<String>,
    image: Option<String>,
    size: Option<String>,
    created_at: Option<String>,
    public_ip: Option<String>,
    private_ip: Option<String>,
    /// In the order of their names, whatever order the answer has them in.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Zones {
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
struct Zone {
    id: String,
    name: String,
    status: String,
    max_servers: Option<u64>,
}

/// A page of instances. One that says that something is missing is partial: only a complete list can show
/// the host that an instance is gone.
pub fn servers(body: &[u8]) -> Result<Page<Instance>, Error> {
    let answer: Servers = json::parse(body)?;
    let items = answer.servers.into_iter().map(instance).collect();
    let page = Page::complete(items).followed_by(answer.next);
    if answer.unreachable_zones.is_empty() {
        return Ok(page);
    }
    let zones = answer.unreachable_zones.join(", ");
    Ok(page.partial(format!("these zones did not answer: {zones}")))
}

/// The zones, all on one page.
pub fn zones(body: &[u8]) -> Result<Page<Realm>, Error> {
    let answer: Zones = json::parse(body)?;
    Ok(Page::complete(answer.zones.into_iter().map(realm).collect()))
}

fn instance(server: Server) -> Instance {
    Instance {
        name: server.name,
        realm: server.zone,
        image: server.image,
        hardware_profile: server.size,
        launched_at: server.created_at.as_deref().and_then(time::parse_rfc3339),
        public_addresses: server.public_ip.as_deref().and_then(Address::read).into_iter().collect(),
        private_addresses: server.private_ip.as_deref().and_then(Address::read).into_iter().collect(),
        labels: server.labels.into_iter().collect(),
        ..Instance::new(server.id, state(&server.status), server.status)
    }
}

/// The provider's word as one of the contract's states. A word that is not known here is `Unknown`: never a
/// guess, and never an error.
fn state(word: &str) -> InstanceState {
    match word {
        "creating" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "stopping" => InstanceState::Stopping,
        "stopped" => InstanceState::Stopped,
        "deleting" => InstanceState::ShuttingDown,
        "deleted" => InstanceState::Finish,
        "failed" => InstanceState::Error,
        _ => InstanceState::Unknown,
    }
}

fn realm(zone: Zone) -> Realm {
    let state = match zone.status.as_str() {
        "up" | "degraded" => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    Realm { limit: zone.max_servers, ..Realm::new(zone.id, zone.name, state) }
}
