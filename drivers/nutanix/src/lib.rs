//! Nutanix's Prism Central, API v4: virtual machines of AHV, and clusters as their realms. Two lists in numbered pages of 100.
//! What an answer means is in `answer` and `state`, apart from HTTP; here is what is asked.

pub mod answer;
mod categories;
mod problem;
pub mod state;

use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

use problem::{Failure, Head};

/// The most that the API gives at once.
pub const PER_PAGE: u64 = 100;

/// How many machines are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

const AUTHENTICATION: &str = "authentication";

const MACHINES: &str = "/api/vmm/v4.0/ahv/config/vms";
const CLUSTERS: &str = "/api/clustermgmt/v4.0/config/clusters";

/// The driver itself. User and password are those of a local or directory user, or the password is a service account's API
/// key.
#[derive(Debug)]
pub struct Nutanix;

tracker_driver_sdk::export_driver!(Nutanix);

impl Driver for Nutanix {
    fn describe() -> Description {
        let authentication = "`basic` (default), or `api-key`: the password is an API key of a service account.";
        Description {
            // No provider is known by name: every Prism Central is its operator's own.
            options: vec![
                AccountOption::new(AUTHENTICATION, authentication),
                AccountOption::new(categories::OPTION, categories::HELP),
            ],
            // A small Prism Central takes 30 requests a second of all clients (nutanix.dev, "New v4 API and SDK features in
            // Prism Central 2024.1"), and the list of machines 2, which it says in `x-api-ratelimit-limit`. Half of these.
            requests_per_minute: Some(60),
            features: Features::BY_ID,
            ..Description::new("nutanix", "Nutanix Prism Central", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        match query.ids.len() {
            1..=MOST_ALONE => single(&settings, query),
            _ => {
                let mut page = list(&settings, MACHINES, query.cursor.as_deref(), answer::machines)?;
                if page.items.is_empty() && page.next.is_none() && query.cursor.is_none() {
                    require_sight(&settings)?;
                }
                categories::name(&settings, query.cursor.is_none(), &mut page.items)?;
                Ok(page)
            }
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        list(&Settings::of(account)?, CLUSTERS, query.cursor.as_deref(), answer::clusters)
    }
}

/// An account with its options read.
pub(crate) struct Settings<'a> {
    account: &'a Account,
    has_api_key: bool,
    pub(crate) names_categories: bool,
}

impl<'a> Settings<'a> {
    fn of(account: &'a Account) -> Result<Self, Error> {
        let has_api_key = match account.option(AUTHENTICATION) {
            None | Some("basic") => false,
            Some("api-key") => true,
            Some(other) => return Err(Error::bad_option(AUTHENTICATION, other, "`basic` or `api-key`")),
        };
        Ok(Settings { account, has_api_key, names_categories: categories::are_named(account)? })
    }
}

/// A page of a list, by its number.
pub(crate) fn list<T>(
    settings: &Settings<'_>,
    path: &str,
    cursor: Option<&str>,
    read: fn(&[u8], u64) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let number = answer::page_number(cursor)?;
    let (page, limit) = (number.to_string(), PER_PAGE.to_string());
    let fields = encode_query([("$page", page.as_str()), ("$limit", limit.as_str())]);
    get(settings, &format!("{path}?{fields}"), |body| read(body, number)).map_err(Failure::into_error)
}

/// A user gets a list of what the role lets it see, without a word. So an empty one is right only for a user that sees a
/// cluster: there is always one, Prism Central's own.
fn require_sight(settings: &Settings<'_>) -> Result<(), Error> {
    match list(settings, CLUSTERS, None, answer::clusters)?.items.is_empty() {
        true => Err(Error::Forbidden(
            "the user sees no machine and no cluster: give it a role that may view virtual machines and clusters, such as \
             Prism Viewer"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// One of the machines that are asked for; the next page is of the next one. What is no UUID is of none.
fn single(settings: &Settings<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let mut found = Vec::new();
    if answer::is_uuid(id) {
        match get(settings, &format!("{MACHINES}/{id}"), answer::machine) {
            Ok(machine) if machine.id == id => found.push(machine),
            Ok(machine) => {
                return Err(Error::UnexpectedAnswer(format!(
                    "{MACHINES}/{id} answered with the machine {}",
                    machine.id
                )));
            }
            Err(failure) if failure.is_absence() => (),
            Err(failure) => return Err(failure.into_error()),
        }
    }
    categories::name(settings, query.cursor.is_none(), &mut found)?;
    Ok(Page::complete(found).followed_by(next))
}

fn get<T>(settings: &Settings<'_>, path: &str, read: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Failure> {
    let request = Request::get(format!("{}{path}", settings.account.endpoint)).header("accept", "application/json");
    let request = match settings.has_api_key {
        true => request.header("x-ntnx-api-key", secret::placeholder(secret::PASSWORD, Encoding::Raw)?),
        false => request.basic_auth()?,
    };
    let mut response = request.send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    read(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked).into()))
}
