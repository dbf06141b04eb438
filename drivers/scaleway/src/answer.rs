//! What Scaleway's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, json, time};

/// The most that the API gives at once.
const PER_PAGE: u64 = 100;

/// A page of the servers of one zone.
#[derive(Debug, PartialEq)]
pub struct ZonePage {
    pub items: Vec<Instance>,
    /// The number of the page after it.
    pub next: Option<u64>,
    /// How many servers the zone has on all its pages.
    pub total: Option<u64>,
}

/// `servers` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
    /// Errors have one, lists have not.
    message: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    name: Option<String>,
    state: String,
    zone: Option<String>,
    project: Option<String>,
    /// Who owns it where there are no projects, in older answers.
    organization: Option<String>,
    commercial_type: Option<String>,
    /// Null where its volumes came without one.
    image: Option<Image>,
    creation_date: Option<String>,
    tags: Option<Vec<String>>,
    public_ips: Option<Vec<Ip>>,
    /// The first of `public_ips`; all that older answers have, beside `ipv6`.
    public_ip: Option<Ip>,
    ipv6: Option<Ip>,
    private_ip: Option<String>,
}

#[derive(Deserialize)]
struct Image {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Ip {
    address: Option<String>,
}

/// A page of the servers of a zone, the one of that number. What is known of the others stands in its headers.
pub fn servers(body: &[u8], headers: &Headers, number: u64) -> Result<ZonePage, Error> {
    let answer: Servers = json::parse(body)?;
    if answer.message.is_some() {
        return Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned()));
    }
    let total = headers.get("x-total-count").and_then(|count| count.trim().parse::<u64>().ok());
    let next = match next_link(headers) {
        Some(link) => Some(following(link, number)?),
        // A link may be lost on the way.
        None => total.filter(|total| number.saturating_mul(PER_PAGE) < *total).map(|_| number + 1),
    };
    Ok(ZonePage { items: answer.servers.into_iter().map(instance).collect(), next, total })
}

/// The target of the link to the next page: `</servers?page=2&per_page=100>; rel="next"`, among others.
fn next_link(headers: &Headers) -> Option<&str> {
    let links = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    let mut links = links.flat_map(|(_, value)| value.split('<').skip(1)).filter_map(|link| link.split_once('>'));
    links.find(|(_, parameters)| names_next(parameters)).map(|(target, _)| target)
}

fn names_next(parameters: &str) -> bool {
    let mut parameters = parameters.split([';', ',']).map(str::trim);
    parameters
        .any(|parameter| parameter.eq_ignore_ascii_case("rel=\"next\"") || parameter.eq_ignore_ascii_case("rel=next"))
}

/// The number of the page that a link leads to. The link is not followed: a number can't lead to another host. Pages that
/// led back would never end.
fn following(link: &str, number: u64) -> Result<u64, Error> {
    let query = link.split('#').next().and_then(|link| link.split_once('?')).map_or("", |(_, query)| query);
    let next = query.split('&').find_map(|pair| pair.strip_prefix("page=")).and_then(|page| page.parse::<u64>().ok());
    next.filter(|next| *next > number).ok_or_else(|| {
        Error::UnexpectedAnswer(format!("page {number} says that {} follows it", quote(link.as_bytes())))
    })
}

fn instance(server: Server) -> Instance {
    let ips = server.public_ips.into_iter().flatten().chain(server.public_ip).chain(server.ipv6);
    let mut public_addresses: Vec<Address> = Vec::new();
    for address in ips.filter_map(|ip| Address::read(&ip.address?)) {
        if !public_addresses.contains(&address) {
            public_addresses.push(address);
        }
    }
    Instance {
        name: server.name,
        owner: server.project.or(server.organization),
        realm: server.zone,
        image: server.image.and_then(|image| image.id),
        hardware_profile: server.commercial_type,
        launched_at: server.creation_date.as_deref().and_then(time::parse_rfc3339),
        public_addresses,
        private_addresses: server.private_ip.as_deref().and_then(Address::read).into_iter().collect(),
        // A tag is one word; what looks like a name and a value in it is the owner's own habit.
        labels: server.tags.into_iter().flatten().map(|tag| (tag, String::new())).collect(),
        ..Instance::new(server.id, state(&server.state), server.state)
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "starting" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "stopping" => InstanceState::Stopping,
        "stopped" | "stopped in place" => InstanceState::Stopped,
        // `locked`, too: Scaleway has locked the server, and the API does not say whether it is on.
        _ => InstanceState::Unknown,
    }
}
