//! Linode's API v4: Linodes and regions. Two lists in numbered pages of 500, with a token in a header. What an answer means
//! is in `answer`, apart from HTTP; here is what is asked and what comes of an answer's status.

pub mod answer;
pub mod problem;

use tracker_driver_sdk::http::{Request, Response};
use tracker_driver_sdk::{
    Account, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm, secret,
};

use problem::Head;

const ENDPOINT: &str = "https://api.linode.com";

/// The most that the API gives at once.
const PAGE_SIZE: u32 = 500;

/// How many Linodes are asked for one by one. The API allows 1,600 of these requests a minute, and 200 for lists.
const MOST_ALONE: usize = 4;

/// Sorts by what never changes: a new Linode comes last, and moves no other from one page to the next.
const SORTED: &str = r#"{"+order_by": "id", "+order": "asc"}"#;

/// The driver itself. The password is a personal access token, which may be one that only reads; the user is a name of the
/// operator's own for it.
#[derive(Debug)]
pub struct Linode;

tracker_driver_sdk::export_driver!(Linode);

impl Driver for Linode {
    fn describe() -> Description {
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            endpoints: vec![ENDPOINT.to_owned()],
            // A token has 200 requests a minute for lists (techdocs.akamai.com/linode-api/reference/rate-limits).
            requests_per_minute: Some(60),
            features: Features::BY_ID,
            ..Description::new("linode", "Linode", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        match query.ids.len() {
            0 => everything(account, query),
            1..=MOST_ALONE => alone(account, query),
            _ => several(account, query),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        list(account, query, "regions", None, answer::regions)
    }
}

/// All Linodes. A user of limited access gets those that are granted to them, and an empty list where there are none.
fn everything(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let page = list(account, query, "linode/instances", Some(SORTED.to_owned()), answer::linodes)?;
    let is_empty = query.cursor.is_none() && page.next.is_none() && page.items.is_empty();
    if is_empty { seen_by_user(account, page) } else { Ok(page) }
}

/// An empty list, if the user sees everything. Who does has no grants, and the answer no content; any token may ask.
fn seen_by_user(account: &Account, empty: Page<Instance>) -> Result<Page<Instance>, Error> {
    let mut response = get(format!("{}/v4/profile/grants", account.endpoint))?.send()?;
    let head = Head::of(&response);
    match response.status {
        204 => Ok(empty),
        200..300 => {
            let asked = response.asked().to_owned();
            match read_as(response, &head, answer::granted_linodes)? {
                0 => Err(Error::Forbidden(format!(
                    "{asked}: the token is of a user with limited access, to whom no Linode is granted: grant them, or use \
                     a token of a user with full access"
                ))),
                _ => Ok(empty.partial(format!("no Linode is listed, but {asked} says that some are granted"))),
            }
        }
        _ => {
            let start = response.start_of_body();
            match head.refusal(&response, &start) {
                // The list itself was good. It may be all, or all that this user sees.
                Error::Forbidden(why) | Error::UnexpectedAnswer(why) => {
                    Ok(empty
                        .partial(format!("no Linode is listed, and it is not known whether the user sees any: {why}")))
                }
                other => Err(other),
            }
        }
    }
}

fn list<T>(
    account: &Account,
    query: &Query,
    what: &str,
    filter: Option<String>,
    read: fn(&[u8], u64) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let number = answer::page_number(query.cursor.as_deref())?;
    let url = format!("{}/v4/{what}?page={number}&page_size={PAGE_SIZE}", account.endpoint);
    let request = filter.into_iter().fold(get(url)?, |request, filter| request.header("x-filter", filter));
    let mut response = request.send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    read_as(response, &head, |body| read(body, number))
}

/// The Linodes that are asked for, by a filter. Something on the way that drops its header gets everything answered: what
/// was not asked for is left out.
fn several(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let ids = query.ids.iter().filter(|id| is_id(id));
    let wanted: Vec<String> = ids.map(|id| format!(r#"{{"id": {id}}}"#)).collect();
    if wanted.is_empty() {
        return Ok(Page::complete(Vec::new()));
    }
    let filter = format!(r#"{{"+or": [{}], "+order_by": "id", "+order": "asc"}}"#, wanted.join(", "));
    let mut page = list(account, query, "linode/instances", Some(filter), answer::linodes)?;
    let given = page.items.len();
    page.items.retain(|item| query.ids.contains(&item.id));
    page.omitted = (given - page.items.len()) as u64;
    Ok(page)
}

/// One of the Linodes that are asked for; the next page is of the next one.
fn alone(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    if !is_id(id) {
        return Ok(page(Vec::new()));
    }
    let mut response = get(format!("{}/v4/linode/instances/{id}", account.endpoint))?.send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        // In the API's own words: a proxy says 404 of much.
        let is_absent = response.status == 404 && problem::says_not_found(&start);
        return if is_absent { Ok(page(Vec::new())) } else { Err(head.refusal(&response, &start)) };
    }
    Ok(page(vec![read_as(response, &head, answer::linode)?]))
}

/// Whether it may be the id of a Linode, which is a number. No other goes into a path or a filter.
fn is_id(id: &str) -> bool {
    id.parse::<u64>().is_ok_and(|number| number.to_string() == id)
}

fn get(url: String) -> Result<Request, Error> {
    Ok(Request::get(url).bearer(secret::PASSWORD)?.header("accept", "application/json"))
}

fn read_as<T>(response: Response, head: &Head, read: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    read(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)))
}
