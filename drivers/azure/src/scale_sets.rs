//! Members of scale sets. Those of flexible sets are virtual machines, and in the list of these. Those of uniform
//! sets, and their interfaces, are in lists of each set.

use serde::Deserialize;
use tracker_driver_sdk::{Error, Instance, Page};

use crate::answer::id;
use crate::answer::machine::Machine;
use crate::answer::network::{Interface, Public};
use crate::client::{Client, List};
use crate::machines::{COMPUTE, addresses, with_own_view};
use crate::poll::{self, Network, Sets};

/// The version of Compute's lists that have to do with the network of a set.
const SET_NETWORK: &str = "api-version=2018-10-01";

/// What cursors of this list begin with.
const SET: &str = "set ";

#[derive(Debug, Deserialize)]
struct ScaleSet {
    id: String,
    sku: Option<Sku>,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
struct Sku {
    capacity: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    /// Absent in older answers, which have uniform sets alone.
    orchestration_mode: Option<String>,
    provisioning_state: Option<String>,
}

impl ScaleSet {
    fn is_uniform(&self) -> bool {
        !self.properties.orchestration_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("Flexible"))
    }

    /// Whether it is done with having no members.
    fn is_empty(&self) -> bool {
        let is_settled =
            self.properties.provisioning_state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("Succeeded"));
        is_settled && self.sku.as_ref().and_then(|sku| sku.capacity) == Some(0)
    }
}

/// A place in the lists of all sets: which set, and which of its pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    set: usize,
    page: Option<String>,
}

impl Place {
    /// The place that a cursor of this list stands for.
    pub(crate) fn read(cursor: &str) -> Option<Place> {
        let rest = cursor.strip_prefix(SET)?;
        let (set, page) = match rest.split_once(' ') {
            Some((set, page)) => (set, Some(page.to_owned())),
            None => (rest, None),
        };
        Some(Place { set: set.parse().ok()?, page })
    }

    fn cursor(&self) -> String {
        match &self.page {
            Some(page) => format!("{SET}{} {page}", self.set),
            None => format!("{SET}{}", self.set),
        }
    }
}

/// A page of machines without a next one, with the cursor to the first set.
pub(crate) fn behind(client: &Client<'_>, page: Page<Instance>) -> Result<Page<Instance>, Error> {
    find(client, page.items.is_empty())?;
    let is_empty = poll::with(|poll| poll.sets.as_ref().is_none_or(|sets| sets.paths.is_empty()));
    let next = (!is_empty).then(|| Place { set: 0, page: None }.cursor());
    Ok(poll::finish(page.followed_by(next)))
}

/// Lists the sets, once a poll. Where they are all that there may be, not to see them is an error.
pub(crate) fn find(client: &Client<'_>, is_all: bool) -> Result<(), Error> {
    if !client.settings.has_scale_sets || poll::with(|poll| poll.sets.is_some()) {
        return Ok(());
    }
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/virtualMachineScaleSets?{COMPUTE}",
        client.settings.subscription
    );
    let mut ids = Vec::new();
    let read = client.each_page::<ScaleSet>(path, |sets| {
        ids.extend(sets.into_iter().filter(|set| set.is_uniform() && !set.is_empty()).map(|set| set.id));
    });
    let mut sets = Sets::default();
    match read {
        Ok(()) => sets.paths = ids.iter().map(|id| id::path(id)).collect::<Result<_, _>>()?,
        // Who may not see them, or an API that does not have them: the machines are there all the same.
        Err(failure) if failure.is_lasting() && !is_all => poll::miss("members of scale sets", &failure),
        Err(failure) => return Err(failure.into()),
    }
    poll::with(|poll| poll.sets = Some(sets));
    Ok(())
}

/// A page of the members of a set.
pub(crate) fn page(client: &Client<'_>, place: &Place) -> Result<Page<Instance>, Error> {
    let known =
        poll::with(|poll| poll.sets.as_ref().map(|sets| (sets.paths.get(place.set).cloned(), sets.paths.len())));
    let Some((Some(set), count)) = known else {
        return Err(Error::UnexpectedAnswer(format!("the cursor `{}` is not of this poll", place.cursor())));
    };
    let first = || format!("{set}/virtualMachines?$expand=instanceView&{COMPUTE}");
    let path = place.page.clone().unwrap_or_else(first);
    let list = match client.list::<Machine>(&path) {
        Ok(list) => list,
        // A set that was deleted since the sets were listed has no members.
        Err(failure) if failure.is_absent() => List { value: Vec::new(), next: None },
        Err(failure) => return Err(failure.into()),
    };
    let is_read = poll::with(|poll| {
        poll.sets.as_ref().and_then(|sets| sets.current.as_ref()).is_some_and(|(current, _)| *current == place.set)
    });
    if client.settings.has_addresses && !list.value.is_empty() && !is_read {
        let network = network(client, &set)?;
        poll::with(|poll| poll.sets.as_mut().map(|sets| sets.current = Some((place.set, network))));
    }
    let items = list.value.into_iter().map(|machine| {
        let found = addresses(client, machine.interfaces(), |poll| {
            let (current, network) = poll.sets.as_ref()?.current.as_ref()?;
            (*current == place.set).then_some(network)
        })?;
        with_own_view(machine, found)
    });
    let items = items.collect::<Result<_, _>>()?;
    let next = match list.next {
        Some(page) => Some(Place { set: place.set, page: Some(page) }),
        None => (place.set + 1 < count).then_some(Place { set: place.set + 1, page: None }),
    };
    Ok(poll::finish(Page::complete(items).followed_by(next.map(|place| place.cursor()))))
}

/// The addresses of the interfaces of a set.
fn network(client: &Client<'_>, set: &str) -> Result<Network, Error> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut public = Public::new();
    let read = client.each_page(format!("{set}/networkInterfaces?{SET_NETWORK}"), |page| interfaces.extend(page));
    let read = read.and_then(|()| match interfaces.iter().any(Interface::is_public) {
        true => client
            .each_page(format!("{set}/publicipaddresses?{SET_NETWORK}"), |page| poll::add_public(&mut public, page)),
        false => Ok(()),
    });
    let mut network = Network::default();
    interfaces.iter().for_each(|interface| network.insert(interface, &public));
    match read {
        Ok(()) => {}
        Err(failure) if failure.is_lasting() => poll::miss("some addresses of members of scale sets", &failure),
        Err(failure) => return Err(failure.into()),
    }
    Ok(network)
}
