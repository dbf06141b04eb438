//! VMware vSphere: virtual machines and clusters or hosts, by the SOAP API (vim25) of a vCenter Server or of a single
//! ESXi host. What is asked is in `call`, the login in `session`, and what an answer means in `answer`, apart from HTTP.

pub mod answer;
mod call;
mod poll;
mod session;

use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm};

use answer::{Inventory, Lookup};
use call::{Call, Failure, Filter};
use poll::Poll;
use session::{Purpose, Session};

/// The option, by name.
const REALMS: &str = "realms";

/// How many pages the list of hosts may have. A vCenter Server has 2,500 hosts at most, and gives them on one page.
const MOST_LOOKUPS: usize = 20;

/// What is a realm: both are computing resources of the inventory, and a virtual machine is on one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realms {
    Clusters,
    Hosts,
}

impl Realms {
    fn of(account: &Account) -> Result<Self, Error> {
        match account.option(REALMS) {
            None | Some("clusters") => Ok(Realms::Clusters),
            Some("hosts") => Ok(Realms::Hosts),
            Some(other) => Err(Error::bad_option(REALMS, other, "`clusters` or `hosts`")),
        }
    }
}

/// The driver itself. User and password are those of a vSphere user, who needs no more than the role Read-only.
#[derive(Debug)]
pub struct Vsphere;

tracker_driver_sdk::export_driver!(Vsphere);

impl Driver for Vsphere {
    fn describe() -> Description {
        Description {
            options: vec![AccountOption::new(
                REALMS,
                "What is a realm: `clusters` (with hosts that are in no cluster) or `hosts`. Default: clusters.",
            )],
            // No limit is published for requests; there is one for sessions, of which this driver keeps two.
            features: Features::BY_ID,
            ..Description::new("vsphere", "VMware vSphere", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let realms = Realms::of(account)?;
        let read = |session: &Session, call: &Call<'_>, lookup: &Lookup| {
            let mut found = Inventory::new(&session.root);
            let next = call::list(account, session, call, &mut |object| found.virtual_machine(object, lookup, realms))?;
            Ok(found.page(next))
        };
        if let Some(token) = &query.cursor {
            return Poll::resume(token, |session, lookup| read(session, &Call::proceed(session, token), lookup));
        }
        session::with(account, Purpose::Instances, |session| {
            // Before the list: a token is good only as long as nothing else is retrieved in its session.
            let lookup = lookup(account, session)?;
            let filter = match query.ids.is_empty() {
                true => Filter::VirtualMachines,
                false => Filter::Single(&query.ids),
            };
            let page = read(session, &Call::retrieve(session, filter), &lookup)?;
            if page.next.is_some() {
                Poll::keep(session.clone(), lookup);
            }
            Ok(page)
        })
    }

    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error> {
        let realms = Realms::of(account)?;
        let read = |session: &Session, call: &Call<'_>| {
            let mut found = Inventory::new(&session.root);
            let next = call::list(account, session, call, &mut |object| found.realm(object, realms))?;
            Ok(found.page(next))
        };
        if let Some(token) = &query.cursor {
            return Poll::resume(token, |session, _| read(session, &Call::proceed(session, token)));
        }
        session::with(account, Purpose::Realms, |session| {
            let filter = match realms {
                Realms::Clusters => Filter::Clusters,
                Realms::Hosts => Filter::Hosts,
            };
            let page = read(session, &Call::retrieve(session, filter))?;
            if page.next.is_some() {
                Poll::keep(session.clone(), Lookup::default());
            }
            Ok(page)
        })
    }
}

/// What virtual machines refer to: the clusters of all hosts, and the names of custom attributes.
fn lookup(account: &Account, session: &Session) -> Result<Lookup, Failure> {
    let mut lookup = Lookup::default();
    let mut token: Option<String> = None;
    for _ in 0..MOST_LOOKUPS {
        let call = match &token {
            None => Call::retrieve(session, Filter::Lookup),
            Some(token) => Call::proceed(session, token),
        };
        token = call::list(account, session, &call, &mut |object| lookup.add(object))?;
        if token.is_none() {
            return Ok(lookup);
        }
    }
    Err(Error::UnexpectedAnswer(format!("the list of hosts has more than {MOST_LOOKUPS} pages")).into())
}
