//! Google Compute Engine: the instances of a project in all its zones by one aggregated list, and its zones. What an answer
//! means is in `answer`, what an error means in `problem`, who asks in `token` and `project`; here is what is asked.

pub mod answer;
pub mod problem;
pub mod project;
pub mod token;

use tracker_driver_sdk::http::{Request, Response, encode_path, encode_query};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, EndpointRole, Error, Features, Instance, Page, Provider, Query, Realm,
    SecretKind,
};

use problem::Head;

const ENDPOINT: &str = "https://compute.googleapis.com";

/// The most that the API gives at once.
const PAGE_SIZE: &str = "500";

/// The members that are read: the whole of an instance is ten times as long, with metadata that nobody needs here.
const INSTANCE_FIELDS: &str = "nextPageToken,unreachables,warning(code,message),items/*/warning(code,message),\
    items/*/instances(id,name,status,zone,machineType,creationTimestamp,sourceMachineImage,labels,disks(boot,licenses),\
    networkInterfaces(networkIP,ipv6Address,aliasIpRanges(ipCidrRange),accessConfigs(natIP,externalIpv6),\
    ipv6AccessConfigs(externalIpv6)))";
const ZONE_FIELDS: &str = "nextPageToken,unreachables,warning(code,message),items(name,status)";

/// The driver itself. The password is the private key of a service account, whose e-mail address is the user, or an access
/// token of anybody's.
#[derive(Debug)]
pub struct Gce;

tracker_driver_sdk::export_driver!(Gce);

impl Driver for Gce {
    fn describe() -> Description {
        let endpoints = vec![(token::ROLE.to_owned(), token::ENDPOINT.to_owned())];
        Description {
            providers: vec![Provider { endpoints, ..Provider::new("main", ENDPOINT) }],
            endpoints: vec![ENDPOINT.to_owned(), token::ENDPOINT.to_owned()],
            options: vec![AccountOption::new(
                project::OPTION,
                "The id or number of the project. Default: the project in the e-mail address of the service account, or the \
                 user if it is no e-mail address.",
            )],
            roles: vec![EndpointRole::new(
                token::ROLE,
                "The whole address at which a service account gets its tokens, the `token_uri` of its key file.",
            )],
            secrets: vec![SecretKind::PrivateKey, SecretKind::AccessToken],
            // A project has 1,500 reads a minute by default, for all that ask (Compute Engine's rate quotas, `list_requests`).
            // These are enough for 30,000 instances a minute.
            requests_per_minute: Some(60),
            features: Features::BY_ID,
            ..Description::new("gce", "Google Compute Engine", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let project = project::of(account)?;
        let filter = match &query.ids[..] {
            [] => None,
            ids => match filter(ids) {
                // No id is one of Compute Engine's.
                Some(filter) if filter.is_empty() => return Ok(Page::complete(Vec::new())),
                filter => filter,
            },
        };
        let url = url(account, project, "aggregated/instances", INSTANCE_FIELDS, query, filter.as_deref());
        let mut page = get(account, url, answer::instances)?;
        if !query.ids.is_empty() {
            page.items.retain(|instance| query.ids.contains(&instance.id));
        }
        Ok(page)
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let project = project::of(account)?;
        get(account, url(account, project, "zones", ZONE_FIELDS, query, None), answer::zones)
    }
}

/// An expression for the instances with these ids, empty where none is a number; nothing where there is one that the API
/// takes for no number in a filter, so that everything has to be listed: it reads signed numbers there, and ids are unsigned.
fn filter(ids: &[String]) -> Option<String> {
    let numbers: Vec<u64> =
        ids.iter().filter_map(|id| id.parse().ok().filter(|n: &u64| n.to_string() == *id)).collect();
    if numbers.iter().any(|number| i64::try_from(*number).is_err()) {
        return None;
    }
    Some(numbers.iter().map(|number| format!("(id = {number})")).collect::<Vec<_>>().join(" OR "))
}

fn url(account: &Account, project: &str, list: &str, fields: &str, query: &Query, filter: Option<&str>) -> String {
    let mut parameters = vec![("maxResults", PAGE_SIZE), ("returnPartialSuccess", "true"), ("fields", fields)];
    parameters.extend(filter.map(|filter| ("filter", filter)));
    parameters.extend(query.cursor.as_deref().map(|cursor| ("pageToken", cursor)));
    let project = encode_path(project);
    format!("{}/compute/v1/projects/{project}/{list}?{}", account.endpoint, encode_query(parameters))
}

/// A page of a list, read by `read`. A token from the session may have ended before its time: the API is asked once more, with
/// a new one.
fn get<T>(account: &Account, url: String, read: fn(&[u8]) -> Result<Page<T>, Error>) -> Result<Page<T>, Error> {
    if account.secret == SecretKind::AccessToken {
        let word = secret::placeholder(secret::PASSWORD, Encoding::Raw)?;
        return page(send(url, &word)?, &word, read);
    }
    if let Some(token) = token::kept() {
        let response = send(url.clone(), &token)?;
        let is_refused = response.status == 401;
        match page(response, &token, read) {
            Err(Error::Unauthorized(_)) if is_refused => {}
            other => return other,
        }
    }
    let token = token::fresh(account)?;
    page(send(url, &token)?, &token, read)
}

/// What comes of an answer to a request with this token.
fn page<T>(mut response: Response, token: &str, read: fn(&[u8]) -> Result<Page<T>, Error>) -> Result<Page<T>, Error> {
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = token::hidden(response.start_of_body(), token);
        return Err(head.refusal(&response, &start));
    }
    let body = token::hidden(response.bytes()?, token);
    read(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| head.during(error)))
}

fn send(url: String, token: &str) -> Result<Response, Error> {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    request.header("accept", "application/json").send()
}
