//! Hetzner Cloud's API v1: servers and locations. Two lists in pages of 50, with a token in a header. What an answer means
//! is in `answer`, apart from HTTP; here is what is asked and what comes of an answer's status.

pub mod answer;
pub mod problem;

use tracker_driver_sdk::http::{Request, Response};
use tracker_driver_sdk::{
    Account, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm, secret,
};

use problem::Head;

const ENDPOINT: &str = "https://api.hetzner.cloud";

/// The most that the API gives at once.
const PER_PAGE: u32 = 50;

/// How many servers are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

/// The driver itself. The password is an API token of a project, which may be one that only reads; the user is a name of
/// the operator's own for it.
#[derive(Debug)]
pub struct Hetzner;

tracker_driver_sdk::export_driver!(Hetzner);

impl Driver for Hetzner {
    fn describe() -> Description {
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            endpoints: vec![ENDPOINT.to_owned()],
            // 3,600 an hour are what a project has.
            requests_per_minute: Some(30),
            features: Features::BY_ID,
            ..Description::new("hetzner", "Hetzner Cloud", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        match query.ids.len() {
            1..=MOST_ALONE => server(account, query),
            _ => list(account, query, "servers", answer::servers),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        list(account, query, "locations", answer::locations)
    }
}

fn list<T>(
    account: &Account,
    query: &Query,
    what: &str,
    read: fn(&[u8], u64) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let number = answer::page_number(query.cursor.as_deref())?;
    // Sorted by what never changes: a new server comes last, and moves no other from one page to the next.
    let url = format!("{}/v1/{what}?page={number}&per_page={PER_PAGE}&sort=id%3Aasc", account.endpoint);
    let mut response = get(url)?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    read(&body, number).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)))
}

/// One of the servers that are asked for; the next page is of the next one. An id that is no number is of none.
fn server(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(page(Vec::new()));
    }
    let mut response = get(format!("{}/v1/servers/{id}", account.endpoint))?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        // In the API's own words: a proxy says 404 of much.
        let is_absent = response.status == 404 && problem::message(&start).is_some_and(|(code, _)| code == "not_found");
        return if is_absent { Ok(page(Vec::new())) } else { Err(head.refusal(&response, &start)) };
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    let found = answer::server(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)))?;
    Ok(page(vec![found]))
}

fn get(url: String) -> Result<Response, Error> {
    Request::get(url).bearer(secret::PASSWORD)?.header("accept", "application/json").send()
}
