//! The same driver where it stands for a provider itself and asks nobody: what there is follows from the time alone.

use tracker_driver_sdk::{
    Account, Error, Instance, InstanceState, Page, Query, Realm, RealmState, Timestamp, secret, time,
};

use super::flaw;

/// How many servers there are at any time, each in a place of its own.
const PLACES: i64 = 1_200;
/// How many are on a page.
const PAGE: usize = 500;
/// How long one lives, in minutes, before another one takes its place.
const LIFE: i64 = 1_440;

pub(crate) fn instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    admit(account)?;
    let now = time::now();
    if !query.ids.is_empty() {
        let is_there = |id: &&String| {
            let own = place_of(id).filter(|place| *place < PLACES).map(|place| server(place, now));
            own.filter(|own| own.id == **id || flaw(account, "finds-successors"))
        };
        let mut items: Vec<Instance> = query.ids.iter().filter_map(|id| is_there(&id)).collect();
        items.sort_by(|one, other| one.id.cmp(&other.id));
        items.dedup_by(|one, other| one.id == other.id);
        return Ok(Page::complete(items));
    }
    let first = match query.cursor.as_deref() {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| Error::UnexpectedAnswer("the cursor is no number".into()))?,
    };
    let (mut items, mut gone) = (Vec::new(), Vec::new());
    for place in first..PLACES {
        if items.len() == PAGE {
            let next =
                if flaw(account, "loses-between-pages") && query.changed_since.is_some() { place + 1 } else { place };
            return Ok(page(query, items, gone).followed_by(Some(next.to_string())));
        }
        let is = server(place, now);
        if let Some(since) = query.changed_since {
            let then = server(place, since);
            if then.id != is.id {
                gone.push(then.id);
            } else if then.state == is.state {
                if flaw(account, "buries-alive") {
                    gone.push(is.id);
                }
                continue;
            }
        }
        items.push(is);
    }
    Ok(page(query, items, gone))
}

pub(crate) fn realms(account: &Account) -> Result<Page<Realm>, Error> {
    if !flaw(account, "lets-in-everybody") {
        admit(account)?;
    }
    Ok(Page::complete(vec![Realm::new("z1", "Zone 1", RealmState::Available)]))
}

fn admit(account: &Account) -> Result<(), Error> {
    match secret::matches(secret::PASSWORD, "alone-password") == Ok(true) {
        true => Ok(()),
        false => Err(Error::Unauthorized("it is another password".into())),
    }
    .and_then(|()| match account.user.as_str() {
        "demo" => Ok(()),
        _ => Err(Error::Unauthorized("nobody knows this user".into())),
    })
}

fn page(query: &Query, items: Vec<Instance>, gone: Vec<String>) -> Page<Instance> {
    if query.changed_since.is_some() { Page::delta(items, gone) } else { Page::complete(items) }
}

/// The server that is in a place: their lives begin one after the other.
fn server(place: i64, now: Timestamp) -> Instance {
    let minutes = now.div_euclid(60_000) + place * 17;
    let (state, word) = match minutes.rem_euclid(LIFE) {
        0..60 => (InstanceState::Pending, "new"),
        60..720 => (InstanceState::Running, "on"),
        _ => (InstanceState::Stopped, "off"),
    };
    let mut server = Instance::new(format!("n{place}-{}", minutes.div_euclid(LIFE)), state, word);
    server.name = Some(format!("server {place}"));
    server.realm = Some("z1".into());
    server
}

fn place_of(id: &str) -> Option<i64> {
    id.strip_prefix('n')?.split('-').next()?.parse().ok()
}
