//! What DigitalOcean's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it
//! says.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Page, Realm, RealmState, json, time};

/// `droplets` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Droplets {
    droplets: Vec<Droplet>,
    links: Option<Links>,
    meta: Option<Meta>,
    /// Errors have one, lists have not.
    message: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    droplet: Droplet,
    message: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Regions {
    regions: Vec<Region>,
    links: Option<Links>,
    meta: Option<Meta>,
    message: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Links {
    pages: Option<Pages>,
}

#[derive(Default, Deserialize)]
struct Pages {
    /// A URL; absent on the last page.
    next: Option<String>,
    /// A URL; absent on the last page, too.
    last: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    total: Option<u64>,
}

#[derive(Deserialize)]
struct Droplet {
    id: u64,
    name: Option<String>,
    status: String,
    created_at: Option<String>,
    size_slug: Option<String>,
    region: Option<Place>,
    image: Option<Image>,
    networks: Option<Networks>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Place {
    slug: Option<String>,
}

#[derive(Deserialize)]
struct Image {
    id: Option<u64>,
    slug: Option<String>,
}

#[derive(Deserialize)]
struct Networks {
    v4: Option<Vec<Network>>,
    v6: Option<Vec<Network>>,
}

#[derive(Deserialize)]
struct Network {
    ip_address: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Region {
    slug: String,
    name: Option<String>,
    available: Option<bool>,
}

/// Which page a cursor stands for.
pub fn page_number(cursor: Option<&str>) -> Result<u64, Error> {
    let Some(cursor) = cursor else { return Ok(1) };
    cursor.parse().map_err(|_| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
}

/// A page of droplets, the one of that number.
pub fn droplets(body: &[u8], number: u64) -> Result<Page<Instance>, Error> {
    let answer: Droplets = json::parse(body)?;
    no_error(answer.message.as_ref())?;
    page(answer.droplets.into_iter().map(instance).collect(), answer.links, answer.meta, number)
}

/// A droplet by itself.
pub fn droplet(body: &[u8]) -> Result<Instance, Error> {
    let answer: One = json::parse(body)?;
    no_error(answer.message.as_ref())?;
    Ok(instance(answer.droplet))
}

/// A page of regions, the one of that number.
pub fn regions(body: &[u8], number: u64) -> Result<Page<Realm>, Error> {
    let answer: Regions = json::parse(body)?;
    no_error(answer.message.as_ref())?;
    page(answer.regions.into_iter().map(realm).collect(), answer.links, answer.meta, number)
}

/// What stands beside an error is not what there is.
fn no_error(message: Option<&IgnoredAny>) -> Result<(), Error> {
    match message {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(()),
    }
}

/// Pages are numbered, so that a list that changes while it is read may skip an entry or have one twice. The host sees
/// both, by the total.
fn page<T>(items: Vec<T>, links: Option<Links>, meta: Option<Meta>, number: u64) -> Result<Page<T>, Error> {
    let Pages { next, last } = links.and_then(|links| links.pages).unwrap_or_default();
    let next = match next.filter(|link| !link.is_empty()) {
        Some(link) => Some(following(&link, last.as_deref(), number)?.to_string()),
        None => None,
    };
    let breaks_off = next.is_none() && last.as_deref().and_then(number_in).is_some_and(|last| last > number);
    let page = Page::complete(items).followed_by(next);
    if breaks_off {
        return Ok(page.partial(format!("page {number} says that it is not the last, and not which one follows it")));
    }
    Ok(match meta.and_then(|meta| meta.total) {
        Some(total) => page.of_total(Some(total)),
        None => page.partial("the answer does not say how many entries there are"),
    })
}

/// The number of the page that a link leads to. The link is not followed: a number can't lead to another host. Pages that
/// led back, or beyond the last one, would never end.
fn following(link: &str, last: Option<&str>, number: u64) -> Result<u64, Error> {
    match (number_in(link), last.and_then(number_in)) {
        (Some(next), last) if next > number && last.is_none_or(|last| next <= last) => Ok(next),
        _ => {
            let last = last.map(|last| format!(" (the last is {})", quote(last.as_bytes()))).unwrap_or_default();
            let link = quote(link.as_bytes());
            Err(Error::UnexpectedAnswer(format!("page {number} says that {link} follows it{last}")))
        }
    }
}

/// Which page a link is to, if it says so.
fn number_in(link: &str) -> Option<u64> {
    let query = link.split('#').next()?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("page="))?.parse().ok()
}

fn instance(droplet: Droplet) -> Instance {
    let (mut public_addresses, mut private_addresses) = (Vec::new(), Vec::new());
    if let Some(networks) = droplet.networks {
        for network in networks.v4.into_iter().chain(networks.v6).flatten() {
            let address = network.ip_address.as_deref().and_then(Address::read);
            match network.kind.as_deref() {
                Some("public") => public_addresses.extend(address),
                Some("private") => private_addresses.extend(address),
                // Nothing says who reaches it.
                _ => {}
            }
        }
    }
    Instance {
        name: droplet.name,
        realm: droplet.region.and_then(|region| region.slug),
        image: droplet.image.and_then(image),
        hardware_profile: droplet.size_slug,
        launched_at: droplet.created_at.as_deref().and_then(time::parse_rfc3339),
        public_addresses,
        private_addresses,
        // A tag is one word; what looks like a name and a value in it is the owner's own habit.
        labels: droplet.tags.into_iter().flatten().map(|tag| (tag, String::new())).collect(),
        ..Instance::new(droplet.id.to_string(), state(&droplet.status), droplet.status)
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "new" => InstanceState::Pending,
        "active" => InstanceState::Running,
        "off" => InstanceState::Stopped,
        // The API does not say what it is. Nothing that a client can do starts such a droplet again.
        "archive" => InstanceState::Finish,
        _ => InstanceState::Unknown,
    }
}

/// Public images have a slug, by which droplets are made from them; snapshots and backups only a number.
fn image(image: Image) -> Option<String> {
    image.slug.filter(|slug| !slug.is_empty()).or_else(|| image.id.map(|id| id.to_string()))
}

/// A region, in which new droplets can be made, or not.
fn realm(region: Region) -> Realm {
    let Region { slug, name, available } = region;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| slug.clone());
    let state = if available == Some(true) { RealmState::Available } else { RealmState::Unavailable };
    Realm::new(slug, name, state)
}
