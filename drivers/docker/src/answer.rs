//! What an engine's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use tracker_driver_sdk::addresses::is_private;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Realm, RealmState, json};

/// The realm's id. An engine has no id that stays: Podman makes one up for each answer, and a machine may be renamed.
const ENGINE: &str = "engine";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    /// Null or empty for one that is half removed.
    names: Option<Vec<String>>,
    image: Option<String>,
    #[serde(rename = "ImageID")]
    image_id: Option<String>,
    /// In seconds since 1970.
    created: Option<i64>,
    /// Engines before API 1.23 have none.
    state: Option<String>,
    /// For people: `Exited (137) 3 hours ago`.
    status: Option<String>,
    /// In the order of their names, whatever order the answer has them in.
    labels: Option<BTreeMap<String, Option<String>>>,
    network_settings: Option<NetworkSettings>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
}

/// A container's place in a network. Each address is empty while the container does not run.
#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: Option<String>,
}

#[derive(Deserialize)]
struct Port {
    /// The address of the machine at which the port is published.
    #[serde(rename = "IP")]
    ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    /// The machine's host name.
    name: String,
}

/// All containers of a list.
pub fn containers(body: &[u8]) -> Result<Vec<Instance>, Error> {
    json::parse::<Vec<Container>>(body)?.into_iter().map(instance).collect()
}

/// The engine as a realm. One that answers is available, and it has no word for more.
pub fn engine(body: &[u8]) -> Result<Realm, Error> {
    let Info { name } = json::parse(body)?;
    let title = if name.is_empty() { ENGINE.to_owned() } else { name };
    Ok(Realm::new(ENGINE, title, RealmState::Available))
}

fn instance(container: Container) -> Result<Instance, Error> {
    let word = container.state.or_else(|| container.status.as_deref().and_then(word_of));
    let Some(word) = word else {
        return Err(Error::UnexpectedAnswer(format!("{} has no `State`", quote(container.id.as_bytes()))));
    };
    let (public_addresses, private_addresses) = addresses(container.network_settings, container.ports);
    let given = |text: &String| !text.is_empty();
    let labels = container.labels.into_iter().flatten();
    Ok(Instance {
        name: container.names.and_then(name),
        realm: Some(ENGINE.to_owned()),
        // Docker itself puts the id into `Image` where the name stands for another image by now.
        image: container.image.filter(given).or(container.image_id.filter(given)),
        // Go's zero time lies long before 1970.
        launched_at: container.created.filter(|seconds| *seconds > 0).and_then(|seconds| seconds.checked_mul(1000)),
        public_addresses,
        private_addresses,
        labels: labels.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
        ..Instance::new(container.id, state(&word), word)
    })
}

/// What in a status does not change with time: `Up 2 hours` is `Up`, `Up 2 hours (Paused)` is `Paused`.
fn word_of(status: &str) -> Option<String> {
    let word = match status.split_whitespace().next()? {
        "Up" if status.ends_with("(Paused)") => "Paused",
        "Removal" => status,
        first => first,
    };
    Some(word.to_owned())
}

/// Documentation has some words with a capital that engines write without one.
fn state(word: &str) -> InstanceState {
    match word.to_ascii_lowercase().as_str() {
        "running" | "up" => InstanceState::Running,
        // It ended, and the engine starts it again.
        "restarting" => InstanceState::Pending,
        // What was never started is as little on as what ended, and nothing of a paused one is executed.
        "created" | "initialized" | "exit" | "exited" | "stopped" | "paused" => InstanceState::Stopped,
        "stopping" => InstanceState::Stopping,
        "removing" | "removal in progress" => InstanceState::ShuttingDown,
        // Its removal failed. It can't be started any more.
        "dead" => InstanceState::Error,
        _ => InstanceState::Unknown,
    }
}

/// A container's own name has one slash, at the beginning. Others are those by which linked containers know it: `/shop/db`.
fn name(names: Vec<String>) -> Option<String> {
    let names = || names.iter().map(|name| name.strip_prefix('/').unwrap_or(name)).filter(|name| !name.is_empty());
    names().find(|name| !name.contains('/')).or_else(|| names().next()).map(str::to_owned)
}

/// Public and private addresses. Those in networks are of either kind: a network may hand out public ones. An address at
/// which a port is published is the machine's own, and counts where it is public: from there the container is reached.
fn addresses(settings: Option<NetworkSettings>, ports: Option<Vec<Port>>) -> (Vec<Address>, Vec<Address>) {
    let networks = settings.and_then(|settings| settings.networks).into_iter().flatten();
    let (mut public, mut private) = (Vec::new(), Vec::new());
    for endpoint in networks.filter_map(|(_, endpoint)| endpoint) {
        for ip in [endpoint.ip_address, endpoint.global_ipv6_address].iter().flatten().filter_map(|text| ip(text)) {
            if is_private(ip) { private.push(ip) } else { public.push(ip) }
        }
    }
    let published = ports.iter().flatten().filter_map(|port| ip(port.ip.as_deref()?));
    public.extend(published.filter(|ip| !is_private(*ip)));
    (listed(public), listed(private))
}

/// Each once, and sorted: ports come in any order.
fn listed(mut ips: Vec<IpAddr>) -> Vec<Address> {
    ips.sort_unstable();
    ips.dedup();
    ips.iter().filter_map(|ip| Address::read(&ip.to_string())).collect()
}

/// Nothing where there is none: empty, or the unspecified address of a port that is published at all addresses. A prefix
/// length or a zone may stand behind it; one of IPv4 that is written as one of IPv6 is what it stands for.
fn ip(text: &str) -> Option<IpAddr> {
    let ip = text.split(['/', '%']).next()?.trim().parse::<IpAddr>().ok()?.to_canonical();
    (!ip.is_unspecified()).then_some(ip)
}
