//! What the API's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Page, Realm, RealmState, json};

use crate::state;
use crate::values::{Flag, Text};

/// The label that has the name of a guest's pool. No tag can be named so: tags have no colon.
pub(crate) const POOL: &str = "proxmox:pool";

/// The types of entries that are guests, and of those that are neither guests nor nodes.
const GUESTS: [&str; 3] = ["qemu", "lxc", "openvz"];
const OTHERS: [&str; 4] = ["network", "pool", "sdn", "storage"];

/// How many nodes a message names.
const NAMED: usize = 5;

/// `data` has no default: an answer without it is no list, and is an error. What else is here stands in errors.
#[derive(Deserialize)]
struct Answer<T> {
    data: T,
    message: Option<IgnoredAny>,
    errors: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// An entry of `cluster/resources`, whatever it is.
#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    node: Option<Text>,
    status: Option<String>,
    vmid: Option<IgnoredAny>,
    name: Option<Text>,
    template: Option<Flag>,
    lock: Option<String>,
    tags: Option<Text>,
    pool: Option<Text>,
}

/// An entry of a node's own list of guests of one kind.
#[derive(Deserialize)]
struct Row {
    vmid: Text,
    status: Option<String>,
    /// QEMU's word, of which `status` makes `running` or `stopped`.
    qmpstatus: Option<String>,
    name: Option<Text>,
    template: Option<Flag>,
    lock: Option<String>,
    tags: Option<Text>,
}

/// The guests that a token sees.
#[derive(Debug)]
pub struct Guests {
    pub page: Page<Instance>,
    /// Whether nodes are all that the token sees: no guest, and no template.
    pub are_hidden: bool,
    /// The nodes that are online, and those that are not.
    pub online: BTreeSet<String>,
    pub down: BTreeSet<String>,
    /// The guests that were left out as templates.
    pub templates: BTreeSet<String>,
}

/// The body of an answer without errors.
pub(crate) fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let Answer { data, message, errors, error } = json::parse(body)?;
    match message.or(errors).or(error) {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(data),
    }
}

/// The guests of a cluster. The answer tells of its nodes, too: what it says of the guests of a node that is not online
/// is old, or nothing.
pub fn guests(body: &[u8]) -> Result<Guests, Error> {
    let (mut rows, mut nodes) = (Vec::new(), Vec::new());
    let mut omitted = 0;
    for resource in data::<Vec<Resource>>(body)? {
        match resource.kind.as_str() {
            "node" => nodes.push(resource),
            kind if GUESTS.contains(&kind) => rows.push(resource),
            kind if OTHERS.contains(&kind) => omitted += 1,
            // A kind that is new. Only guests have a number.
            _ if resource.vmid.is_some() => rows.push(resource),
            _ => omitted += 1,
        }
    }
    // Every token sees the nodes. Without them, and without anything else, there is nothing.
    let are_hidden = rows.is_empty() && !(nodes.is_empty() && omitted == 0);
    omitted += nodes.len() as u64;
    let names = |nodes: Vec<Resource>| nodes.into_iter().filter_map(node_name).collect::<BTreeSet<String>>();
    let (online, down) = nodes.into_iter().partition(is_online);
    let (online, down) = (names(online), names(down));

    let (mut items, mut unsure, mut where_unsure) = (Vec::with_capacity(rows.len()), 0, BTreeSet::new());
    let mut templates = BTreeSet::new();
    for row in rows {
        if row.template.is_some_and(|Flag(template)| template) {
            omitted += 1;
            templates.extend(row.id);
            continue;
        }
        let item = instance(row)?;
        let is_down = item.realm.as_ref().is_some_and(|node| down.contains(node));
        if is_down || item.provider_state == "unknown" {
            unsure += 1;
            where_unsure.extend(item.realm.clone());
        }
        items.push(item);
    }
    let page = Page::complete(items).omitting(omitted);
    let page = match unsure {
        0 => page,
        _ => page.partial(format!("{unsure} guests are on nodes that do not report: {}", named(where_unsure))),
    };
    Ok(Guests { page, are_hidden, online, down, templates })
}

/// The guests of one kind that a node itself lists, by their ids. A template is none.
pub fn guests_of_node(body: &[u8], kind: &str, node: &str) -> Result<Vec<(String, Option<Instance>)>, Error> {
    let guest = |row: Row| {
        let Row { vmid: Text(vmid), status, qmpstatus, name, template, lock, tags } = row;
        if vmid.is_empty() || !vmid.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::UnexpectedAnswer(format!("`{}` is no `vmid`", quote(vmid.as_bytes()))));
        }
        let id = format!("{kind}/{vmid}");
        if template.is_some_and(|Flag(template)| template) {
            return Ok((id, None));
        }
        let guest = Resource {
            kind: kind.to_owned(),
            id: Some(id.clone()),
            node: Some(Text(node.to_owned())),
            status: qmpstatus.filter(|word| !word.is_empty()).or(status),
            vmid: None,
            name,
            template: None,
            lock,
            tags,
            pool: None,
        };
        Ok((id, Some(instance(guest)?)))
    };
    data::<Vec<Row>>(body)?.into_iter().map(guest).collect()
}

/// The nodes of a cluster.
pub fn nodes(body: &[u8]) -> Result<Page<Realm>, Error> {
    let (mut items, mut omitted) = (Vec::new(), 0);
    for resource in data::<Vec<Resource>>(body)? {
        match resource.kind.as_str() {
            "node" => {}
            kind if GUESTS.contains(&kind) || OTHERS.contains(&kind) => {
                omitted += 1;
                continue;
            }
            other => return Err(Error::UnexpectedAnswer(format!("an entry of type `{}`", quote(other.as_bytes())))),
        }
        let state = if is_online(&resource) { RealmState::Available } else { RealmState::Unavailable };
        let name = node_name(resource).ok_or_else(|| missing("a node", "node"))?;
        items.push(Realm::new(name.clone(), name, state));
    }
    Ok(Page::complete(items).omitting(omitted))
}

/// Whether a token may see guests anywhere. The answer has the privileges of each path, and whether each goes on to what
/// is below it.
pub fn may_see_guests(body: &[u8]) -> Result<bool, Error> {
    let paths: BTreeMap<String, BTreeMap<String, Flag>> = data(body)?;
    let reaches_guests = |path: &str, goes_on: bool| match path {
        "/" | "/vms" => goes_on,
        _ => path.starts_with("/vms/") || path.starts_with("/pool/"),
    };
    Ok(paths.iter().any(|(path, has)| has.get("VM.Audit").is_some_and(|Flag(on)| reaches_guests(path, *on))))
}

fn instance(guest: Resource) -> Result<Instance, Error> {
    let id = guest.id.filter(|id| !id.is_empty()).ok_or_else(|| missing("a guest", "id"))?;
    let status = guest.status.filter(|status| !status.is_empty()).ok_or_else(|| missing(&id, "status"))?;
    let (state, word) = state::of_guest(status, guest.lock);
    Ok(Instance {
        name: text(guest.name),
        realm: text(guest.node),
        labels: labels(text(guest.tags).as_deref(), guest.pool.map(|Text(pool)| pool)),
        ..Instance::new(id, state, word)
    })
}

/// The tags in the order of their names, each once. They are divided by semicolons, in older clusters by commas, too.
fn labels(tags: Option<&str>, pool: Option<String>) -> Vec<(String, String)> {
    let tags = tags.unwrap_or_default();
    let parts: BTreeSet<&str> = match tags.contains([';', ',']) {
        true => tags.split([';', ',']).map(str::trim).collect(),
        false => BTreeSet::from([tags]),
    };
    let tags = parts.into_iter().filter(|tag| !tag.is_empty()).map(|tag| (tag.to_owned(), String::new()));
    tags.chain(pool.map(|pool| (POOL.to_owned(), pool))).collect()
}

/// Nodes as a message names them.
pub(crate) fn named(nodes: BTreeSet<String>) -> String {
    nodes.into_iter().take(NAMED).collect::<Vec<_>>().join(", ")
}

/// `offline` is out of the cluster; `unknown` is in it, and does not report.
fn is_online(node: &Resource) -> bool {
    node.status.as_deref() == Some("online")
}

fn node_name(node: Resource) -> Option<String> {
    text(node.node)
}

fn text(text: Option<Text>) -> Option<String> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}

fn missing(of: &str, what: &str) -> Error {
    Error::UnexpectedAnswer(format!("{of} has no `{what}`"))
}
