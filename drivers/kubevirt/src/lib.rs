//! KubeVirt's virtual machines, by the Kubernetes API. Two lists make the instances: the machines, and what runs, with its
//! addresses. What an answer means is in `answer`, apart from HTTP; here is what is asked and in which order.

pub mod answer;
mod image;
mod place;
mod problem;
mod running;
mod scope;
pub mod state;

use tracker_driver_sdk::http::{Request, encode_path, encode_query};
use tracker_driver_sdk::parts::{self, Failure};
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm, SecretKind, secret,
};

use place::Place;
use problem::Head;
use scope::Scope;

/// What `kubectl` asks for at once. The API has no limit of its own.
const PAGE_SIZE: &str = "500";

/// The driver itself. The password is the token of a service account; the user is a name of the operator's own for it.
#[derive(Debug)]
pub struct Kubevirt;

tracker_driver_sdk::export_driver!(Kubevirt);

impl Driver for Kubevirt {
    fn describe() -> Description {
        Description {
            // No provider is known by name: every cluster is its operator's own.
            options: vec![AccountOption::new(scope::OPTION, scope::HELP)],
            secrets: vec![SecretKind::Password, SecretKind::AccessToken],
            // Kubernetes publishes no limit. Its own Go client sends at most 5 requests a second unless told otherwise
            // (`QPS` of k8s.io/client-go/rest.Config), which makes 300 a minute; this is less than half of them.
            requests_per_minute: Some(120),
            // An object is found by namespace and name, and not by its uid.
            features: Features::empty(),
            ..Description::new("kubevirt", "KubeVirt", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let scope = Scope::of(account)?;
        let place = Place::of(query.cursor.as_deref(), &scope)?;
        of_part(query, &scope, &place, instances(account, &scope, &place))
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let scope = Scope::of(account)?;
        if scope.is_cluster() {
            let place = Place { namespace: 0, token: query.cursor.as_deref().unwrap_or_default() };
            let list = list(account, &scope, "/api/v1/namespaces", &place, answer::namespaces)?;
            return Ok(cut_short(Page::complete(list.items).followed_by(list.next), list.is_cut_short));
        }
        let place = Place::of(query.cursor.as_deref(), &scope)?;
        let found = namespace(account, scope.name(place.namespace).unwrap_or_default());
        let page =
            found.map(|realm| Page::complete(realm.into_iter().collect()).followed_by(place.after(None, &scope)));
        of_part(query, &scope, &place, page)
    }
}

/// The page of a namespace that the account names; all of the cluster is one list.
fn of_part<T>(
    query: &Query,
    scope: &Scope<'_>,
    place: &Place<'_>,
    found: Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    if query.cursor.is_none() {
        parts::begin();
    }
    match scope.name(place.namespace) {
        Some(name) => {
            parts::page(&format!("the namespace `{name}`"), found.map_err(Failure::from), place.after(None, scope))
        }
        None => found,
    }
}

/// A page of machines, with what runs of them.
fn instances(account: &Account, scope: &Scope<'_>, place: &Place<'_>) -> Result<Page<Instance>, Error> {
    let path = |resource| format!("/apis/kubevirt.io/v1{}/{resource}", scope.path(place.namespace));
    let found = list(account, scope, &path("virtualmachines"), place, answer::machines)?;
    if place.is_first_page() {
        running::ask(account, scope, &path("virtualmachineinstances"))?;
    }
    let page = cut_short(Page::complete(found.items), found.is_cut_short);
    Ok(running::join(page, found.next.is_none()).followed_by(place.after(found.next.as_deref(), scope)))
}

fn cut_short<T>(page: Page<T>, is_cut_short: bool) -> Page<T> {
    match is_cut_short {
        true => page.partial("the answer says that more entries follow, and not where"),
        false => page,
    }
}

/// A page of a list. Pages behind the first one show the state that the first one had.
fn list<T>(
    account: &Account,
    scope: &Scope<'_>,
    path: &str,
    place: &Place<'_>,
    read: fn(&[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut fields = vec![("limit", PAGE_SIZE)];
    if !place.token.is_empty() {
        fields.push(("continue", place.token));
    }
    let url = format!("{}{path}?{}", account.endpoint, encode_query(fields));
    get(url, read).map_err(|failure| match failure.error {
        Error::Forbidden(message) if scope.is_cluster() => Error::Forbidden(format!(
            "{message} (grant the right in the whole cluster, or set the option `{}`)",
            scope::OPTION
        )),
        other => other,
    })
}

/// One namespace, where the cluster has it.
fn namespace(account: &Account, name: &str) -> Result<Option<Realm>, Error> {
    let url = format!("{}/api/v1/namespaces/{}", account.endpoint, encode_path(name));
    match get(url, answer::namespace) {
        Ok(realm) => Ok(Some(realm)),
        Err(failure) if failure.is_absent => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

fn get<T>(url: String, read: fn(&[u8]) -> Result<T, Error>) -> Result<T, problem::Failure> {
    let mut response = Request::get(url).bearer(secret::PASSWORD)?.header("accept", "application/json").send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    read(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&asked).into()))
}
