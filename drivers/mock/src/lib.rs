//! Deltacloud's mock provider: a small world that never changes, as its users knew it, and, where the
//! account asks for it, a fleet of any size that does. It makes no request, so it is there to try
//! Tracker with, to test clients against and to measure the host by.

mod account;
mod fleet;
mod world;

use std::collections::BTreeSet;

use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Provider, Query, Realm, time,
};

use account::Options;

/// The driver itself.
#[derive(Debug)]
pub struct Mock;

tracker_driver_sdk::export_driver!(Mock);

impl Driver for Mock {
    fn describe() -> Description {
        Description {
            // Deltacloud's mock had no provider to choose; a name of the reserved kind can't be reached by mistake.
            providers: vec![Provider::new("default", "http://mock.invalid")],
            options: vec![
                AccountOption::new(
                    "count",
                    "How many simulated instances there are in place of the mock world's own, 0 to 1000000. \
                     Default: none are simulated.",
                ),
                AccountOption::new(
                    "churn",
                    "Changes of state per simulated instance and hour, 0 (they stand still) to 3600; may be a \
                     fraction. Default: 6.",
                ),
                AccountOption::new("seed", "Which of the possible fleets is simulated, a whole number. Default: 0."),
            ],
            features: Features::DELTA | Features::BY_ID,
            ..Description::new("mock", "Mock", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let options = Options::of(account)?;
        account::admit(account)?;
        if !query.ids.is_empty() {
            let is_wanted = |instance: &Instance| query.ids.contains(&instance.id);
            return Ok(Page::complete(match options.fleet {
                // One that is asked for twice is there once.
                Some(fleet) => {
                    let ids: BTreeSet<&String> = query.ids.iter().collect();
                    ids.into_iter().filter_map(|id| fleet.find(id, time::now())).collect()
                }
                None => world::instances(&account.user).into_iter().filter(is_wanted).collect(),
            }));
        }
        match options.fleet {
            Some(fleet) => match query.changed_since {
                Some(since) => fleet.delta(query.cursor.as_deref(), since, time::now()),
                None => fleet.page(query.cursor.as_deref(), time::now()),
            },
            None => Ok(Page::complete(world::instances(&account.user))),
        }
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        let options = Options::of(account)?;
        account::admit(account)?;
        let eu = options.fleet.map_or(world::EU_AS_IT_WAS, |fleet| fleet.eu_at(time::now()));
        Ok(Page::complete(world::realms(eu)))
    }
}
