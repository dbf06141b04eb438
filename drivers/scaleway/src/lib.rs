//! Scaleway's Instance API: servers, zone by zone, in numbered pages of 100, with a secret key in a header. What an answer
//! means is in `answer`, apart from HTTP; which zones there are, and the way through them, is in `zone`; here is what is
//! asked and what comes of it.

pub mod answer;
pub mod problem;
pub mod zone;

use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Instance, Page, Provider, Query, Realm, RealmState,
};

use answer::ZonePage;
use problem::Head;
use zone::Place;

const ENDPOINT: &str = "https://api.scaleway.com";

/// What narrows a list down, as an option and as a parameter of the API.
const OWNERS: [&str; 2] = ["project", "organization"];

/// The driver itself. The password is the secret key of an API key; the user is a name of the operator's own for it.
#[derive(Debug)]
pub struct Scaleway;

tracker_driver_sdk::export_driver!(Scaleway);

impl Driver for Scaleway {
    fn describe() -> Description {
        let zones = format!("Zones to list, with commas between them; by default all: {}.", zone::ALL.join(", "));
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            endpoints: vec![ENDPOINT.to_owned()],
            options: vec![
                AccountOption::new("zones", zones),
                AccountOption::new("project", "Id of the project whose servers are listed; by default those of all."),
                AccountOption::new("organization", "Id of the organization whose servers are listed; by default all."),
            ],
            // Scaleway publishes no number for this API. This is enough for all zones several times a minute.
            requests_per_minute: Some(60),
            ..Description::new("scaleway", "Scaleway", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let zones = zone::of(account)?;
        let owners = owners(account)?;
        let place = Place::read(query.cursor.as_deref(), &zones)?;
        match ask(account, place.zone(), place.page, &owners) {
            Ok(page) => Ok(place.answered(page)),
            Err(Failure::OfZone(error)) => place.failed(error),
            Err(Failure::OfAll(error)) => Err(error),
        }
    }

    /// The API has no list of zones: those that servers are asked for in.
    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        let zones = zone::of(account)?.into_iter();
        Ok(Page::complete(zones.map(|zone| Realm::new(zone.clone(), zone, RealmState::Available)).collect()))
    }
}

/// The options that narrow a list down, as parameters.
fn owners(account: &Account) -> Result<Vec<(&'static str, &str)>, Error> {
    let set = OWNERS.into_iter().filter_map(|name| Some((name, account.option(name)?)));
    let checked = set.map(|(name, value)| match is_uuid(value) {
        true => Ok((name, value)),
        false => Err(Error::bad_option(name, value, "an id, such as 11111111-2222-4333-8444-555555555555")),
    });
    checked.collect()
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
}

/// Why a zone gave no page.
enum Failure {
    /// It is out of order, or not there. The others may answer.
    OfZone(Error),
    /// Credentials and limits are of all zones together, and what is not understood here is not understood there.
    OfAll(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Failure::OfZone(error),
            other => Failure::OfAll(other),
        }
    }
}

/// A page of the servers of one zone.
fn ask(account: &Account, zone: &str, page: u64, owners: &[(&str, &str)]) -> Result<ZonePage, Failure> {
    let page_text = page.to_string();
    // Sorted by what never changes: a new server comes last, and moves no other from one page to the next.
    let fields = [("per_page", "100"), ("page", &page_text), ("order", "creation_date_asc")];
    let fields = encode_query(fields.into_iter().chain(owners.iter().copied()));
    let url = format!("{}/instance/v1/zones/{zone}/servers?{fields}", account.endpoint);
    let token = secret::placeholder(secret::PASSWORD, Encoding::Raw)?;
    let request = Request::get(url).header("x-auth-token", token).header("accept", "application/json");
    let mut response = request.send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        let error = head.refusal(&response, &start);
        let is_no_zone = response.status == 404 && problem::is_not_found(&start);
        return Err(if is_no_zone { Failure::OfZone(error) } else { error.into() });
    }
    let asked = response.asked().to_owned();
    let headers = std::mem::take(&mut response.headers);
    let body = response.bytes()?;
    answer::servers(&body, &headers, page)
        .map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked)).into())
}
