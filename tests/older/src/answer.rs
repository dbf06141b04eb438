//! What the provider's answers mean, in the contract's older records.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::exports::tracker::driver::inventory::{
    Address, AddressKind, Coverage, Error, Instance, InstancePage, InstanceState, Realm, RealmPage, RealmState,
};

#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
    next: Option<String>,
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

pub(crate) fn servers(body: &[u8]) -> Result<InstancePage, Error> {
    let Servers { servers, next, unreachable_zones } = parsed(body)?;
    let coverage = match &unreachable_zones[..] {
        [] => Coverage::Complete,
        zones => Coverage::Partial(format!("these zones did not answer: {}", zones.join(", "))),
    };
    Ok(InstancePage { items: servers.into_iter().map(instance).collect(), next, coverage })
}

pub(crate) fn zones(body: &[u8]) -> Result<RealmPage, Error> {
    let Zones { zones } = parsed(body)?;
    Ok(RealmPage { items: zones.into_iter().map(realm).collect(), next: None, coverage: Coverage::Complete })
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| match error.is_eof() && !body.trim_ascii().is_empty() {
        true => Error::Unavailable(format!("the answer broke off: {error}")),
        false => Error::UnexpectedAnswer(format!("the answer is not the JSON expected: {error}")),
    })
}

fn instance(server: Server) -> Instance {
    // It stands where there is no address yet.
    let is_set = |ip: &String| ip != "0.0.0.0";
    let addresses = |ip: Option<String>| ip.into_iter().filter(is_set).filter_map(address).collect();
    Instance {
        id: server.id,
        name: server.name,
        owner: None,
        realm: server.zone,
        image: server.image,
        hardware_profile: server.size,
        state: state(&server.status),
        provider_state: server.status,
        launched_at: server.created_at.as_deref().and_then(milliseconds),
        public_addresses: addresses(server.public_ip),
        private_addresses: addresses(server.private_ip),
        labels: server.labels.into_iter().collect(),
    }
}

fn address(value: String) -> Option<Address> {
    let kind = match value.parse() {
        Ok(std::net::IpAddr::V4(_)) => AddressKind::Ipv4,
        Ok(std::net::IpAddr::V6(_)) => AddressKind::Ipv6,
        Err(_) => AddressKind::Hostname,
    };
    (!value.is_empty()).then_some(Address { kind, value })
}

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
        "up" => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    Realm { id: zone.id, name: zone.name, state, limit: zone.max_servers }
}

/// `2026-11-02T08:15:00Z`, as this provider writes each time, in milliseconds since 1970.
fn milliseconds(text: &str) -> Option<i64> {
    let [year, month, day, hour, minute, second] =
        text.strip_suffix('Z')?.split(['-', 'T', ':']).map(str::parse).collect::<Result<Vec<i64>, _>>().ok()?[..]
    else {
        return None;
    };
    // Days-from-civil (Howard Hinnant's algorithms for dates).
    let year = year - i64::from(month <= 2);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100 + of_year;
    let days = year.div_euclid(400) * 146_097 + of_era - 719_468;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}
