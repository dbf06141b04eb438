//! Status checks, where the account asks for them: what they say of each instance that runs. All of a region's are asked for
//! with its first page that has one, and kept for the pages that follow. They are made in one sandbox, which is gone
//! with the list.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use tracker_driver_sdk::{Account, Error, Instance, InstanceState};

use crate::answer::{self, Call};
use crate::regions::Region;

/// What checks that do not pass say, by the ids of instances.
type Statuses = HashMap<String, String>;

thread_local! {
    static KEPT: RefCell<Option<(Region, Statuses)>> = RefCell::default();
}

/// Adds them to a page. Where they can't be had there is no list: without them an impaired instance would look as if it had
/// recovered.
pub(crate) fn add(account: &Account, region: &Region, is_first: bool, page: &mut [Instance]) -> Result<(), Error> {
    if is_first {
        KEPT.set(None);
    }
    // Most regions of an account have no instances, and only those that run have checks.
    if !page.iter().any(is_running) {
        return Ok(());
    }
    if !KEPT.with_borrow(|kept| kept.as_ref().is_some_and(|(of, _)| of == region)) {
        KEPT.set(Some((region.clone(), ask(account, region)?)));
    }
    KEPT.with_borrow(|kept| kept.iter().for_each(|(_, statuses)| show(statuses, page)));
    Ok(())
}

fn is_running(instance: &Instance) -> bool {
    instance.state == InstanceState::Running
}

fn show(statuses: &Statuses, page: &mut [Instance]) {
    for instance in page.iter_mut().filter(|instance| is_running(instance)) {
        if let Some(word) = statuses.get(&instance.id) {
            instance.provider_state = format!("{}/{word}", instance.provider_state);
        }
    }
}

fn ask(account: &Account, region: &Region) -> Result<Statuses, Error> {
    let (mut statuses, mut seen, mut token) = (Statuses::new(), HashSet::new(), None);
    loop {
        let call = Call::DescribeInstanceStatus { next_token: token.as_deref() };
        let response = call.signed(account, region)?.send()?;
        let page = answer::status_page(response).map_err(|error| error.during(call.action()))?;
        statuses.extend(page.items);
        let Some(next) = page.next else { return Ok(statuses) };
        if !seen.insert(next.clone()) {
            let why = "DescribeInstanceStatus gives a page that it gave before, which never ends";
            return Err(Error::UnexpectedAnswer(why.to_owned()));
        }
        token = Some(next);
    }
}
