//! The Engine API of Docker, and of Podman's service: containers, and the engine as their realm. One request for each list,
//! which has no pages. What an answer means is in `answer`, apart from HTTP; here is what is asked.

pub mod answer;
pub mod problem;

use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

const API_VERSION: &str = "api-version";

/// The driver itself. An engine knows its clients by its socket's permissions or by their certificates, which are the host's.
/// User and password are for a proxy in front of it.
#[derive(Debug)]
pub struct Docker;

tracker_driver_sdk::export_driver!(Docker);

impl Driver for Docker {
    fn describe() -> Description {
        let help = "The version of the Engine API to ask for, such as `1.44`; by default the engine's newest.";
        Description {
            options: vec![AccountOption::new(API_VERSION, help)],
            // No limit of requests is published: the host's own stands.
            requests_per_minute: None,
            features: Features::BY_ID,
            ..Description::new("docker", "Docker and Podman", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        if query.ids.is_empty() {
            return get(account, "containers/json?all=true", answer::containers).map(Page::complete);
        }
        let ids: Vec<&str> = query.ids.iter().map(String::as_str).filter(|id| is_id(id)).collect();
        if ids.is_empty() {
            return Ok(Page::complete(Vec::new()));
        }
        let filters = filter_by_id(&ids);
        let asked = encode_query([("all", "true"), ("filters", filters.as_str())]);
        let mut found = get(account, &format!("containers/json?{asked}"), answer::containers)?;
        // A part of an id is enough for the filter.
        found.retain(|container| ids.contains(&container.id.as_str()));
        Ok(Page::complete(found))
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        let realm = get(account, "info", answer::engine)?;
        Ok(Page::complete(vec![realm]))
    }
}

/// Asks for what is at that path, and reads it.
fn get<T>(account: &Account, path: &str, read: fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let url = format!("{}{}/{path}", account.endpoint, version(account)?);
    let response = Request::get(url).basic_auth()?.header("accept", "application/json").send()?;
    let response = problem::success(response)?;
    let asked = response.asked().to_owned();
    read(&response.bytes()?).map_err(|error| error.during(&asked))
}

/// The beginning of each path: `/v1.44`, or nothing. No version is served by all engines: Docker 20.10 ends with 1.41, and
/// Docker 29 begins with 1.44. Without one an engine answers in its newest.
fn version(account: &Account) -> Result<String, Error> {
    let Some(version) = account.option(API_VERSION) else { return Ok(String::new()) };
    let is_number = |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        Some((major, minor)) if is_number(major) && is_number(minor) => Ok(format!("/v{version}")),
        _ => Err(Error::bad_option(API_VERSION, version, "two numbers with a dot between them, such as 1.44")),
    }
}

/// Some engines take an id in a filter for a pattern, which may stand for all containers. Ids have digits and letters only.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `{"id":["..","..."]}`. Ids have no character that JSON escapes.
fn filter_by_id(ids: &[&str]) -> String {
    format!(r#"{{"id":["{}"]}}"#, ids.join(r#"",""#))
}
