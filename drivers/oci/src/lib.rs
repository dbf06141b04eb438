//! Oracle Cloud Infrastructure: the instances of a tenancy, compartment by compartment, with the addresses of their VNICs,
//! and its availability domains. What an answer means is in `answer`; here is what the driver is.

mod addresses;
pub mod answer;
mod client;
mod compartments;
mod poll;
mod problem;
mod regions;
mod settings;
pub mod signature;
mod single;

use tracker_driver_sdk::http::encode_query;
use tracker_driver_sdk::{
    Account, Description, Driver, EndpointRole, Error, Features, Instance, Page, Query, Realm, SecretKind,
};

use client::{Client, Part};
use settings::Settings;

/// How many instances are asked for one by one, at three requests each: of more, a list takes fewer requests.
const MOST_ALONE: usize = 10;

/// The driver itself. The user is the OCID of a user, the password the private half of one of the user's API keys.
#[derive(Debug)]
pub struct Oci;

tracker_driver_sdk::export_driver!(Oci);

impl Driver for Oci {
    fn describe() -> Description {
        Description {
            providers: regions::providers(),
            endpoints: regions::patterns(),
            options: settings::options(),
            roles: vec![
                EndpointRole::new(
                    settings::IDENTITY,
                    "Where compartments and availability domains are listed: https://identity.REGION.oci.oraclecloud.com.",
                )
                .required(),
            ],
            secrets: vec![SecretKind::PrivateKey],
            // Oracle publishes no numbers ("REST APIs", Request Throttling): it limits the requests of a user and of a
            // tenancy. Five a second are left to Tracker; of them, a poll sends one after the other.
            requests_per_minute: Some(300),
            features: Features::BY_ID,
            ..Description::new("oci", "Oracle Cloud Infrastructure", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        if query.cursor.is_none() {
            poll::begin();
        }
        let client = Client::new(&settings);
        match query.ids.len() {
            1..=MOST_ALONE => single::page(&client, query),
            _ => compartments::page(&client, query.cursor.as_deref()),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let settings = Settings::of(account)?;
        let client = Client::new(&settings);
        // The domains are the same for every compartment of a tenancy.
        let compartment = settings.compartments.first().copied().unwrap_or(settings.tenancy);
        let path = format!("/20160918/availabilityDomains?{}", encode_query([("compartmentId", compartment)]));
        let list = client.list(Part::Identity, &path, query.cursor.as_deref())?;
        Ok(answer::domains(list.items)?.followed_by(list.next))
    }
}
