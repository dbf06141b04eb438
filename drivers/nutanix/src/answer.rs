//! What the lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Page, Realm, RealmState, json, time};

use crate::{PER_PAGE, state};

/// `metadata` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct List<T> {
    /// Absent where there is no entry, and never null.
    #[serde(default = "none", deserialize_with = "some")]
    data: Option<Vec<T>>,
    metadata: Metadata,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One<T> {
    data: T,
    metadata: Option<Metadata>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Metadata {
    flags: Option<Vec<Flag>>,
    links: Option<Vec<Link>>,
    #[serde(rename = "totalAvailableResults")]
    total: Option<u64>,
}

/// The API's description requires none of these members.
#[derive(Deserialize)]
struct Flag {
    name: Option<String>,
    value: Option<bool>,
}

#[derive(Deserialize)]
struct Link {
    rel: Option<String>,
    href: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    ext_id: String,
    name: Option<String>,
    power_state: Option<String>,
    create_time: Option<String>,
    cluster: Option<Reference>,
    ownership_info: Option<Ownership>,
    categories: Option<Vec<Reference>>,
    disks: Option<Vec<Disk>>,
    nics: Option<Vec<Nic>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ext_id: Option<String>,
}

#[derive(Deserialize)]
struct Ownership {
    owner: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    backing_info: Option<Backing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Backing {
    data_source: Option<DataSource>,
}

#[derive(Deserialize)]
struct DataSource {
    reference: Option<ImageReference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageReference {
    image_ext_id: Option<String>,
}

/// Newer versions have both, with the same addresses.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nic {
    network_info: Option<Network>,
    nic_network_info: Option<Network>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    ipv4_config: Option<Assigned>,
    ipv4_info: Option<Learned>,
    ipv6_info: Option<LearnedIpv6>,
}

/// What the network gives out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assigned {
    ip_address: Option<Value>,
    secondary_ip_address_list: Option<Vec<Value>>,
}

/// What was seen on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Learned {
    learned_ip_addresses: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LearnedIpv6 {
    learned_ipv6_addresses: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Value {
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    ext_id: String,
    name: Option<String>,
    config: Option<ClusterConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfig {
    is_available: Option<bool>,
}

/// What a machine has by id.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Category {
    #[serde(rename = "extId")]
    pub id: String,
    pub key: String,
    pub value: String,
}

/// Which page a cursor stands for. The first one has the number 0.
pub fn page_number(cursor: Option<&str>) -> Result<u64, Error> {
    let Some(cursor) = cursor else { return Ok(0) };
    cursor.parse().map_err(|_| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
}

/// A page of machines, the one of that number.
pub fn machines(body: &[u8], number: u64) -> Result<Page<Instance>, Error> {
    page(json::parse(body)?, number, instance)
}

/// A page of clusters, the one of that number.
pub fn clusters(body: &[u8], number: u64) -> Result<Page<Realm>, Error> {
    page(json::parse(body)?, number, realm)
}

/// A page of categories, the one of that number.
pub fn categories(body: &[u8], number: u64) -> Result<Page<Category>, Error> {
    page(json::parse(body)?, number, Ok)
}

/// A machine by itself.
pub fn machine(body: &[u8]) -> Result<Instance, Error> {
    let One { data, metadata, error } = json::parse::<One<Machine>>(body)?;
    no_error(error.as_ref(), metadata.as_ref())?;
    instance(data)
}

/// Whether it can be an id: it goes into a path.
pub fn is_uuid(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// What stands beside an error is not what there is.
fn no_error(error: Option<&IgnoredAny>, metadata: Option<&Metadata>) -> Result<(), Error> {
    match error.is_some() || metadata.is_some_and(|metadata| metadata.has("hasError")) {
        true => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        false => Ok(()),
    }
}

fn none<T>() -> Option<T> {
    None
}

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Pages are numbered, so that a list that changes while it is read may skip an entry or have one twice. The host sees both, by
/// the total.
fn page<E: DeserializeOwned, T>(
    list: List<E>,
    number: u64,
    read: impl Fn(E) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let List { data, metadata, error } = list;
    no_error(error.as_ref(), Some(&metadata))?;
    let entries = match data {
        Some(entries) => entries,
        None if metadata.total == Some(0) => Vec::new(),
        None => return Err(Error::UnexpectedAnswer("the answer has no `data`".to_owned())),
    };
    let next = metadata.next(number)?;
    let page = Page::complete(entries.into_iter().map(read).collect::<Result<_, _>>()?);
    let page = page.followed_by(next.map(|next| next.to_string())).of_total(metadata.total);
    Ok(match metadata.total {
        _ if metadata.has("isTruncated") => page.partial("the answer says that it is cut short"),
        None => page.partial("the answer does not say how many entries there are on all pages"),
        Some(_) => page,
    })
}

impl Metadata {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().flatten().any(|set| set.name.as_deref() == Some(flag) && set.value == Some(true))
    }

    /// The page behind the one of that number: the one that a link leads to, or the next one as long as the total has more.
    fn next(&self, number: u64) -> Result<Option<u64>, Error> {
        let following = number.saturating_add(1);
        let Some(link) = self.links.iter().flatten().find(|link| link.rel.as_deref() == Some("next")) else {
            let has_more = self.total.is_some_and(|total| following.saturating_mul(PER_PAGE) < total);
            return Ok(has_more.then_some(following));
        };
        // A page that leads back would never end. Where it leads to is on the account's own endpoint, whatever its host.
        let href = link.href.as_deref().unwrap_or_default();
        match page_of(href) {
            Some(next) if next > number => Ok(Some(next)),
            _ => {
                let href = quote(href.as_bytes());
                Err(Error::UnexpectedAnswer(format!("page {number} says that `{href}` follows it")))
            }
        }
    }
}

/// The value of `$page` in a link.
fn page_of(href: &str) -> Option<u64> {
    let (_, query) = href.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| ["$page", "%24page"].contains(name)).find_map(|(_, value)| value.parse().ok())
}

fn instance(machine: Machine) -> Result<Instance, Error> {
    let id = required(machine.ext_id, "a machine")?;
    let word = machine.power_state.unwrap_or_default();
    let Addresses { public, private } = addresses(&machine.nics.unwrap_or_default());
    let labels = machine.categories.into_iter().flatten().filter_map(|category| text(category.ext_id));
    Ok(Instance {
        name: text(machine.name),
        owner: machine.ownership_info.and_then(|info| info.owner).and_then(|owner| text(owner.ext_id)),
        realm: machine.cluster.and_then(|cluster| text(cluster.ext_id)),
        image: machine.disks.into_iter().flatten().find_map(image),
        launched_at: machine.create_time.as_deref().and_then(time::parse_rfc3339),
        public_addresses: public,
        private_addresses: private,
        labels: labels.map(|category| (category, String::new())).collect(),
        ..Instance::new(id, state::of(&word), word)
    })
}

fn image(disk: Disk) -> Option<String> {
    text(disk.backing_info?.data_source?.reference?.image_ext_id)
}

fn addresses(nics: &[Nic]) -> Addresses {
    let networks = nics.iter().flat_map(|nic| nic.network_info.iter().chain(&nic.nic_network_info));
    Addresses::by_range(networks.flat_map(Network::values).filter_map(|value| value.value.as_deref()))
}

impl Network {
    fn values(&self) -> impl Iterator<Item = &Value> {
        let assigned = self.ipv4_config.iter();
        let assigned = assigned
            .flat_map(|config| config.ip_address.iter().chain(config.secondary_ip_address_list.iter().flatten()));
        let learned = self.ipv4_info.iter().flat_map(|info| info.learned_ip_addresses.iter().flatten());
        let learned_ipv6 = self.ipv6_info.iter().flat_map(|info| info.learned_ipv6_addresses.iter().flatten());
        assigned.chain(learned).chain(learned_ipv6)
    }
}

fn realm(cluster: Cluster) -> Result<Realm, Error> {
    let id = required(cluster.ext_id, "a cluster")?;
    let state = match cluster.config.and_then(|config| config.is_available) {
        Some(true) => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    let name = text(cluster.name).unwrap_or_else(|| id.clone());
    Ok(Realm::new(id, name, state))
}

fn required(id: String, of: &str) -> Result<String, Error> {
    text(Some(id)).ok_or_else(|| Error::UnexpectedAnswer(format!("{of} has no `extId`")))
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
