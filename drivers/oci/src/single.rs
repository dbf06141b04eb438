//! Single instances: each has an address of its own.

use tracker_driver_sdk::{Error, Instance, Page, Query};

use crate::addresses;
use crate::answer;
use crate::client::Client;
use crate::poll;
use crate::settings::is_ocid;

/// One of the instances that are asked for; the next page is of the next one.
pub(crate) fn page(client: &Client<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| poll::finish(Page::complete(found).followed_by(next));
    // What is no id of Oracle's goes into no path.
    if !is_ocid(id) {
        return Ok(page(Vec::new()));
    }
    let found = match client.one(&format!("/20160918/instances/{id}")) {
        Ok(found) => answer::instance(found)?,
        // It is absent, or may not be seen: the host asks for everything before it makes anything of that.
        Err(failure) if failure.is_absent_or_refused => return Ok(page(Vec::new())),
        Err(failure) => return Err(failure.error),
    };
    if found.id != id {
        return Err(Error::UnexpectedAnswer(format!("the answer is another instance than {id}")));
    }
    let compartment = found.owner.clone();
    let chosen = &client.settings.compartments;
    if !chosen.is_empty() && !compartment.as_deref().is_some_and(|compartment| chosen.contains(&compartment)) {
        return Ok(page(Vec::new()));
    }
    let mut found = vec![found];
    if client.settings.has_addresses {
        let Some(compartment) = compartment else {
            return Err(Error::UnexpectedAnswer(format!("the instance {id} has no compartment")));
        };
        let attachments = addresses::attachments(client, &compartment, Some(id))?;
        addresses::add(client, &attachments, &mut found)?;
    }
    Ok(page(found))
}
