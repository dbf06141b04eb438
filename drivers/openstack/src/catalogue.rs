//! Where Keystone and Nova are. The catalogue is what a cloud says of itself: it leads only to what the operator granted.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::Url;
use tracker_driver_sdk::{Account, Error};

use crate::settings::Settings;
use crate::{COMPUTE, IDENTITY};

/// A service of the catalogue.
#[derive(Debug, Deserialize)]
pub struct Service {
    #[serde(rename = "type")]
    kind: Option<String>,
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    interface: Option<String>,
    region: Option<String>,
    region_id: Option<String>,
    url: Option<String>,
}

impl Endpoint {
    fn region(&self) -> &str {
        self.region_id.as_deref().or(self.region.as_deref()).unwrap_or("none")
    }

    fn is_in(&self, region: &str) -> bool {
        self.region_id.as_deref() == Some(region) || self.region.as_deref() == Some(region)
    }
}

/// Keystone's endpoint, with its version.
pub fn identity(account: &Account) -> Result<String, Error> {
    let endpoint = account.endpoint_of(IDENTITY).unwrap_or(&account.endpoint).trim_end_matches('/');
    if endpoint.ends_with("/v2.0") {
        return Err(Error::InvalidAccount(format!(
            "`{endpoint}` is version 2 of the Identity API: version 3 is needed"
        )));
    }
    Ok(if endpoint.ends_with("/v3") { endpoint.to_owned() } else { format!("{endpoint}/v3") })
}

/// Nova's endpoint, with its version. The role's endpoint decides; a longer one of the catalogue below it is better, for
/// old clouds have the project's id in the path.
pub fn compute(account: &Account, settings: &Settings<'_>, catalogue: Option<&[Service]>) -> Result<String, Error> {
    let services = catalogue.unwrap_or_default().iter().filter(|service| service.kind.as_deref() == Some("compute"));
    let endpoints: Vec<&Endpoint> = services
        .flat_map(|service| service.endpoints.iter().flatten())
        .filter(|endpoint| endpoint.interface.as_deref() == Some(settings.interface))
        .collect();
    let in_region = |endpoint: &&&Endpoint| settings.region.is_none_or(|region| endpoint.is_in(region));
    let urls: Vec<(&str, &str)> = endpoints
        .iter()
        .filter(in_region)
        .filter_map(|endpoint| Some((endpoint.url.as_deref()?.trim_end_matches('/'), endpoint.region())))
        .collect();
    let role = account.endpoint_of(COMPUTE);
    let granted = match role {
        Some(role) => vec![role],
        None => [Some(account.endpoint.as_str()), account.endpoint_of(IDENTITY)].into_iter().flatten().collect(),
    };
    let mut reached: Vec<(&str, &str)> = Vec::new();
    for (url, region) in &urls {
        let is_new = reached.iter().all(|(other, _)| other != url);
        if is_new && granted.iter().any(|granted| lies_below(url, granted)) {
            reached.push((url, region));
        }
    }
    match (&reached[..], role, &urls[..]) {
        ([(url, _)], _, _) => Ok(versioned(url)),
        ([_, _, ..], _, _) => Err(Error::InvalidAccount(format!(
            "the catalogue has several compute endpoints, in the regions {}: set the option `region`",
            reached.iter().map(|(_, region)| quote(region.as_bytes())).collect::<Vec<_>>().join(", ")
        ))),
        ([], Some(role), _) => Ok(versioned(role)),
        ([], None, [(url, _), ..]) => Err(Error::InvalidAccount(format!(
            "the catalogue has Nova at `{}`, which is not granted: give the provider an endpoint for the role `{COMPUTE}`",
            quote(url.as_bytes())
        ))),
        ([], None, []) => Err(missing(settings, catalogue, &endpoints)),
    }
}

/// Why the catalogue has no endpoint of Nova.
fn missing(settings: &Settings<'_>, catalogue: Option<&[Service]>, of_any_region: &[&Endpoint]) -> Error {
    let instead = format!("a provider may have an endpoint for the role `{COMPUTE}` instead");
    match (catalogue, settings.region, of_any_region) {
        (Some(_), Some(region), [_, ..]) => Error::InvalidAccount(format!(
            "the catalogue has no compute endpoint in the region `{}`; its regions are: {}",
            quote(region.as_bytes()),
            of_any_region.iter().map(|endpoint| quote(endpoint.region().as_bytes())).collect::<Vec<_>>().join(", ")
        )),
        (Some(_), _, _) => Error::UnexpectedAnswer(format!(
            "the catalogue has no compute endpoint with the interface `{}`; {instead}",
            settings.interface
        )),
        (None, _, _) => Error::UnexpectedAnswer(format!("the login's answer has no catalogue; {instead}")),
    }
}

/// Whether an address is that endpoint, or lies below it.
fn lies_below(url: &str, endpoint: &str) -> bool {
    let (Ok(url), Ok(endpoint)) = (Url::parse(url), Url::parse(endpoint)) else { return false };
    let path = url.path_and_query.trim_end_matches('/');
    let rest = path.strip_prefix(endpoint.path_and_query.trim_end_matches('/'));
    // What leads up again lies elsewhere.
    let is_plain =
        !path.contains(['?', '\\']) && !path.split('/').any(|part| part.starts_with('.') || part.contains("%2"));
    url.scheme == endpoint.scheme
        && url.authority == endpoint.authority
        && is_plain
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The endpoint with version 2.1 of the API, unless it names a version itself.
fn versioned(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let is_version = |part: &str| matches!(part.split('.').next(), Some("v1" | "v2"));
    if url.split('/').any(is_version) { url.to_owned() } else { format!("{url}/v2.1") }
}
