//! DigitalOcean's API v2: droplets and regions. Two lists in pages of 200, with a token in a header. What an answer means
//! is in `answer`, apart from HTTP; here is what is asked and what comes of an answer's status.

pub mod answer;
pub mod problem;

use tracker_driver_sdk::http::{Request, Response};
use tracker_driver_sdk::{
    Account, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm, secret,
};

use problem::Head;

const ENDPOINT: &str = "https://api.digitalocean.com";

/// The most that the API gives at once.
const PER_PAGE: u32 = 200;

/// How many droplets are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

/// The driver itself. The password is an API token that may read droplets and regions; the user is only a name for it.
#[derive(Debug)]
pub struct DigitalOcean;

tracker_driver_sdk::export_driver!(DigitalOcean);

impl Driver for DigitalOcean {
    fn describe() -> Description {
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            endpoints: vec![ENDPOINT.to_owned()],
            // 5,000 an hour are what one token has.
            requests_per_minute: Some(60),
            features: Features::BY_ID,
            ..Description::new("digitalocean", "DigitalOcean", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        match query.ids.len() {
            1..=MOST_ALONE => droplet(account, query),
            _ => list(account, query, "droplets", answer::droplets),
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
    read: fn(&[u8], u64) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let number = answer::page_number(query.cursor.as_deref())?;
    let url = format!("{}/v2/{what}?per_page={PER_PAGE}&page={number}", account.endpoint);
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

/// One of the droplets that are asked for; the next page is of the next one. An id that is no number is of none.
fn droplet(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(page(Vec::new()));
    }
    let mut response = get(format!("{}/v2/droplets/{id}", account.endpoint))?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        // In the API's own words: a proxy says 404 of much.
        let is_absent = response.status == 404 && problem::message(&start).is_some_and(|(code, _)| code == "not_found");
        return if is_absent { Ok(page(Vec::new())) } else { Err(head.refusal(&response, &start)) };
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    let found = answer::droplet(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)))?;
    Ok(page(vec![found]))
}

fn get(url: String) -> Result<Response, Error> {
    Request::get(url).bearer(secret::PASSWORD)?.header("accept", "application/json").send()
}
