//! The list of instances: of one compartment after the other. A page without instances is passed over: a host takes many
//! of them for a list without an end.

use std::collections::HashSet;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::encode_query;
use tracker_driver_sdk::{Error, Instance, Page};

use crate::answer::{self, Compartment};
use crate::client::{Client, List, Part};
use crate::problem::Failure;
use crate::{addresses, poll};

/// The most that the API gives at once.
pub(crate) const PER_PAGE: &str = "1000";

/// One page of the list. A cursor is the compartment that is read next, a blank, and Oracle's word for the page in it.
pub(crate) fn page(client: &Client<'_>, cursor: Option<&str>) -> Result<Page<Instance>, Error> {
    if poll::with(|poll| poll.compartments.is_empty()) {
        let compartments = list(client)?;
        poll::with(|poll| poll.compartments = compartments);
    }
    let (mut place, mut token) = place(cursor)?;
    let mut passed = HashSet::new();
    while let Some(compartment) = poll::with(|poll| poll.compartments.get(place).cloned()) {
        match instances(client, &compartment, token.as_deref()) {
            Ok(List { items, next }) => {
                if !items.is_empty() {
                    poll::with(|poll| poll.has_listed = true);
                    let following = match next {
                        Some(token) => Some(format!("{} {token}", compartment.id)),
                        None => poll::with(|poll| poll.compartments.get(place + 1).map(|next| format!("{} ", next.id))),
                    };
                    return Ok(poll::finish(Page::complete(items).followed_by(following)));
                }
                // A page may be empty and not the last one.
                if let Some(next) = next {
                    if !passed.insert((place, next.clone())) {
                        return Err(Error::UnexpectedAnswer(format!(
                            "empty pages of the compartment {compartment} lead back to each other"
                        )));
                    }
                    token = Some(next);
                    continue;
                }
            }
            // A compartment whose first page was read does not refuse the next one.
            Err(failure) if failure.is_absent_or_refused && token.is_none() => {
                poll::miss(format!("without the compartment {compartment}: {}", failure.error.message()));
                poll::with(|poll| poll.refusal = Some(failure.error));
            }
            Err(failure) => return Err(failure.error),
        }
        (place, token) = (place + 1, None);
    }
    // Where nothing is listed and something is refused, the account lacks a right, and not instances.
    match poll::with(|poll| poll.refusal.take().filter(|_| !poll.has_listed)) {
        Some(error) => Err(error),
        None => Ok(poll::finish(Page::complete(Vec::new()))),
    }
}

/// Where in the list a cursor stands.
fn place(cursor: Option<&str>) -> Result<(usize, Option<String>), Error> {
    let Some(cursor) = cursor else { return Ok((0, None)) };
    let found = cursor.split_once(' ').and_then(|(id, token)| {
        let place = poll::with(|poll| poll.compartments.iter().position(|compartment| compartment.id == id))?;
        Some((place, (!token.is_empty()).then(|| token.to_owned())))
    });
    found.ok_or_else(|| {
        let cursor = quote(cursor.as_bytes());
        Error::UnexpectedAnswer(format!("the cursor `{cursor}` stands for none of the compartments"))
    })
}

/// One page of the instances of a compartment, with their addresses.
fn instances(client: &Client<'_>, compartment: &Compartment, token: Option<&str>) -> Result<List<Instance>, Failure> {
    let query = encode_query([("compartmentId", compartment.id.as_str()), ("limit", PER_PAGE)]);
    let list = client.list(Part::Core, &format!("/20160918/instances?{query}"), token)?;
    let mut items = list.items.into_iter().map(answer::instance).collect::<Result<Vec<_>, _>>()?;
    if client.settings.has_addresses && !items.is_empty() {
        let attachments = match poll::with(|poll| poll.attachments.take()) {
            Some((of, kept)) if of == compartment.id => kept,
            _ => addresses::attachments(client, &compartment.id, None)?,
        };
        addresses::add(client, &attachments, &mut items)?;
        if list.next.is_some() {
            poll::with(|poll| poll.attachments = Some((compartment.id.clone(), attachments)));
        }
    }
    Ok(List { items, next: list.next })
}

/// The compartments to read: those that were chosen, or the root and all below it.
fn list(client: &Client<'_>) -> Result<Vec<Compartment>, Error> {
    let settings = client.settings;
    if !settings.compartments.is_empty() {
        return Ok(settings.compartments.iter().map(|id| Compartment::new(id, None)).collect());
    }
    // With `ACCESSIBLE`, a compartment that the user may read no more would be left out, and its instances be gone. With
    // `ANY` it is there, and refuses.
    let query = encode_query([
        ("compartmentId", settings.tenancy),
        ("compartmentIdInSubtree", "true"),
        ("accessLevel", "ANY"),
        ("limit", PER_PAGE),
    ]);
    let mut compartments = vec![Compartment::new(settings.tenancy, Some("root"))];
    let mut known: HashSet<String> = HashSet::from([settings.tenancy.to_owned()]);
    client.each_page(Part::Identity, &format!("/20160918/compartments?{query}"), |page| {
        for compartment in answer::compartments(page)? {
            if known.insert(compartment.id.clone()) {
                compartments.push(compartment);
            }
        }
        Ok(())
    })?;
    Ok(compartments)
}
