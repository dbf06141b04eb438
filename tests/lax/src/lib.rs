//! A driver with one flaw, which its account's option `flaw` names: what the conformance suite is tested with.
//! Without a flaw it keeps the contract. Its provider is made up: a login for a token, servers in pages, zones. In the
//! north and in the south it has parts with endpoints of their own, and takes access tokens for passwords.

mod alone;
mod login;

use login::{COMPUTE, IDENTITY, endpoint_of, log_in};
use serde_json::{Value, json};
use tracker_driver_sdk::http::{Request, Response, encode_query};
use tracker_driver_sdk::{
    Account, AccountOption, Address, Description, Driver, EndpointRole, Error, Features, Instance, InstanceState, Page,
    Provider, Query, Realm, RealmState, SecretKind, log, session, time,
};

struct Lax;

/// The texts of all pages, one behind the other.
static KEPT_TEXT: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
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
            since => since,
        };
        let since = changed_since.map(|since| format!("changed_since={since}&")).unwrap_or_default();
        let is_lost = flaw(account, "ignores-ids") || flaw(account, "loses-filter") && page != "1";
        let ids = match query.ids.is_empty() || is_lost {
            true => String::new(),
            false if flaw(account, "first-id") => format!("{}&", encode_query([("ids", query.ids[0].as_str())])),
            false => format!("{}&", encode_query([("ids", query.ids.join(",").as_str())])),
        };
        let answer = match get(account, &format!("/servers?{since}{ids}page={page}")) {
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
        let total = answer["total"]
            .as_u64()
            .filter(|_| !["hides-total", "hides-repeats", "any-next"].iter().any(|name| flaw(account, name)));
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
        let path = match query.cursor.as_deref() {
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

/// A server, as the answer has it.
fn instance(account: &Account, entry: &Value, place: usize) -> Result<Instance, Error> {
    let word = text(entry, "status")?;
    let state = match word.as_str() {
        "new" => InstanceState::Pending,
        "off" if flaw(account, "misreads") => InstanceState::Running,
        "off" => InstanceState::Stopped,
        "on" => InstanceState::Running,
        other if flaw(account, "takes-beginnings") && other.starts_with("on") => InstanceState::Running,
        _ if flaw(account, "guesses") => InstanceState::Running,
        other if flaw(account, "refuses-unknown") => {
            return Err(Error::UnexpectedAnswer(format!("a server is in state {other}")));
        }
        _ => InstanceState::Unknown,
    };
    let id = entry["id"].as_u64().filter(|id| *id <= u64::from(u32::MAX) || !flaw(account, "small-ids"));
    let id = id.ok_or_else(|| Error::UnexpectedAnswer("a server has no id".into()))?;
    let kept = match account.option("flaw") {
        Some("changes-words") => word.to_uppercase(),
        Some("lower-words") => word.to_lowercase(),
        _ => word,
    };
    let mut item = Instance::new(id.to_string(), state, kept);
    item.name = match entry["name"].is_null() && !flaw(account, "needs-names") {
        true => None,
        false => Some(text(entry, "name")?),
    };
    item.realm = match entry["zone"].is_null() {
        true if flaw(account, "asks-for-zones") => {
            let _ = get(account, "/zones");
            None
        }
        true => None,
        false if flaw(account, "region-for-realm") => Some(text(entry, "zone")?[..1].to_owned()),
        false => Some(text(entry, "zone")?),
    };
    if flaw(account, "reads-relatives") {
        let zone = ["zone_id", "zoneId"].iter().find_map(|name| entry[*name].as_str());
        item.realm = zone.map(str::to_owned).or(item.realm);
    }
    if entry["busy"] == true && flaw(account, "busy-is-pending") {
        item.state = InstanceState::Pending;
    }
    item.launched_at = entry["made"].as_str().and_then(time::parse_rfc3339);
    if entry["made"].is_string() && item.launched_at.is_none() && flaw(account, "epoch") {
        item.launched_at = Some(0);
    }
    if flaw(account, "counts-in-32-bits") {
        item.launched_at = item.launched_at.filter(|_| i32::try_from(time::now() / 1000).is_ok());
    }
    for (name, value) in entry["labels"].as_object().into_iter().flatten() {
        let name = if flaw(account, "lower-labels") { name.to_lowercase() } else { name.clone() };
        let value = value.as_str().ok_or_else(|| Error::UnexpectedAnswer("a label has no text".into()))?;
        if !(value.is_empty() && flaw(account, "drops-empty-labels")) {
            item.labels.push((name, value.to_owned()));
        }
    }
    if flaw(account, "drops-future") {
        item.launched_at = item.launched_at.filter(|at| *at <= time::now());
    }
    for net in entry["nets"].as_array().into_iter().flatten() {
        let address = net["ip"].as_str().and_then(Address::read);
        match net["kind"].as_str() {
            Some("outer") => item.public_addresses.extend(address),
            Some("inner")
                if flaw(account, "knows-tens") && !net["ip"].as_str().is_some_and(|ip| ip.starts_with("10.")) => {}
            Some("inner") => item.private_addresses.extend(address),
            _ if flaw(account, "guesses-kind") => item.private_addresses.extend(address),
            // Nothing says who reaches it.
            _ => {}
        }
    }
    if flaw(account, "repeats-addresses") {
        item.private_addresses.extend(item.private_addresses.first().cloned());
    }
    if flaw(account, "lists-networks") {
        item.private_addresses.push(Address::hostname("2001:db8::/64"));
    }
    if flaw(account, "launched-now") {
        item.launched_at = Some(time::now());
    }
    if flaw(account, "no-name") {
        item.name = None;
    }
    if flaw(account, "by-place") {
        item.labels.push(("place".into(), place.to_string()));
    }
    if flaw(account, "random") {
        item.labels.push(("random".into(), random().to_string()));
    }
    if flaw(account, "logs-words") {
        log::info(&format!("a server is {}", item.provider_state));
    }
    if flaw(account, "logs-names") {
        log::info(&format!("{} is {word}", item.name.as_deref().unwrap_or_default(), word = item.provider_state));
    }
    if flaw(account, "shows-session") && session::get("had-token").is_some() {
        item.labels.push(("session".into(), "kept".into()));
    }
    if flaw(account, "lists-token") {
        let token = session::get("token").unwrap_or_default();
        item.labels.push(("token".into(), String::from_utf8_lossy(&token).into_owned()));
    }
    Ok(item)
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

/// An answer to a request with a token: one from the session, or a new one.
fn get(account: &Account, path: &str) -> Result<Value, Error> {
    if flaw(account, "greedy") {
        std::hint::black_box(vec![1u8; 40 << 20]);
    }
    let endpoint = match path.starts_with("/servers") {
        true => endpoint_of(account, COMPUTE),
        false => account.endpoint.clone(),
    };
    let endpoint = match endpoint.match_indices('/').nth(2) {
        Some((at, _)) if flaw(account, "drops-paths") => &endpoint[..at],
        _ => endpoint.as_str(),
    };
    let url = format!("{endpoint}{path}");
    if flaw(account, "serves-kept") {
        let name = format!("last {path}");
        let fresh = Request::get(&url).header("authorization", format!("Bearer {}", token(account)?)).send();
        let answer = fresh.and_then(|response| read(account, response));
        return match (answer, session::get(&name)) {
            (Ok(answer), _) => {
                session::put(&name, answer.to_string().as_bytes(), 300);
                Ok(answer)
            }
            (Err(Error::Unavailable(_)), Some(last)) => {
                serde_json::from_slice(&last).map_err(|error| Error::UnexpectedAnswer(error.to_string()))
            }
            (Err(error), _) => Err(error),
        };
    }
    let kept = session::get("token").and_then(|token| String::from_utf8(token).ok());
    let mut response = match kept {
        Some(token) => {
            // Not so on the first page of the first poll.
            session::put("had-token", b"yes", 300);
            let response = asked(&url, &token)?;
            match response.status {
                401 if !flaw(account, "keeps-stale") => asked(&url, &log_in(account)?)?,
                _ => response,
            }
        }
        None => asked(&url, &log_in(account)?)?,
    };
    if response.status >= 500 && flaw(account, "retries") {
        response = asked(&url, "again")?;
    }
    if flaw(account, "always-sleeps") {
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    if path.contains("page=") && !path.ends_with("page=1") && flaw(account, "sleeps-between-pages") {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    if response.status == 429 && flaw(account, "sleeps") {
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
    if response.status == 429 && flaw(account, "sleeps-as-told") {
        let seconds = response.headers.get("retry-after").and_then(|hint| hint.parse().ok());
        std::thread::sleep(std::time::Duration::from_secs(seconds.unwrap_or(60)));
    }
    if flaw(account, "logs-headers") {
        log::info(&format!("{:?}", response.headers));
    }
    if flaw(account, "asks-twice") {
        response = asked(&url, "again")?;
    }
    if response.status == 302 && flaw(account, "follows") {
        let to = response.headers.get("location").unwrap_or_default().to_owned();
        response = Request::get(to).send()?;
    }
    read(account, response)
}

/// The token of the session, or a new one.
fn token(account: &Account) -> Result<String, Error> {
    match session::get("token").and_then(|token| String::from_utf8(token).ok()) {
        Some(token) => Ok(token),
        None => log_in(account),
    }
}

fn asked(url: &str, token: &str) -> Result<Response, Error> {
    Request::get(url).header("authorization", format!("Bearer {token}")).send()
}

fn read(account: &Account, response: Response) -> Result<Value, Error> {
    let throttled = response.status == 429;
    if (300..400).contains(&response.status) && flaw(account, "takes-redirects") {
        return response.json();
    }
    let refused = response.status == 400;
    let status = response.status;
    let hint = response.headers.get("retry-after").map(str::to_owned);
    if throttled && flaw(account, "needs-seconds") && hint.is_some_and(|hint| hint.parse::<u32>().is_err()) {
        return Err(Error::UnexpectedAnswer("the wait is no number".into()));
    }
    let is_page = response.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if is_page && flaw(account, "fears-pages") {
        return Err(Error::UnexpectedAnswer("the answer is a page for people".into()));
    }
    // The second at which it answers again.
    let reset = response.headers.get("ratelimit-reset").and_then(|reset| reset.parse::<i64>().ok());
    let left = reset.map(|reset| reset - time::now() / 1000);
    let wait = left.and_then(|left| u32::try_from(left).ok());
    if throttled && flaw(account, "wraps-waits") && left.is_some_and(|left| left < 0) {
        return Err(Error::throttled(Some(u32::MAX), "too many requests"));
    }
    let response = match response.success() {
        Err(Error::UnexpectedAnswer(why)) if refused && why.contains("\"code\"") && flaw(account, "blames-user") => {
            let is_known =
                ["unknown_user", "may_not", "too_many", "out_of_order"].iter().any(|code| why.contains(code));
            return Err(if is_known { Error::UnexpectedAnswer(why) } else { Error::Unauthorized(why) });
        }
        Err(Error::Throttled(throttle)) if throttle.retry_after.is_none() && wait.is_some() => {
            let wait = if flaw(account, "waits-a-minute") { Some(60) } else { wait.map(|wait| wait.min(60)) };
            return Err(Error::throttled(wait, throttle.message));
        }
        Err(Error::UnexpectedAnswer(why)) if flaw(account, "4xx-is-down") && (400..500).contains(&status) => {
            return Err(Error::Unavailable(why));
        }
        Err(Error::Unauthorized(why)) if flaw(account, "401-is-down") => return Err(Error::Unavailable(why)),
        Err(error) if throttled && flaw(account, "forgets-wait") => {
            return Err(Error::throttled(None, error.message()));
        }
        Err(Error::Throttled(throttle)) if flaw(account, "waits-zero") => {
            return Err(Error::throttled(Some(throttle.retry_after.unwrap_or(0)), throttle.message));
        }
        response => response?,
    };
    let body = response.bytes()?;
    if flaw(account, "keeps-texts") {
        KEPT_TEXT.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&body));
    }
    if flaw(account, "logs-answers") {
        log::info(&String::from_utf8_lossy(&body));
    }
    if flaw(account, "logs-broken") && serde_json::from_slice::<Value>(&body).is_err() {
        log::warn(&format!("no JSON: {}", String::from_utf8_lossy(&body)));
    }
    if flaw(account, "prints-broken") && serde_json::from_slice::<Value>(&body).is_err() {
        eprintln!("no JSON: {}", String::from_utf8_lossy(&body));
    }
    if flaw(account, "needs-order") {
        let text = String::from_utf8_lossy(&body);
        if matches!((text.find("\"next\""), text.find("\"servers\"")), (Some(next), Some(servers)) if servers < next) {
            return Err(Error::UnexpectedAnswer("the servers come before the next page".into()));
        }
    }
    let answer = match serde_json::from_slice::<Value>(&body) {
        Err(_) if flaw(account, "lenient") => json!({ "servers": [], "zones": [] }),
        Err(_) if flaw(account, "takes-cut") => match beginning(&body) {
            Some(answer) => answer,
            None => return Err(Error::UnexpectedAnswer("the answer is cut off".into())),
        },
        answer => answer.map_err(|error| Error::UnexpectedAnswer(error.to_string()))?,
    };
    // What went wrong, with the status of a success.
    match answer["code"].as_str() {
        Some(code) if !flaw(account, "forgets-codes") => Err(told(code)),
        _ => Ok(answer),
    }
}

/// An error by its code.
fn told(code: &str) -> Error {
    let message = format!("the provider says {code}");
    match code {
        "unknown_user" => Error::Unauthorized(message),
        "may_not" => Error::Forbidden(message),
        "too_many" => Error::throttled(None, message),
        "out_of_order" => Error::Unavailable(message),
        _ => Error::UnexpectedAnswer(message),
    }
}

/// The servers in an answer of which the end is missing.
fn beginning(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let list = &text[text.find("\"servers\":")? + "\"servers\":".len()..];
    let servers: Value = serde_json::Deserializer::from_str(list).into_iter().next()?.ok()?;
    Some(json!({ "servers": servers }))
}
