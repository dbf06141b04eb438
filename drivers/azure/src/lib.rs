//! Azure Resource Manager: the virtual machines of a subscription with their run-time states and addresses, the
//! members of its uniform scale sets, and its locations. What an answer means is in `answer`; here is what the driver
//! is, and which way a list is asked for.

pub mod answer;
mod client;
mod graph;
mod login;
mod machines;
mod poll;
pub mod problem;
mod scale_sets;
mod settings;
mod single;

use tracker_driver_sdk::{
    Account, Description, Driver, EndpointRole, Error, Features, Instance, Page, Provider, Query, Realm, SecretKind,
};

use client::Client;
use settings::{Settings, Source};

pub use login::jwt;

/// The clouds that Microsoft and 21Vianet run, as the Azure tools name them: name, Resource Manager, sign-in.
const CLOUDS: [(&str, &str, &str); 3] = [
    ("AzureCloud", "https://management.azure.com", "https://login.microsoftonline.com"),
    ("AzureChinaCloud", "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
    ("AzureUSGovernment", "https://management.usgovcloudapi.net", "https://login.microsoftonline.us"),
];

/// Endpoint patterns of all clouds. An account reaches only the endpoints of its own cloud.
const PATTERNS: [&str; 5] = [
    "https://*.azure.com",
    "https://*.microsoftonline.com",
    "https://*.chinacloudapi.cn",
    "https://*.usgovcloudapi.net",
    "https://*.microsoftonline.us",
];

/// How many instances are asked for one by one, at two requests each: of more, a list takes fewer requests.
const MOST_ALONE: usize = 10;

/// The driver itself. The user is the id of an application (client id).
#[derive(Debug)]
pub struct Azure;

tracker_driver_sdk::export_driver!(Azure);

impl Driver for Azure {
    fn describe() -> Description {
        let providers = CLOUDS.map(|(name, endpoint, login)| Provider {
            endpoints: vec![(settings::LOGIN.to_owned(), login.to_owned())],
            ..Provider::new(name, endpoint)
        });
        Description {
            providers: providers.into(),
            endpoints: PATTERNS.map(str::to_owned).into(),
            options: settings::options(),
            roles: vec![EndpointRole::new(
                settings::LOGIN,
                "Where Microsoft Entra ID gives out tokens. Not needed with an access token.",
            )],
            secrets: vec![SecretKind::Password, SecretKind::PrivateKey, SecretKind::AccessToken],
            // Resource Manager gives each service principal 25 reads a second for a subscription (learn.microsoft.com,
            // "Understand how Azure Resource Manager throttles requests"). A tenth of that is left to Tracker, as
            // Compute and Network have lower limits of their own.
            requests_per_minute: Some(150),
            features: Features::BY_ID,
            ..Description::new("azure", "Microsoft Azure", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        if query.cursor.is_none() {
            poll::begin();
        }
        let client = Client::new(&settings);
        if (1..=MOST_ALONE).contains(&query.ids.len()) {
            return single::page(&client, query);
        }
        let cursor = query.cursor.as_deref();
        match cursor.and_then(scale_sets::Place::read) {
            Some(place) => scale_sets::page(&client, &place),
            None if settings.source == Source::ResourceGraph => graph::page(&client, cursor),
            None => machines::page(&client, cursor),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let settings = Settings::of(account)?;
        if query.cursor.is_none() {
            poll::begin();
        }
        let client = Client::new(&settings);
        let first = || format!("/subscriptions/{}/locations?api-version=2022-12-01", settings.subscription);
        let path = query.cursor.clone().unwrap_or_else(first);
        let list = client.list(&path)?;
        Ok(answer::location::page(list.value)?.followed_by(list.next))
    }
}
