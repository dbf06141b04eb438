//! What Compute Engine's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it
//! says.

mod instance;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Page, Realm, RealmState, json};

use instance::Entry;

/// Says of a scope that nothing is in it on this page.
const NOTHING_HERE: &str = "NO_RESULTS_ON_PAGE";

/// An aggregated list. `items` has no default: an answer without it is no list, and is an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aggregated {
    /// By scope, `zones/us-central1-a`, and in its order, whatever order the answer has.
    items: BTreeMap<String, Scope>,
    next_page_token: Option<String>,
    warning: Option<Warning>,
    unreachables: Option<Vec<String>>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Scope {
    /// Absent where there are none, which the warning says then.
    instances: Option<Vec<Entry>>,
    warning: Option<Warning>,
}

#[derive(Deserialize)]
struct Warning {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Zones {
    items: Vec<Zone>,
    next_page_token: Option<String>,
    warning: Option<Warning>,
    unreachables: Option<Vec<String>>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Zone {
    name: String,
    status: String,
}

/// A page of instances of all zones.
pub fn instances(body: &[u8]) -> Result<Page<Instance>, Error> {
    let answer: Aggregated = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    let mut missing = missing(answer.warning, answer.unreachables);
    let (mut items, mut unread) = (Vec::new(), Vec::new());
    for (scope, Scope { instances, warning }) in answer.items {
        if instances.is_none() && warning.is_none() {
            unread.push(format!("{scope}: neither instances nor a warning"));
        }
        missing.extend(warning.and_then(Warning::told).map(|told| format!("{scope}: {told}")));
        for entry in instances.into_iter().flatten() {
            items.push(entry.into_instance()?);
        }
    }
    if items.is_empty() && !unread.is_empty() {
        return Err(Error::UnexpectedAnswer(quote(unread.join("; ").as_bytes())));
    }
    // One zone of which nothing is known does not hide the others.
    missing.extend(unread);
    Ok(page(items, answer.next_page_token, &missing))
}

/// A page of zones.
pub fn zones(body: &[u8]) -> Result<Page<Realm>, Error> {
    let answer: Zones = json::parse(body)?;
    no_error(answer.error.as_ref())?;
    if answer.items.iter().any(|zone| zone.name.is_empty()) {
        return Err(Error::UnexpectedAnswer("a zone has an empty name".to_owned()));
    }
    let missing = missing(answer.warning, answer.unreachables);
    Ok(page(answer.items.into_iter().map(realm).collect(), answer.next_page_token, &missing))
}

/// What stands beside an error is not what there is.
fn no_error(error: Option<&IgnoredAny>) -> Result<(), Error> {
    match error {
        Some(_) => Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned())),
        None => Ok(()),
    }
}

/// What the answer says of itself that it lacks.
fn missing(warning: Option<Warning>, unreachables: Option<Vec<String>>) -> Vec<String> {
    let unreachable = unreachables.into_iter().flatten().map(|scope| format!("{scope}: unreachable"));
    unreachable.chain(warning.and_then(Warning::told)).collect()
}

impl Warning {
    /// Of any code but one: a list with a warning that this driver does not know may lack something.
    fn told(self) -> Option<String> {
        let code = self.code.filter(|code| code != NOTHING_HERE);
        let parts = match (code, self.message) {
            (None, _) => return None,
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code,
        };
        Some(parts)
    }
}

fn page<T>(items: Vec<T>, next: Option<String>, missing: &[String]) -> Page<T> {
    let page = Page::complete(items).followed_by(next);
    if missing.is_empty() { page } else { page.partial(quote(missing.join("; ").as_bytes())) }
}

/// A zone is available as `UP` alone, which its name stands for in every instance.
fn realm(zone: Zone) -> Realm {
    let Zone { name, status } = zone;
    let state = if status == "UP" { RealmState::Available } else { RealmState::Unavailable };
    Realm::new(name.clone(), name, state)
}
