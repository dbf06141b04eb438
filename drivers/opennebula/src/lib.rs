//! OpenNebula: VMs as instances, hosts as realms, over the XML-RPC API of its front end. What an answer means is in `vms`,
//! `hosts`, `state` and `addresses`, apart from HTTP; here and in `pages` is what is asked.

mod addresses;
mod call;
mod envelope;
mod fault;
mod hosts;
mod pages;
pub mod state;
mod text;
mod vms;

use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

use call::{Argument, call};
use pages::Wanted;

/// The driver itself. User and password are those of an OpenNebula user; the password may be a login token.
#[derive(Debug)]
pub struct OpenNebula;

tracker_driver_sdk::export_driver!(OpenNebula);

impl Driver for OpenNebula {
    fn describe() -> Description {
        Description {
            // No provider is known by name: every front end is its operator's own.
            options: vec![
                AccountOption::new(pages::FILTER, pages::FILTER_HELP),
                AccountOption::new(pages::PAGE_SIZE, pages::PAGE_SIZE_HELP),
            ],
            // OpenNebula has no limit of requests.
            requests_per_minute: None,
            features: Features::BY_ID,
            ..Description::new("opennebula", "OpenNebula", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let wanted = Wanted::of(account)?;
        match query.ids.is_empty() {
            true => pages::page(account, &wanted, query.cursor.as_deref()),
            false => pages::by_id(account, query),
        }
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        // An account that is not usable for one list is not for the other.
        Wanted::of(account)?;
        let method = "one.hostpool.info";
        let hosts = call(account, method, &[], "HOST_POOL", hosts::pool);
        let hosts = hosts.map_err(|failure| failure.into_error(method))?;
        if hosts.is_empty() {
            require_administrator(account)?;
        }
        Ok(Page::complete(hosts))
    }
}

/// The list leaves out what a user may not see, without a word. So an empty one is right only for a user who sees all.
fn require_administrator(account: &Account) -> Result<(), Error> {
    let method = "one.user.info";
    let is = call(account, method, &[Argument::Int(-1)], "USER", hosts::is_administrator);
    if is.map_err(|failure| failure.into_error(method))? {
        return Ok(());
    }
    Err(Error::Forbidden(
        "the user sees no host: give it the right to use hosts (oneacl create \"#ID HOST/* USE *\"), or put it into the \
         group oneadmin"
            .to_owned(),
    ))
}
