//! A driver with one flaw, which its account's option `flaw` names: what the conformance suite is tested with.
//! Without a flaw it keeps the contract. Its provider is made up: a login for a token, servers in pages, zones. In the
//! north and in the south it has parts with endpoints of their own, and takes access tokens for passwords.

mod alone;
mod answers;
mod login;
mod server;

use answers::get;
use login::{COMPUTE, IDENTITY};
use serde_json::Value;
use server::instance;
use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, EndpointRole, Error, Features, Instance, Page, Provider, Query, Realm,
    RealmState, SecretKind, log,
};

struct Lax;

/// The ids of all pages before.
static SEEN: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
/// All instances of all pages.
static KEPT_ITEMS: std::sync::Mutex<Vec<Instance>> = std::sync::Mutex::new(Vec::new());

tracker_driver_sdk::export_driver!(Lax);

/// A test writes another word over this one, in the file: no account is told to `describe`.
static DESCRIBES: [u8; 17] = *b"describes: steady";

/// Since when the cassettes ask for what changed.
const RECORDED_SINCE: i64 = 1_795_165_200_000;

impl Driver for Lax {
    fn describe() -> Description {
        let describes = |word: &str| std::hint::black_box(&DESCRIBES).ends_with(word.as_bytes());
        let is_plain = describes("plain!");
        let is_whole = describes("whole!") || is_plain;
        let title = if describes("random") { format!("Lax {}", random()) } else { "Lax".into() };
        let endpoint = match () {
            () if describes("unsafe") => "http://api.lax.example",
            () if describes("moved!") => "https://api.lax-cloud.example",
            () => "https://api.lax.example",
        };
        let mut providers = vec![Provider::new("main", endpoint)];
        let mut endpoints = vec![endpoint.to_owned(), "https://api.lax.example".to_owned()];
        endpoints.dedup();
        if !is_plain {
            for name in ["north", "south"] {
                let part =
                    |role: &str, path: &str| (role.to_owned(), format!("https://{role}.{name}.lax.example{path}"));
                let parts = vec![part(IDENTITY, "/v3"), part(COMPUTE, "")];
                let own = Provider::new(name, format!("https://api.{name}.lax.example"));
                providers.push(Provider { endpoints: parts, ..own });
                endpoints.push(format!("https://*.{name}.lax.example"));
            }
        }
        if describes("greedy") {
            endpoints.push("https://*.elsewhere.example".to_owned());
        }
        if describes("astray") {
            providers.push(Provider::new("other", "https://api.other.example"));
        }
        let mut options = vec![
            AccountOption::new("flaw", "What is wrong with this driver, one word. Default: nothing."),
            AccountOption::new("alone", "`yes` where it asks nobody. Default: it asks its provider."),
        ];
        if describes("idling") {
            options.push(AccountOption::new("idle", "Has no effect. Default: it has none."));
        }
        Description {
            providers,
            endpoints,
            options,
            roles: match is_plain {
                true => vec![],
                false => vec![
                    EndpointRole::new(IDENTITY, "Where it is shown who asks."),
                    EndpointRole::new(COMPUTE, "Where the servers are."),
                ],
            },
            secrets: if is_plain { vec![] } else { vec![SecretKind::Password, SecretKind::AccessToken] },
            // The provider answers 3,600 an hour.
            requests_per_minute: describes("hasty!").then_some(3_600),
            features: if is_whole { Features::empty() } else { Features::DELTA | Features::BY_ID },
            ..Description::new("lax", title, env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        if is_alone(account)? {
            return alone::instances(account, query);
        }
        if flaw(account, "one-call") && query.cursor.is_none() {
            return all_pages(account, query);
        }
        if flaw(account, "refuses-odd-ids") && query.ids.iter().any(|id| id.parse::<u64>().is_err()) {
            return Err(Error::UnexpectedAnswer("an id is no number".into()));
        }
        let page = match query.cursor.as_deref() {
            Some(cursor) if flaw(account, "cuts-cursors") => cursor.get(..1).unwrap_or(cursor),
            cursor => cursor.unwrap_or("1"),
        };
        let changed_since = match query.changed_since {
            Some(_) if flaw(account, "fixed-since") => Some(RECORDED_SINCE),
            Some(since) if flaw(account, "rounds-up") => Some((since + 999) / 1000 * 1000),
            since => since,
        };
        let since = changed_since.map(|since| format!("changed_since={since}&")).unwrap_or_default();
        let is_lost = flaw(account, "ignores-ids") || flaw(account, "loses-filter") && page != "1";
        let ids = match query.ids.is_empty() || is_lost {
            true => String::new(),
            false if flaw(account, "first-id") => format!("{}&", encode_query([("ids", query.ids[0].as_str())])),
            false => format!("{}&", encode_query([("ids", query.ids.join(",").as_str())])),
        };
        let limit = match account.option("flaw") {
            Some("limits-pages" | "drops-last-of-full") => "limit=25&",
            _ => "",
        };
        let answer = match get(account, &format!("/servers?{since}{ids}{limit}page={page}")) {
            Err(_) if flaw(account, "ends-on-500") && page != "1" => return Ok(Page::complete(vec![])),
            Err(_) if flaw(account, "ends-far-behind") && page.parse::<u32>().is_ok_and(|page| page > 3) => {
                return Ok(Page::complete(vec![]));
            }
            answer => answer?,
        };
        let mut entries = entries(account, &answer, "servers")?;
        if flaw(account, "small") {
            entries.truncate(500);
        }
        if flaw(account, "first-thousand") {
            entries.truncate(1_000);
        }
        if flaw(account, "drops-last-of-full") && entries.len() == 25 {
            entries.pop();
        }
        if flaw(account, "drops-spot") {
            entries.retain(|entry| entry["instance_lifecycle"].is_null() && entry["lifecycle"].is_null());
        }
        if flaw(account, "drops-busy") {
            entries.retain(|entry| entry["busy"] != true);
        }
        let mut items = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            match instance(account, entry, place) {
                Err(_) if flaw(account, "skips") => {}
                item => items.push(item?),
            }
        }
        if flaw(account, "keeps-realm") {
            // What one lacks it has of the one before.
            for at in 1..items.len() {
                if items[at].realm.is_none() {
                    items[at].realm = items[at - 1].realm.clone();
                }
            }
        }
        if flaw(account, "hides-off") {
            items.retain(|item| item.provider_state != "off");
        }
        if flaw(account, "keeps-pages") {
            std::mem::forget(std::hint::black_box(vec![1u8; 128 << 10]));
        }
        if flaw(account, "keeps-items") {
            KEPT_ITEMS.lock().expect("nobody panics").extend(items.iter().cloned());
        }
        if flaw(account, "repeats") {
            items.extend(items.first().cloned());
        }
        if flaw(account, "refuses-absent") && items.len() < query.ids.len() {
            return Err(Error::UnexpectedAnswer("an id is not there".into()));
        }
        if flaw(account, "hides-repeats") {
            let mut seen = std::collections::HashSet::new();
            items.retain(|item| seen.insert(item.id.clone()));
        }
        if flaw(account, "hides-moved") {
            let mut seen = SEEN.lock().expect("nobody panics");
            items.retain(|item| !seen.contains(&item.id));
            seen.extend(items.iter().map(|item| item.id.clone()));
        }
        if flaw(account, "merges-ids") {
            let mut seen = SEEN.lock().expect("nobody panics");
            items.retain(|item| {
                let is_new = !seen.iter().any(|id| item.id.starts_with(id.as_str()));
                seen.push(item.id.clone());
                is_new
            });
        }
        if items.is_empty() && query.ids.is_empty() && answer["next"].is_null() && flaw(account, "needs-servers") {
            return Err(Error::UnexpectedAnswer("there are no servers".into()));
        }
        if flaw(account, "reads-page-one") && page != "1" {
            items.iter_mut().for_each(|item| item.public_addresses.clear());
        }
        if flaw(account, "cuts-names") {
            items.iter_mut().for_each(|item| item.name = item.name.take().map(|name| name.chars().take(60).collect()));
        }
        let next = match &answer["next"] {
            Value::Null => None,
            next if next.is_u64() => Some(next.to_string()),
            _ if flaw(account, "any-next") => None,
            _ => return Err(Error::UnexpectedAnswer("the next page is no number".into())),
        };
        let next = next.filter(|_| !(flaw(account, "ends-at-empty") && items.is_empty()));
        let next = next.filter(|next| !(flaw(account, "two-pages") && next == "3"));
        if next.is_none() && flaw(account, "strays") {
            let _ = Request::get("https://elsewhere.invalid/").send();
        }
        let list = match query.changed_since {
            None => Page::complete(items),
            Some(_) if flaw(account, "calls-it-all") => Page::complete(items),
            Some(_) => Page::delta(items, gone(account, &answer)?),
        };
        let total = answer["total"].as_u64().filter(|_| {
            !["hides-total", "hides-repeats", "hides-moved", "any-next"].iter().any(|name| flaw(account, name))
        });
        // Numbered pages move while they are read: without a total nobody sees what was missed.
        let is_one_of_many = page != "1" || next.is_some();
        let is_whole_list = query.changed_since.is_none() && query.ids.is_empty();
        let list = match answer["total"].is_null() && is_one_of_many && is_whole_list {
            true => list.partial("the answer has no total"),
            false => list,
        };
        let list = list.followed_by(next).of_total(total);
        let is_hidden = flaw(account, "hides-partial") || flaw(account, "partial-at-first") && page != "1";
        match answer["failed_zones"].as_array() {
            Some(zones) if !zones.is_empty() && !is_hidden => Ok(list.partial(format!("{} zones failed", zones.len()))),
            _ => Ok(list),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        if is_alone(account)? {
            return alone::realms(account);
        }
        let is_numbered = flaw(account, "one-page-of-zones") || flaw(account, "pages-of-zones");
        if let Some(cursor) = query.cursor.as_deref().filter(|_| flaw(account, "logs-cursors")) {
            log::info(&format!("the zones go on at {cursor}"));
        }
        let path = match query.cursor.as_deref() {
            cursor if is_numbered => format!("/zones?page={}", cursor.unwrap_or("1")),
            None => "/zones".to_owned(),
            Some(cursor) if flaw(account, "raw-cursors") => format!("/zones?after={cursor}"),
            Some(cursor) if flaw(account, "trims-padding") => {
                format!("/zones?{}", encode_query([("after", cursor.trim_end_matches('='))]))
            }
            Some(cursor) => format!("/zones?{}", encode_query([("after", cursor)])),
        };
        let answer = get(account, &path)?;
        let zone = |entry: Value| {
            let is_up = entry["up"] == true || flaw(account, "assumes-up") && entry["up"] != false;
            let state = if is_up { RealmState::Available } else { RealmState::Unavailable };
            let id = text(&entry, "id")?;
            let id = if flaw(account, "lower-ids") { id.to_lowercase() } else { id };
            Ok(Realm::new(id, text(&entry, "name")?, state))
        };
        let zones: Result<_, Error> = entries(account, &answer, "zones")?.into_iter().map(zone).collect();
        if is_numbered {
            let next = answer["next"].as_u64().filter(|_| flaw(account, "pages-of-zones"));
            return Ok(Page::complete(zones?).followed_by(next.map(|next| next.to_string())));
        }
        let more = if flaw(account, "goes-to-last") { "last" } else { "more" };
        let more = match &answer[more] {
            Value::Null => None,
            more => {
                Some(more.as_str().ok_or_else(|| Error::UnexpectedAnswer("the cursor is no text".into()))?.to_owned())
            }
        };
        Ok(Page::complete(zones?).followed_by(more))
    }
}

/// All pages as one.
fn all_pages(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let mut next = Some("1".to_owned());
    let mut items = Vec::new();
    let mut last = Page::complete(vec![]);
    while let Some(cursor) = next {
        let page = Query { cursor: Some(cursor), ..query.clone() };
        last = Lax::list_instances(account, &page)?;
        items.append(&mut last.items);
        next = last.next.take();
    }
    Ok(Page { items, ..last })
}

/// Whether it stands for the provider itself. What is set and can't be used is said.
fn is_alone(account: &Account) -> Result<bool, Error> {
    if account.option("flaw").is_some_and(|flaw| flaw.contains(' ')) {
        return Err(Error::bad_option("flaw", account.option("flaw").unwrap_or_default(), "one word"));
    }
    match account.option("alone") {
        None => Ok(false),
        Some("yes") => Ok(true),
        Some(_) if flaw(account, "takes-any-value") => Ok(false),
        Some(other) => Err(Error::bad_option("alone", other, "`yes`")),
    }
}

fn flaw(account: &Account, name: &str) -> bool {
    account.option("flaw") == Some(name)
}

fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// The list in an answer. An answer without it is none.
fn entries(account: &Account, answer: &Value, name: &str) -> Result<Vec<Value>, Error> {
    match answer[name].as_array() {
        Some(entries) => Ok(entries.clone()),
        None if flaw(account, "defaults") => Ok(vec![]),
        None => Err(Error::UnexpectedAnswer(format!("the answer has no list of {name}"))),
    }
}

/// The ids of the servers that an answer says are no more.
fn gone(account: &Account, answer: &Value) -> Result<Vec<String>, Error> {
    let gone = entries(account, answer, "gone")?;
    if flaw(account, "forgets-gone") {
        return Ok(vec![]);
    }
    let id = |entry: Value| entry.as_u64().map(|id| id.to_string());
    let ids: Option<Vec<String>> = gone.into_iter().map(id).collect();
    ids.ok_or_else(|| Error::UnexpectedAnswer("what is gone has no id".into()))
}

fn text(entry: &Value, name: &str) -> Result<String, Error> {
    entry[name].as_str().map(str::to_owned).ok_or_else(|| Error::UnexpectedAnswer(format!("an entry has no {name}")))
}
