//! What the lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Realm, RealmState, json, time};

use crate::image::{self, DataVolume, Named, Volume};
use crate::state;

/// The condition of an instance whose virtual processors stand still.
const PAUSED: &str = "Paused";

/// The phases in which addresses are its own. With the run strategy `Manual`, an instance whose guest shut down stays `Succeeded`
/// until its machine is started again, and its status keeps what it had.
const HAS_ADDRESSES: [&str; 6] = ["Pending", "Scheduling", "Scheduled", "WaitingForSync", "Running", "Unknown"];

/// The most labels of an instance. The host takes 1,000, and refuses the whole list for more.
const MOST_LABELS: usize = 500;

/// `items` and `metadata` have no default: an answer without them is no list, and is an error.
#[derive(Deserialize)]
struct List<T> {
    kind: String,
    items: Vec<T>,
    metadata: ListMetadata,
    // What a `Status` has, which says that there is an error.
    status: Option<IgnoredAny>,
    reason: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ListMetadata {
    /// Absent or empty on the last page.
    #[serde(rename = "continue")]
    token: Option<String>,
    #[serde(rename = "remainingItemCount")]
    remaining: Option<i64>,
}

#[derive(Deserialize)]
struct Machine {
    metadata: Metadata,
    spec: Option<MachineSpec>,
    status: Option<MachineStatus>,
}

#[derive(Deserialize)]
struct Running {
    metadata: Metadata,
    spec: Option<RunningSpec>,
    status: Option<RunningStatus>,
}

#[derive(Deserialize)]
struct Namespace {
    /// The entries of a list leave it out.
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    status: NamespaceStatus,
}

#[derive(Deserialize)]
struct Metadata {
    uid: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    #[serde(rename = "creationTimestamp")]
    created: Option<String>,
    /// In the order of their names, whatever order the answer has them in.
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "ownerReferences")]
    owners: Option<Vec<Owner>>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    uid: String,
}

#[derive(Deserialize)]
struct MachineSpec {
    instancetype: Option<Named>,
    template: Option<Template>,
    #[serde(rename = "dataVolumeTemplates")]
    data_volumes: Option<Vec<DataVolume>>,
}

#[derive(Deserialize)]
struct Template {
    spec: Option<RunningSpec>,
}

#[derive(Deserialize)]
struct RunningSpec {
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
struct MachineStatus {
    #[serde(rename = "printableStatus")]
    word: Option<String>,
}

#[derive(Deserialize)]
struct RunningStatus {
    phase: Option<String>,
    conditions: Option<Vec<Condition>>,
    interfaces: Option<Vec<Interface>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Deserialize)]
struct Interface {
    /// The first one, which older versions have alone.
    #[serde(rename = "ipAddress")]
    address: Option<String>,
    #[serde(rename = "ipAddresses")]
    addresses: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct NamespaceStatus {
    phase: Option<String>,
}

/// A page of machines, or of namespaces.
#[derive(Debug)]
pub struct Entries<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
    /// The answer says that something follows, and not where.
    pub is_cut_short: bool,
}

/// A page of what runs.
#[derive(Debug)]
pub struct RunningPage {
    /// What runs without a machine that it belongs to.
    pub alone: Vec<Instance>,
    /// The addresses of machines, by the machine's uid.
    pub of_machines: Vec<(String, Addresses)>,
    pub next: Option<String>,
    pub is_cut_short: bool,
}

pub fn machines(body: &[u8]) -> Result<Entries<Instance>, Error> {
    entries(list(body)?, machine)
}

pub fn running(body: &[u8]) -> Result<RunningPage, Error> {
    let list: List<Running> = list(body)?;
    let (mut alone, mut of_machines) = (Vec::new(), Vec::new());
    let (next, is_cut_short) = end(list.metadata);
    for running in list.items {
        match running.machine() {
            Some(uid) => of_machines.push((uid, running.addresses())),
            None => alone.push(instance_alone(running)?),
        }
    }
    Ok(RunningPage { alone, of_machines, next, is_cut_short })
}

pub fn namespaces(body: &[u8]) -> Result<Entries<Realm>, Error> {
    entries(list(body)?, realm)
}

pub fn namespace(body: &[u8]) -> Result<Realm, Error> {
    let namespace: Namespace = json::parse(body)?;
    match namespace.kind.as_str() {
        "Namespace" => realm(namespace),
        other => {
            Err(Error::UnexpectedAnswer(format!("the answer is no namespace, but a `{}`", quote(other.as_bytes()))))
        }
    }
}

/// `VirtualMachineList` and the like. What has another kind is no list, but a `Status` or a single object.
fn list<T: DeserializeOwned>(body: &[u8]) -> Result<List<T>, Error> {
    let list: List<T> = json::parse(body)?;
    if !list.kind.ends_with("List") {
        return Err(Error::UnexpectedAnswer(format!("the answer is no list, but a `{}`", quote(list.kind.as_bytes()))));
    }
    match list.status.as_ref().or(list.reason.as_ref()).or(list.error.as_ref()) {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(list),
    }
}

fn entries<E, T>(list: List<E>, read: fn(E) -> Result<T, Error>) -> Result<Entries<T>, Error> {
    let (next, is_cut_short) = end(list.metadata);
    let items = list.items.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Entries { items, next, is_cut_short })
}

fn end(ListMetadata { token, remaining }: ListMetadata) -> (Option<String>, bool) {
    let next = text(token);
    let is_cut_short = next.is_none() && remaining.is_some_and(|remaining| remaining > 0);
    (next, is_cut_short)
}

fn machine(Machine { metadata, spec, status }: Machine) -> Result<Instance, Error> {
    let word = status.and_then(|status| status.word).unwrap_or_default();
    let instance = instance(metadata, word)?;
    let Some(spec) = spec else { return Ok(instance) };
    let volumes = spec.template.and_then(|template| template.spec).and_then(|spec| spec.volumes).unwrap_or_default();
    Ok(Instance {
        hardware_profile: text(spec.instancetype.and_then(|named| named.name)),
        image: image::first(volumes, spec.data_volumes.unwrap_or_default()),
        ..instance
    })
}

fn instance_alone(running: Running) -> Result<Instance, Error> {
    let Addresses { public, private } = running.addresses();
    let Running { metadata, spec, status } = running;
    let word = status.map(RunningStatus::word).unwrap_or_default();
    Ok(Instance {
        image: image::first(spec.and_then(|spec| spec.volumes).unwrap_or_default(), Vec::new()),
        public_addresses: public,
        private_addresses: private,
        ..instance(metadata, word)?
    })
}

/// What machines and what runs without one have in common. A uid is never given again, unlike a name.
fn instance(metadata: Metadata, word: String) -> Result<Instance, Error> {
    let Some(id) = text(metadata.uid) else {
        let name = metadata.name.unwrap_or_default();
        return Err(Error::UnexpectedAnswer(format!("the entry `{}` has no `metadata.uid`", quote(name.as_bytes()))));
    };
    Ok(Instance {
        name: text(metadata.name),
        realm: text(metadata.namespace),
        launched_at: metadata.created.as_deref().and_then(time::parse_rfc3339),
        labels: metadata.labels.into_iter().flatten().take(MOST_LABELS).collect(),
        ..Instance::new(id, state::of(&word), word)
    })
}

impl Running {
    /// The uid of the machine that this is the running side of.
    fn machine(&self) -> Option<String> {
        let owners = self.metadata.owners.iter().flatten();
        owners.filter(|owner| owner.kind == "VirtualMachine").map(|owner| owner.uid.clone()).next()
    }

    /// None once it has ended: the network may have given them to another one since.
    fn addresses(&self) -> Addresses {
        let has_addresses = |phase: &str| HAS_ADDRESSES.contains(&phase);
        let status = self.status.as_ref().filter(|status| status.phase.as_deref().is_some_and(has_addresses));
        let interfaces = status.iter().flat_map(|status| status.interfaces.iter().flatten());
        let texts =
            interfaces.flat_map(|interface| interface.address.iter().chain(interface.addresses.iter().flatten()));
        Addresses::by_range(texts.map(String::as_str))
    }
}

impl RunningStatus {
    /// The phase, unless a condition says that it is paused, which no phase says.
    fn word(self) -> String {
        let phase = self.phase.unwrap_or_default();
        let is_paused = |condition: Condition| condition.kind == PAUSED && condition.status == "True";
        match phase == "Running" && self.conditions.into_iter().flatten().any(is_paused) {
            true => PAUSED.to_owned(),
            false => phase,
        }
    }
}

/// A namespace is `Active`, or `Terminating`: nothing can be made in it any more.
fn realm(namespace: Namespace) -> Result<Realm, Error> {
    let name = text(namespace.metadata.name);
    let name = name.ok_or_else(|| Error::UnexpectedAnswer("a namespace has no `metadata.name`".to_owned()))?;
    let state = match namespace.status.phase.as_deref() {
        Some("Active") => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    Ok(Realm::new(name.clone(), name, state))
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
