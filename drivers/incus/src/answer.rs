//! What the lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Page, Realm, RealmState, json, time};

use crate::config::{self, Config};
use crate::state;

/// The project that is always there.
const DEFAULT: &str = "default";

/// How many instances a message names.
const NAMED: usize = 5;

/// The most labels of an instance, and bytes of a label or another text. Whoever may change an instance may write more, and the
/// host refuses the whole list for more than 1,000 labels or 16 KiB.
const MOST_LABELS: usize = 500;
const MOST_BYTES: usize = 4096;

/// `metadata` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
struct Answer<T> {
    #[serde(rename = "type")]
    kind: String,
    error: Option<String>,
    error_code: Option<i64>,
    metadata: T,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// Older servers leave it out, and list one project.
    project: Option<String>,
    status: String,
    location: Option<String>,
    created_at: Option<String>,
    profiles: Option<Vec<String>>,
    config: Option<Config>,
    /// With what the profiles set.
    expanded_config: Option<Config>,
    /// Null where the server could not ask the member that the instance is on.
    state: Option<RunTime>,
}

#[derive(Deserialize)]
struct RunTime {
    /// Null where it is off.
    network: Option<BTreeMap<String, Option<Interface>>>,
}

#[derive(Deserialize)]
struct Interface {
    addresses: Option<Vec<InterfaceAddress>>,
}

#[derive(Deserialize)]
struct InterfaceAddress {
    address: Option<String>,
    /// `global`, `link` or `local`.
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    server_name: String,
    status: String,
}

#[derive(Deserialize)]
struct ServerInfo {
    auth: Option<String>,
    environment: Option<Environment>,
}

#[derive(Deserialize)]
struct Environment {
    server_clustered: bool,
    server_name: Option<String>,
}

/// What a server is.
#[derive(Debug, PartialEq)]
pub enum Server {
    Clustered,
    Alone(Realm),
}

/// The instances of the project that was asked for, or of all.
pub fn instances(body: &[u8], project: Option<&str>) -> Result<Page<Instance>, Error> {
    page(metadata(body)?, project)
}

/// An instance by itself.
pub fn instance(body: &[u8], project: &str) -> Result<Page<Instance>, Error> {
    page(vec![metadata(body)?], Some(project))
}

pub fn members(body: &[u8]) -> Result<Vec<Realm>, Error> {
    metadata::<Vec<Member>>(body)?.into_iter().map(realm).collect()
}

/// The names of the projects that a client sees, which come as paths.
pub fn projects(body: &[u8]) -> Result<Vec<String>, Error> {
    let paths: Vec<String> = metadata(body)?;
    Ok(paths.iter().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
}

/// Where a server is in no cluster, its instances are at the location `none`.
pub fn server(body: &[u8]) -> Result<Server, Error> {
    let ServerInfo { auth, environment } = metadata(body)?;
    if auth.as_deref() == Some("untrusted") {
        return Err(Error::Unauthorized(
            "the server does not trust the client: add its certificate with `incus config trust add-certificate`"
                .to_owned(),
        ));
    }
    let environment = environment.ok_or_else(|| missing("the answer", "environment"))?;
    if environment.server_clustered {
        return Ok(Server::Clustered);
    }
    let name = environment.server_name.filter(|name| !name.is_empty()).unwrap_or_else(|| "none".to_owned());
    Ok(Server::Alone(Realm::new("none", name, RealmState::Available)))
}

/// Project and name of an id: a name alone is of the default project.
pub fn parts_of(id: &str) -> Option<(&str, &str)> {
    let (project, name) = match id.split_once('/') {
        Some((project, _)) if project == DEFAULT => return None,
        Some(parts) => parts,
        None => (DEFAULT, id),
    };
    // It goes into a path.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (!project.is_empty() && !name.is_empty() && is_name).then_some((project, name))
}

fn metadata<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let Answer { kind, error, error_code, metadata } = json::parse(body)?;
    if kind != "sync" {
        return Err(Error::UnexpectedAnswer(format!("the answer is of the type `{}`", quote(kind.as_bytes()))));
    }
    match error_code.unwrap_or_default() == 0 && error.unwrap_or_default().is_empty() {
        true => Ok(metadata),
        false => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
    }
}

fn page(entries: Vec<Entry>, asked: Option<&str>) -> Result<Page<Instance>, Error> {
    let unread = entries.iter().filter(|entry| entry.state.is_none());
    let unread: BTreeSet<&str> = unread.map(|entry| entry.name.as_str()).collect();
    let why = (!unread.is_empty()).then(|| {
        let some: Vec<&str> = unread.iter().take(NAMED).copied().collect();
        let (names, dots) = (some.join(" "), if unread.len() > NAMED { " ..." } else { "" });
        format!("the server could not read some instances, whose member it may not reach: {names}{dots}")
    });
    let page = Page::complete(entries.into_iter().map(|entry| read(entry, asked)).collect::<Result<_, _>>()?);
    Ok(match why {
        Some(why) => page.partial(why),
        None => page,
    })
}

fn read(entry: Entry, asked: Option<&str>) -> Result<Instance, Error> {
    let project = entry.project.unwrap_or_else(|| asked.unwrap_or(DEFAULT).to_owned());
    if entry.name.is_empty() {
        return Err(missing("an instance", "name"));
    }
    for (what, value) in [("status", &entry.status), ("project", &project)] {
        if value.is_empty() {
            return Err(missing(&entry.name, what));
        }
    }
    if let Some(asked) = asked.filter(|asked| *asked != project) {
        let (name, project) = (quote(entry.name.as_bytes()), quote(project.as_bytes()));
        return Err(Error::UnexpectedAnswer(format!("{name} is in the project `{project}`, and not in `{asked}`")));
    }
    let id = match project == DEFAULT {
        true => entry.name.clone(),
        false => format!("{project}/{}", entry.name),
    };
    let Addresses { public, private } = addresses(entry.state);
    let Config(mut config) = entry.expanded_config.unwrap_or_default();
    config.extend(entry.config.unwrap_or_default().0);
    let image = config::IMAGE.iter().find_map(|key| text(config.get(*key).cloned()));
    Ok(Instance {
        name: Some(entry.name),
        owner: Some(project),
        realm: text(entry.location),
        image,
        hardware_profile: text(entry.profiles.map(|names| names.join(","))),
        // What is not known is in the year 1, or in 1970.
        launched_at: entry.created_at.as_deref().and_then(time::parse_rfc3339).filter(|time| *time > 0),
        public_addresses: public,
        private_addresses: private,
        labels: config.into_iter().filter(is_label).take(MOST_LABELS).collect(),
        ..Instance::new(id, state::of(&entry.status), entry.status)
    })
}

fn is_label((key, value): &(String, String)) -> bool {
    config::is_label(key) && key.len().max(value.len()) <= MOST_BYTES
}

fn addresses(state: Option<RunTime>) -> Addresses {
    let interfaces = state.and_then(|state| state.network).unwrap_or_default();
    let found = interfaces.values().flatten().flat_map(|interface| interface.addresses.iter().flatten());
    let leading_here = found.filter(|address| address.scope.as_deref() == Some("global"));
    Addresses::by_range(leading_here.filter_map(|address| address.address.as_deref()))
}

/// A member is `Online`. It is `Evacuated` for maintenance, `Offline` without a heartbeat, and `Blocked` until it is updated.
fn realm(Member { server_name, status }: Member) -> Result<Realm, Error> {
    if server_name.is_empty() {
        return Err(missing("a member", "server_name"));
    }
    let state = match status.as_str() {
        "Online" => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    Ok(Realm::new(server_name.clone(), server_name, state))
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| (1..=MOST_BYTES).contains(&text.len()))
}

fn missing(of: &str, what: &str) -> Error {
    Error::UnexpectedAnswer(format!("{} has no `{what}`", quote(of.as_bytes())))
}
