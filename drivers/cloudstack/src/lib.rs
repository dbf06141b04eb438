//! Apache CloudStack's API: listVirtualMachines and listZones, numbered pages of JSON, signed with HMAC-SHA1 over the sorted
//! query. What is asked is in `request`, what an answer means in `answer`, and what an error means in `problem`.

mod addresses;
mod answer;
mod place;
mod problem;
mod request;

use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

use answer::Listed;
use place::Place;
use problem::Head;
use request::{Call, Settings};

/// The driver itself. The user is an API key of CloudStack's, the password the secret key that belongs to it.
#[derive(Debug)]
pub struct CloudStack;

tracker_driver_sdk::export_driver!(CloudStack);

impl Driver for CloudStack {
    fn describe() -> Description {
        Description {
            options: vec![
                AccountOption::new(
                    request::PROJECT,
                    "The VMs of this project alone (its id), or with `all` those of every project beside the account's own. \
                     Default: the VMs that are in no project.",
                ),
                AccountOption::new(
                    request::PAGE_SIZE,
                    "How many entries a page has, from 1 to 10000: no more than the cloud's setting `default.page.size`. \
                     Default: 500, which is that setting's default.",
                ),
            ],
            // `api.throttling.max`, where a cloud throttles, is 25 requests a second by default ("Limiting the Rate of API
            // Requests"). As many as this may come at once.
            requests_per_minute: Some(20),
            features: Features::BY_ID,
            ..Description::new("cloudstack", "Apache CloudStack", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        let place = Place::read(query.cursor.as_deref())?;
        if query.ids.is_empty() {
            return list(account, &Call::Vms(&[]), &settings, &place, answer::vms);
        }
        by_id(account, query, &place, &settings)
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let settings = Settings::of(account)?;
        let place = Place::read(query.cursor.as_deref())?;
        list(account, &Call::Zones, &settings, &place, answer::zones)
    }
}

fn list<T>(
    account: &Account,
    call: &Call<'_>,
    settings: &Settings<'_>,
    place: &Place,
    read: fn(&[u8]) -> Result<Listed<T>, Error>,
) -> Result<Page<T>, Error> {
    let mut response = call.signed(account, settings, place.number)?.send()?;
    let head = Head::of(&response, call.command());
    if !head.is_success() {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    head.read(&response.bytes()?, |body| read(body)?.into_page(place, settings.page_size))
}

/// The VMs that are asked for. An id that CloudStack does not know makes an error of the whole request, which names it: the next
/// page is of the others. An expunged VM is known, and not listed.
fn by_id(account: &Account, query: &Query, place: &Place, settings: &Settings<'_>) -> Result<Page<Instance>, Error> {
    // Of more than a page has, a list of everything takes no more requests.
    if u64::try_from(query.ids.len()).is_ok_and(|length| length > settings.page_size) {
        let mut page = list(account, &Call::Vms(&[]), settings, place, answer::vms)?;
        page.items.retain(|vm| query.ids.contains(&vm.id));
        return Ok(page.of_total(None));
    }
    let ids = place.asked_for(&query.ids);
    if ids.is_empty() {
        return Ok(Page::complete(Vec::new()));
    }
    let call = Call::Vms(&ids);
    let mut response = call.signed(account, settings, place.number)?.send()?;
    let head = Head::of(&response, call.command());
    if !head.is_success() {
        let start = response.start_of_body();
        let is_unknown = |id: &String| ids.contains(&id.as_str()) && problem::is_unknown(&start, id);
        return match query.ids.iter().position(is_unknown) {
            Some(index) => Ok(Page::complete(Vec::new()).followed_by(Some(place.without(index)))),
            None => Err(head.refusal(&response, &start)),
        };
    }
    let read = |body: &[u8]| answer::vms(body)?.of_at_most(ids.len()).into_page(place, settings.page_size);
    let mut page = head.read(&response.bytes()?, read)?;
    // Versions before 4.4 do not know the parameter, and list everything.
    page.items.retain(|vm| ids.contains(&vm.id.as_str()));
    Ok(page.of_total(None))
}
