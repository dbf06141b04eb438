//! Amazon EC2, and the clouds that speak its Query API: DescribeInstances and DescribeAvailabilityZones,
//! version 2016-11-15, signed with SigV4; where an account's options ask for it DescribeInstanceStatus and DescribeRegions,
//! too. Answers are read as they come; none is ever held whole.

pub mod answer;
mod checks;
mod regions;
mod request;
mod settings;
mod walk;

use tracker_driver_sdk::{Account, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm};

use request::Call;
use settings::Settings;
use walk::Asked;

/// The driver itself.
#[derive(Debug)]
pub struct Ec2;

tracker_driver_sdk::export_driver!(Ec2);

impl Driver for Ec2 {
    fn describe() -> Description {
        Description {
            providers: regions::all().map(|(region, endpoint)| Provider::new(region, endpoint)).collect(),
            endpoints: regions::endpoints(),
            options: settings::options(),
            // EC2 gives back 20 tokens a second for requests that describe, in an account's region; a quarter of them is
            // enough for a page of 1,000 instances five times a second.
            requests_per_minute: Some(300),
            features: Features::BY_ID,
            ..Description::new("ec2", "Amazon EC2", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        let list = |asked: Asked<'_>| instances(account, &settings, asked);
        match &settings.regions {
            None => list(Asked { region: &settings.own, token: query.cursor.as_deref(), ids: &query.ids }),
            Some(wanted) => walk::page((account, &settings, wanted), query, list, |item| &item.id),
        }
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let settings = Settings::of(account)?;
        let list = |asked: Asked<'_>| zones(account, asked);
        match &settings.regions {
            None => list(Asked { region: &settings.own, token: None, ids: &[] }),
            Some(wanted) => walk::page((account, &settings, wanted), query, list, |item| &item.id),
        }
    }
}

fn instances(account: &Account, settings: &Settings, asked: Asked<'_>) -> Result<Page<Instance>, Error> {
    let Asked { region, token, ids } = asked;
    let call = Call::DescribeInstances { next_token: token, ids };
    let response = call.signed(account, region)?.send()?;
    let mut page = answer::instance_page(response).map_err(|error| error.during(call.action()))?;
    if settings.has_checks {
        checks::add(account, region, token.is_none(), &mut page.items)?;
    }
    Ok(page)
}

fn zones(account: &Account, asked: Asked<'_>) -> Result<Page<Realm>, Error> {
    let call = Call::DescribeAvailabilityZones;
    let response = call.signed(account, asked.region)?.send()?;
    answer::zone_page(response).map_err(|error| error.during(call.action()))
}
