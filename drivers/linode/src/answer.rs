//! What Linode's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Page, Realm, RealmState, Timestamp, json, time};

/// `data` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    page: Option<u64>,
    pages: Option<u64>,
    /// How many entries all pages have together.
    results: Option<u64>,
    errors: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    #[serde(flatten)]
    linode: Linode,
    errors: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Linode {
    id: u64,
    label: Option<String>,
    status: String,
    /// In UTC, without saying so.
    created: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    region: Option<String>,
    /// Null where the Linode was made without one.
    image: Option<String>,
    /// Public and private ones.
    ipv4: Option<Vec<String>>,
    /// With the length of its prefix; null where there is none.
    ipv6: Option<String>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Region {
    id: String,
    label: Option<String>,
    status: Option<String>,
}

/// What a user of limited access may see, as far as it is of interest here.
#[derive(Deserialize)]
struct Grants {
    linode: Vec<IgnoredAny>,
    errors: Option<IgnoredAny>,
}

/// Which page a cursor stands for.
pub fn page_number(cursor: Option<&str>) -> Result<u64, Error> {
    let Some(cursor) = cursor else { return Ok(1) };
    cursor.parse().map_err(|_| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
}

/// A page of Linodes, the one of that number.
pub fn linodes(body: &[u8], number: u64) -> Result<Page<Instance>, Error> {
    page(json::parse(body)?, number, instance)
}

/// A Linode by itself.
pub fn linode(body: &[u8]) -> Result<Instance, Error> {
    let answer: One = json::parse(body)?;
    no_errors(answer.errors.as_ref())?;
    Ok(instance(answer.linode))
}

/// A page of regions, the one of that number.
pub fn regions(body: &[u8], number: u64) -> Result<Page<Realm>, Error> {
    page(json::parse(body)?, number, realm)
}

/// How many Linodes are granted to the user.
pub fn granted_linodes(body: &[u8]) -> Result<usize, Error> {
    let answer: Grants = json::parse(body)?;
    no_errors(answer.errors.as_ref())?;
    Ok(answer.linode.len())
}

/// What stands beside an error is not what there is.
fn no_errors(errors: Option<&IgnoredAny>) -> Result<(), Error> {
    match errors {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has errors, too".to_owned())),
        None => Ok(()),
    }
}

/// Pages are numbered, so that a list that changes while it is read may skip an entry or have one twice. The host sees
/// both, by the total: without one, several pages may not be all that there is.
fn page<T, U>(list: List<T>, number: u64, read: fn(T) -> U) -> Result<Page<U>, Error> {
    let List { data, page, pages, results, errors } = list;
    no_errors(errors.as_ref())?;
    if let Some(other) = page.filter(|page| *page != number) {
        return Err(Error::UnexpectedAnswer(format!("page {number} was asked for, and page {other} came")));
    }
    let items = Page::complete(data.into_iter().map(read).collect()).of_total(results);
    let Some(pages) = pages else {
        return Ok(items.partial("the answer does not say how many pages there are"));
    };
    let next = (number < pages).then(|| (number + 1).to_string());
    let is_one_of_several = number > 1 || next.is_some();
    let items = items.followed_by(next);
    Ok(match results {
        None if is_one_of_several => items.partial("the answer does not say how many entries there are on all pages"),
        _ => items,
    })
}

fn instance(linode: Linode) -> Instance {
    let ipv4 = linode.ipv4.iter().flatten().filter_map(|text| Address::read(text));
    let (private_addresses, mut public_addresses): (Vec<_>, Vec<_>) = ipv4.partition(is_private);
    public_addresses.extend(linode.ipv6.as_deref().and_then(without_prefix));
    Instance {
        name: linode.label,
        realm: linode.region,
        image: linode.image,
        hardware_profile: linode.kind,
        launched_at: linode.created.as_deref().and_then(utc),
        public_addresses,
        private_addresses,
        // A tag is one word; what looks like a name and a value in it is the owner's own habit.
        labels: linode.tags.into_iter().flatten().map(|tag| (tag, String::new())).collect(),
        ..Instance::new(linode.id.to_string(), state(&linode.status), linode.status)
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "provisioning" | "booting" => InstanceState::Pending,
        // It is on before and after, as in other drivers.
        "running" | "rebooting" => InstanceState::Running,
        "shutting_down" => InstanceState::Stopping,
        // `stopped` is what a Linode is during maintenance.
        "offline" | "stopped" => InstanceState::Stopped,
        "deleting" => InstanceState::ShuttingDown,
        // `migrating`, `rebuilding`, `cloning`, `restoring`, `resizing` and `billing_suspension`, too: the Linode was on or
        // off before, and the API does not say which it is.
        _ => InstanceState::Unknown,
    }
}

/// The API has no word for it: public and private addresses stand in one list. Its own private ones are of
/// 192.168.128.0/17; those of a VPC are of any private range.
fn is_private(address: &Address) -> bool {
    address.value.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_private())
}

/// `2001:db8::1/128`; in older answers `/64`, which is the address, too, and no network.
fn without_prefix(text: &str) -> Option<Address> {
    Address::read(text.split('/').next().unwrap_or_default())
}

fn utc(text: &str) -> Option<Timestamp> {
    time::parse_rfc3339(&format!("{text}Z")).or_else(|| time::parse_rfc3339(text))
}

/// A region is out of order as long as the API says so, or says nothing.
fn realm(region: Region) -> Realm {
    let Region { id, label, status } = region;
    let name = label.filter(|label| !label.is_empty()).unwrap_or_else(|| id.clone());
    let state = if status.as_deref() == Some("ok") { RealmState::Available } else { RealmState::Unavailable };
    Realm::new(id, name, state)
}
