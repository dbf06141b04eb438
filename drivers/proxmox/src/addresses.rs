//! Asking guests for their addresses, one request each, where the account wants it.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::{Account, Coverage, Error, Instance, InstanceState, Page, log};

use crate::answer::{Guests, data};
use crate::interfaces;
use crate::{get, in_path, problem};

pub(crate) const OPTION: &str = "addresses";

pub(crate) const HELP: &str = "Which running guests are asked for their addresses, with a request each and at most 200 in \
                               a poll: `none` (default), `containers`, `all`, which takes guest agents in virtual \
                               machines, or `even-stopped`: those that are off by the list, too.";

/// How many guests are asked in a poll: those with the lowest numbers.
const MOST: usize = 200;

/// The requests of a poll. A host allows 256.
const MOST_REQUESTS: usize = 250;

/// How many agents may keep silent before no more machines are asked: a node waits three seconds for each, and a host ends a
/// poll after 120. A list without some addresses is better than none.
const MOST_SILENT: usize = 20;

/// Which guests are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    None,
    Containers,
    All,
    /// For a list that is old: what is off in it may be on by now.
    EvenStopped,
}

impl Wanted {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        match account.option(OPTION) {
            None | Some("none") => Ok(Wanted::None),
            Some("containers") => Ok(Wanted::Containers),
            Some("all") => Ok(Wanted::All),
            Some("even-stopped") => Ok(Wanted::EvenStopped),
            Some(other) => Err(Error::bad_option(OPTION, other, "`none`, `containers`, `all` or `even-stopped`")),
        }
    }
}

/// A guest that can be asked.
struct Asked {
    number: u32,
    place: usize,
    node: String,
    is_machine: bool,
}

/// What came of asking a guest.
enum Told {
    Addresses(Addresses),
    /// Nothing, after its node had waited for it.
    Silence,
    /// Its node did not answer.
    NodeIsDown(String),
    /// What came says nothing of its addresses.
    Unreadable(String),
}

/// The guests with their addresses, after so many requests.
pub(crate) fn add(account: &Account, wanted: Wanted, guests: Guests, requests: usize) -> Result<Page<Instance>, Error> {
    let Guests { mut page, mut down, .. } = guests;
    let guests = page.items.iter().enumerate();
    let mut asked: Vec<Asked> = guests.filter_map(|(place, guest)| can_be_asked(place, guest, wanted)).collect();
    asked.retain(|guest| !down.contains(&guest.node));
    asked.sort_by_key(|guest| guest.number);
    let mut failures = BTreeSet::new();
    let mut silent = 0;
    for guest in asked.into_iter().take(MOST.min(MOST_REQUESTS - requests)) {
        // It did not answer for a guest before.
        if down.contains(&guest.node) || (guest.is_machine && silent >= MOST_SILENT) {
            continue;
        }
        match ask(account, &guest)? {
            Told::Addresses(Addresses { public, private }) => {
                let instance = &mut page.items[guest.place];
                (instance.public_addresses, instance.private_addresses) = (public, private);
            }
            Told::Silence => {
                silent += 1;
                if silent == MOST_SILENT {
                    log::warn("too many guest agents do not answer: no more machines are asked for their addresses");
                }
            }
            Told::NodeIsDown(why) => {
                failures.insert(why);
                down.insert(guest.node);
            }
            Told::Unreadable(why) => {
                failures.insert(why);
            }
        }
    }
    Ok(match failures.pop_first() {
        // A list that is partial already keeps its reason.
        Some(why) if page.coverage == Coverage::Complete => page.partial(why),
        _ => page,
    })
}

/// Only what is on has addresses to tell. The id is a kind and a number.
fn can_be_asked(place: usize, guest: &Instance, wanted: Wanted) -> Option<Asked> {
    let (kind, number) = guest.id.split_once('/')?;
    let is_machine = kind == "qemu";
    let is_wanted = match wanted {
        Wanted::None => false,
        Wanted::Containers => kind == "lxc",
        Wanted::All | Wanted::EvenStopped => is_machine || kind == "lxc",
    };
    let is_on = guest.state == InstanceState::Running || wanted == Wanted::EvenStopped;
    let (number, node) = (number.parse().ok()?, guest.realm.clone()?);
    (is_wanted && is_on).then_some(Asked { number, place, node, is_machine })
}

fn ask(account: &Account, guest: &Asked) -> Result<Told, Error> {
    let (node, number) = (in_path(&guest.node), guest.number);
    let mut response = match guest.is_machine {
        true => get(account, &format!("nodes/{node}/qemu/{number}/agent/network-get-interfaces"))?,
        false => get(account, &format!("nodes/{node}/lxc/{number}/interfaces"))?,
    };
    let asked = response.asked().to_owned();
    match response.status {
        200..=299 => {
            let body = response.bytes()?;
            let told = if guest.is_machine { interfaces::of_machine(&body) } else { interfaces::of_container(&body) };
            told.map(Told::Addresses).or_else(|error| match error.during(&asked) {
                // The answer is the API's, and what is in it is the guest's.
                Error::UnexpectedAnswer(why) if data::<IgnoredAny>(&body).is_ok() => Ok(Told::Unreadable(why)),
                other => Err(other),
            })
        }
        500 | 501 => {
            let start = response.start_of_body();
            match problem::of_the_api(&start) {
                Some(reason) if guest.is_machine && is_silence(&reason) => Ok(Told::Silence),
                Some(reason) if is_of_the_guest(&reason) => Ok(Told::Addresses(Addresses::default())),
                Some(reason) => Ok(Told::Unreadable(response.error_quoting(reason.as_bytes()).message().to_owned())),
                None => Err(response.error_quoting(&start)),
            }
        }
        // The node that was asked could not reach the guest's node.
        595..=599 => Ok(Told::NodeIsDown(problem::refusal(response).message().to_owned())),
        // The API has no such answer: a proxy does not let the path through.
        404 => Ok(Told::Unreadable(problem::refusal(response).message().to_owned())),
        _ => Err(problem::refusal(response)),
    }
}

/// Whether an agent did not answer. Older versions do not give a reason, here and below.
fn is_silence(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.is_empty() || ["agent is not running", "qmp command"].iter().any(|words| reason.contains(words))
}

/// Whether the API says that this guest has no addresses to tell: there is no agent, the guest was just stopped or moved, or
/// this version cannot ask containers.
fn is_of_the_guest(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    let known = ["agent", "not running", "does not exist", "not implemented"];
    reason.is_empty() || known.iter().any(|words| reason.contains(words))
}
