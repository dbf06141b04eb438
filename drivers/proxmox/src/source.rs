//! Asking each node for its own guests, where the account wants it: what the cluster knows of them is as old as the last
//! report of their node, and may lack some.

use std::collections::{BTreeMap, BTreeSet};

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Account, Coverage, Error, Instance};

use crate::answer::{Guests, POOL, guests_of_node, named};
use crate::{get, in_path, problem};

pub(crate) const OPTION: &str = "source";

pub(crate) const HELP: &str = "Where guests are looked for: `cluster` (default), the cluster's list, with one request; or \
                               `nodes`, which also asks each online node for its virtual machines and containers, with \
                               two requests more a node.";

/// How many nodes are asked. Clusters have a few dozen.
const MOST: usize = 80;

/// The lists of a node. Without `full` a paused machine is `running`.
const LISTS: [(&str, &str); 2] = [("qemu", "qemu?full=1"), ("lxc", "lxc")];

/// Where guests are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    Cluster,
    Nodes,
}

impl Source {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        match account.option(OPTION) {
            None | Some("cluster") => Ok(Source::Cluster),
            Some("nodes") => Ok(Source::Nodes),
            Some(other) => Err(Error::bad_option(OPTION, other, "`cluster` or `nodes`")),
        }
    }
}

/// What came of asking a node for one of its lists. A template is no instance.
enum Told {
    Guests(Vec<(String, Option<Instance>)>),
    /// Nothing, and nothing else may be had from the node.
    NodeIsDown(String),
    Nothing(String),
}

/// Puts what the nodes say in the place of what the cluster says, and adds what it does not know of. Gives the number of
/// requests.
///
/// A guest that no node lists stays: it may have moved to a node that had been asked before. Then the list is partial.
pub(crate) fn ask_nodes(account: &Account, guests: &mut Guests) -> Result<usize, Error> {
    let (mut told, mut failures, mut requests) = (BTreeMap::new(), BTreeSet::new(), 0);
    for node in guests.online.iter().take(MOST) {
        for (kind, path) in LISTS {
            requests += 1;
            match ask(account, node, kind, path)? {
                // A guest that two nodes list has moved: the later one has it.
                Told::Guests(of_node) => told.extend(of_node),
                Told::Nothing(why) => {
                    failures.insert(why);
                }
                Told::NodeIsDown(why) => {
                    failures.insert(why);
                    guests.down.insert(node.clone());
                    break;
                }
            }
        }
    }
    guests.are_hidden &= told.is_empty();
    let (unsure, where_unsure) = replace(guests, told);
    guests.page.coverage = if guests.online.len() > MOST {
        Coverage::Partial(format!("the cluster has {} nodes, and {MOST} of them were asked", guests.online.len()))
    } else if let Some(why) = failures.pop_first() {
        Coverage::Partial(why)
    } else if unsure > 0 {
        Coverage::Partial(format!("{unsure} guests are in no node's list: those of {}", named(where_unsure)))
    } else {
        Coverage::Complete
    };
    Ok(requests)
}

/// Merges what the nodes told into the list. Gives how many guests none of them told of, and where these are.
fn replace(guests: &mut Guests, mut told: BTreeMap<String, Option<Instance>>) -> (usize, BTreeSet<String>) {
    let (mut unsure, mut where_unsure) = (0, BTreeSet::new());
    let (page, templates) = (&mut guests.page, &mut guests.templates);
    page.items.retain_mut(|item| match told.remove(&item.id) {
        Some(Some(mut guest)) => {
            // A node does not say in which pool a guest is.
            guest.labels.extend(item.labels.drain(..).filter(|(name, _)| name == POOL));
            *item = guest;
            true
        }
        Some(None) => {
            page.omitted += 1;
            false
        }
        None => {
            unsure += 1;
            where_unsure.extend(item.realm.clone());
            true
        }
    });
    for (id, guest) in told {
        match (guest, templates.remove(&id)) {
            (Some(guest), was_template) => {
                page.omitted -= u64::from(was_template);
                page.items.push(guest);
            }
            (None, was_template) => page.omitted += u64::from(!was_template),
        }
    }
    (unsure, where_unsure)
}

fn ask(account: &Account, node: &str, kind: &str, path: &str) -> Result<Told, Error> {
    let mut response = get(account, &format!("nodes/{}/{path}", in_path(node)))?;
    let asked = response.asked().to_owned();
    match response.status {
        200..=299 => {
            let found = guests_of_node(&response.bytes()?, kind, node);
            found.map(Told::Guests).map_err(|error| error.during(&asked))
        }
        // The node that was asked could not reach this one.
        595..=599 => Ok(Told::NodeIsDown(problem::refusal(response).message().to_owned())),
        // The API's own words for a list that it can't make; anybody else's are no answer.
        500 | 501 => {
            let start = response.start_of_body();
            match problem::of_the_api(&start) {
                Some(reason) => {
                    Ok(Told::Nothing(format!("{asked} answered {}: {}", response.status, quote(reason.as_bytes()))))
                }
                None => Err(response.error_quoting(&start)),
            }
        }
        // A proxy does not let the path through.
        404 => Ok(Told::Nothing(problem::refusal(response).message().to_owned())),
        _ => Err(problem::refusal(response)),
    }
}
