//! Amazon EC2, and the clouds that speak its Query API: DescribeInstances and DescribeAvailabilityZones,
//! version 2016-11-15, signed with SigV4. Answers are read as they come; none is ever held whole.

pub mod answer;
mod regions;
mod request;

use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm,
};

use request::Call;

/// The driver itself.
#[derive(Debug)]
pub struct Ec2;

tracker_driver_sdk::export_driver!(Ec2);

impl Driver for Ec2 {
    fn describe() -> Description {
        Description {
            providers: regions::all().map(|(region, endpoint)| Provider::new(region, endpoint)).collect(),
            endpoints: regions::PATTERNS.map(str::to_owned).into(),
            options: vec![
                AccountOption::new(
                    request::REGION,
                    "The region that requests are signed for, where the provider's name is not one (a compatible \
                     cloud). Default: the provider's name if it looks like a region, or else us-east-1.",
                ),
                AccountOption::new(
                    request::SESSION_TOKEN,
                    "The session token that belongs to temporary credentials. Default: none is sent.",
                )
                .secret(),
            ],
            // EC2 gives back 20 tokens a second for requests that describe, in an account's region; a quarter of them is
            // enough for a page of 1,000 instances five times a second.
            requests_per_minute: Some(300),
            features: Features::BY_ID,
            ..Description::new("ec2", "Amazon EC2", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let call = Call::DescribeInstances { next_token: query.cursor.as_deref(), ids: &query.ids };
        let response = call.signed(account)?.send()?;
        answer::instance_page(response).map_err(|error| error.during(call.action()))
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        let call = Call::DescribeAvailabilityZones;
        let response = call.signed(account)?.send()?;
        answer::zone_page(response).map_err(|error| error.during(call.action()))
    }
}
