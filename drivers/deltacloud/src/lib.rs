//! A Deltacloud server as the provider, Apache Deltacloud or another Tracker: its instances and realms, in the XML of 2012. What is
//! asked is in `request`, what an answer means in `answer`, and what an error means in `fault`.

mod address;
mod answer;
mod fault;
mod next;
mod request;

use tracker_driver_sdk::http::Response;
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm, SecretKind,
};

use answer::Resource;
use fault::Fault;
use request::Settings;

/// How many instances are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 20;

/// The driver itself. User and password are those of the account at the cloud behind the server; or the password is a token of
/// the other Tracker.
#[derive(Debug)]
pub struct Deltacloud;

tracker_driver_sdk::export_driver!(Deltacloud);

impl Driver for Deltacloud {
    fn describe() -> Description {
        Description {
            options: vec![
                AccountOption::new(
                    request::DRIVER,
                    "The driver that the server is to use, as X-Deltacloud-Driver. Default: the server's own default.",
                ),
                AccountOption::new(
                    request::PROVIDER,
                    "The provider that the server is to use, as X-Deltacloud-Provider. Default: the server's own default.",
                ),
                AccountOption::new(
                    request::PAGE_SIZE,
                    "How many entries a page of another Tracker has, from 1 to 100000: no more than its `api.page_items`; or \
                     `all` for one page. Default: 1000. Apache Deltacloud has no pages.",
                ),
            ],
            secrets: vec![SecretKind::Password, SecretKind::AccessToken],
            features: Features::BY_ID,
            ..Description::new("deltacloud", "Deltacloud", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        match query.ids.len() {
            0 => list(&settings, query.cursor.as_deref()),
            1..=MOST_ALONE => single(&settings, query),
            _ => {
                let mut page = list::<Instance>(&settings, query.cursor.as_deref())?;
                page.items.retain(|instance| query.ids.contains(&instance.id));
                Ok(page)
            }
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        list(&Settings::of(account)?, query.cursor.as_deref())
    }
}

fn list<T: Resource>(settings: &Settings<'_>, cursor: Option<&str>) -> Result<Page<T>, Error> {
    let response = successful(settings.list(T::COLLECTION, cursor)?.send()?)?;
    let asked = response.asked().to_owned();
    let next = next::query(&response.headers).map_err(|error| error.during(&asked))?;
    if next.is_some() && next.as_deref() == cursor {
        return Err(Error::UnexpectedAnswer(format!("{asked}: the page says that it follows itself")));
    }
    let items = answer::list(response).map_err(|error| error.during(&asked))?;
    Ok(Page::complete(items).followed_by(next))
}

/// One of the instances that are asked for; the next page is of the next one.
fn single(settings: &Settings<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    // No id, in a path, but the collection itself and what it is in.
    if matches!(id, "" | "." | "..") {
        return Ok(page(Vec::new()));
    }
    let mut response = settings.single(Instance::COLLECTION, id)?.send()?;
    if response.status == 404 {
        let start = response.start_of_body();
        // In the server's own words: a proxy says 404 of much.
        return match Fault::read(&start).filter(Fault::is_absence) {
            Some(_) => Ok(page(Vec::new())),
            None => Err(response.error_quoting(&start)),
        };
    }
    let response = successful(response)?;
    let asked = response.asked().to_owned();
    let found = answer::one::<Instance>(response).map_err(|error| error.during(&asked))?;
    Ok(page(if found.id == id { vec![found] } else { Vec::new() }))
}

/// The answer, or the error that it is: by the code in its document, or else by its status.
fn successful(mut response: Response) -> Result<Response, Error> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let start = response.start_of_body();
    Err(match Fault::read(&start) {
        Some(fault) => fault.meaning(&response),
        None => response.error_quoting(&start),
    })
}
