//! Proxmox VE: virtual machines and containers as instances, nodes as realms. One list has them all,
//! `cluster/resources`; where it is old or incomplete, each node is asked, too (`source`).
//! What an answer means is in `answer`, `state` and `interfaces`, apart from HTTP; here is what is asked.

mod addresses;
pub mod answer;
pub mod interfaces;
mod problem;
mod source;
pub mod state;
mod values;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Request, Response, encode_path};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

use addresses::Wanted;
use source::Source;

/// Below the endpoint. Operators know addresses with it, so one that ends with it is taken, too.
const API: &str = "/api2/json";

const TOKEN_ID: &str = "full id of an API token, `user@realm!name`";

/// The driver itself. The user is a token's full id, `user@realm!name`, and the password its secret.
#[derive(Debug)]
pub struct Proxmox;

tracker_driver_sdk::export_driver!(Proxmox);

impl Driver for Proxmox {
    fn describe() -> Description {
        Description {
            // No provider is known by name: every cluster is its operator's own.
            options: vec![
                AccountOption::new(addresses::OPTION, addresses::HELP),
                AccountOption::new(source::OPTION, source::HELP),
            ],
            // Proxmox VE has no limit of requests.
            requests_per_minute: None,
            // The path of a single guest has its node in it, which only the list tells; and the list is one request.
            features: Features::empty(),
            ..Description::new("proxmox", "Proxmox VE", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, _query: &Query) -> Result<Page<Instance>, Error> {
        let (wanted, source) = (Wanted::of(account)?, Source::of(account)?);
        let mut guests = read(account, "cluster/resources", answer::guests)?;
        let mut requests = 1;
        if source == Source::Nodes {
            requests += source::ask_nodes(account, &mut guests)?;
        }
        if guests.are_hidden {
            require_right(account)?;
        }
        addresses::add(account, wanted, guests, requests)
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        // An account that is not usable for one list is not for the other.
        Wanted::of(account)?;
        Source::of(account)?;
        read(account, "cluster/resources?type=node", answer::nodes)
    }
}

/// The list leaves out what a token may not see, without a word. So an empty one is right only for a token that may see
/// guests.
fn require_right(account: &Account) -> Result<(), Error> {
    if read(account, "access/permissions", answer::may_see_guests)? {
        return Ok(());
    }
    Err(Error::Forbidden(
        "the token sees no guest, and has the privilege VM.Audit nowhere; give it the role PVEAuditor on /vms (a token \
         with privilege separation has only rights of its own)"
            .to_owned(),
    ))
}

/// What an answer means, where it is one.
fn read<T>(account: &Account, path: &str, meaning: fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let response = get(account, path)?;
    if !(200..300).contains(&response.status) {
        return Err(with_advice(problem::refusal(response), account));
    }
    let asked = response.asked().to_owned();
    meaning(&response.bytes()?).map_err(|error| error.during(&asked))
}

fn get(account: &Account, path: &str) -> Result<Response, Error> {
    let base = account.endpoint.strip_suffix(API).unwrap_or(&account.endpoint);
    let secret = secret::placeholder(secret::PASSWORD, Encoding::Raw)?;
    Request::get(format!("{base}{API}/{path}"))
        .header("authorization", format!("PVEAPIToken={}={secret}", token_id(account)?))
        .header("accept", "application/json")
        .send()
}

/// A node's name as one part of a path.
fn in_path(node: &str) -> String {
    encode_path(node).replace('/', "%2F")
}

/// The user as it stands in a header.
fn token_id(account: &Account) -> Result<&str, Error> {
    let user = account.user.as_str();
    if user.is_empty() || user.contains(char::is_control) {
        return Err(Error::InvalidAccount(format!("the user `{}` is no {TOKEN_ID}", quote(user.as_bytes()))));
    }
    Ok(user)
}

/// The API has no more than 401, whatever is wrong: the reason stands in the status line.
fn with_advice(error: Error, account: &Account) -> Error {
    match error {
        Error::Unauthorized(message) if !account.user.contains('!') => {
            Error::Unauthorized(format!("{message} (the user is no {TOKEN_ID})"))
        }
        Error::Unauthorized(message) => Error::Unauthorized(format!(
            "{message} (check the token's id and secret, and whether it or its user is expired or disabled)"
        )),
        other => other,
    }
}
