//! Vultr's API v2: instances and regions. Two lists in pages of 500 that are linked by cursors, with an API key in a header.
//! What an answer means is in `answer`, apart from HTTP; here is what is asked and what comes of an answer's status.

pub mod answer;
pub mod problem;
pub mod state;

use tracker_driver_sdk::http::{Request, Response, encode_query};
use tracker_driver_sdk::{
    Account, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm, secret,
};

use problem::Head;

const ENDPOINT: &str = "https://api.vultr.com";

/// The most that the API gives at once.
const PER_PAGE: &str = "500";

/// How many instances are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

/// The driver itself. The password is an API key; the user is a name of the operator's own for it.
#[derive(Debug)]
pub struct Vultr;

tracker_driver_sdk::export_driver!(Vultr);

impl Driver for Vultr {
    fn describe() -> Description {
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            endpoints: vec![ENDPOINT.to_owned()],
            // 30 a second are what an address has, with all that runs there
            // (docs.vultr.com/support/platform/api/what-rate-limits-apply-to-the-vultr-api).
            requests_per_minute: Some(120),
            features: Features::BY_ID,
            ..Description::new("vultr", "Vultr", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        match query.ids.len() {
            1..=MOST_ALONE => alone(account, query),
            _ => list(account, query, "instances", answer::instances),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        list(account, query, "regions", answer::regions)
    }
}

fn list<T>(
    account: &Account,
    query: &Query,
    what: &str,
    read: fn(&[u8]) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let cursor = query.cursor.as_deref().map(|cursor| ("cursor", cursor));
    let fields = encode_query([("per_page", PER_PAGE)].into_iter().chain(cursor));
    let mut response = get(format!("{}/v2/{what}?{fields}", account.endpoint))?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    read_as(response, &head, read)
}

/// One of the instances that are asked for; the next page is of the next one.
fn alone(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    // Ids are UUIDs. Nothing else goes into a path.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(page(Vec::new()));
    }
    let mut response = get(format!("{}/v2/instances/{id}", account.endpoint))?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        // In the API's own words: a proxy says 404 of much.
        let is_absent = response.status == 404 && problem::read(&start).is_some_and(|fault| fault.status == Some(404));
        return if is_absent { Ok(page(Vec::new())) } else { Err(head.refusal(&response, &start)) };
    }
    Ok(page(vec![read_as(response, &head, answer::instance)?]))
}

fn get(url: String) -> Result<Response, Error> {
    Request::get(url).bearer(secret::PASSWORD)?.header("accept", "application/json").send()
}

fn read_as<T>(response: Response, head: &Head, read: fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    read(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)))
}
