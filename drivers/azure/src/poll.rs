//! What one poll has read so far. All pages of a poll are asked for in one sandbox, and a list of machines is joined
//! from several lists of Azure's: those that every page needs are read once. They are kept as small as they can be,
//! states and addresses by id.

use std::cell::RefCell;
use std::collections::HashMap;

use tracker_driver_sdk::Page;

use crate::answer::network::{Addresses, Interface, Public, PublicAddress};
use crate::answer::state::View;
use crate::login::Token;
use crate::problem::Failure;

thread_local! {
    // A sandbox has one thread, and ends with its poll.
    static POLL: RefCell<Poll> = RefCell::default();
}

#[derive(Debug, Default)]
pub(crate) struct Poll {
    pub(crate) token: Option<Token>,
    pub(crate) joined: Option<Joined>,
    /// The uniform scale sets.
    pub(crate) sets: Option<Sets>,
    /// What Resource Graph gave.
    pub(crate) graph: Graph,
    /// Why the list is less than everything.
    partial: Option<String>,
}

/// What machines are joined with.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Run-time states, by the keys of machines.
    pub(crate) views: HashMap<String, View>,
    /// Whether the states were asked for and not given: then each machine is asked for its own.
    pub(crate) lacks_views: bool,
    pub(crate) network: Network,
}

/// The addresses of interfaces.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) interfaces: HashMap<String, Addresses>,
    /// Whether interfaces can't be listed: then each is asked for by itself.
    pub(crate) is_single: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Sets {
    /// The paths of the sets, in the order of Azure's list.
    pub(crate) paths: Vec<String>,
    /// The set whose members are read, by its place, and the addresses of its interfaces.
    pub(crate) current: Option<(usize, Network)>,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) public: Public,
    pub(crate) network: Network,
    pub(crate) machines: u64,
    pub(crate) rows: u64,
    /// How many rows it says that there are: the most that a page said.
    pub(crate) total: Option<u64>,
}

/// A poll begins: nothing is left of another one.
pub(crate) fn begin() {
    POLL.with_borrow_mut(|poll| *poll = Poll::default());
}

/// Records a part that the driver could not read. The list continues without it, and is partial.
pub(crate) fn miss(what: &str, failure: &Failure) {
    let why = format!("without {what}: {}", failure.error.message());
    with(|poll| {
        poll.partial.get_or_insert(why);
    });
}

/// A page, with what could not be had for it or for one before.
pub(crate) fn finish<T>(page: Page<T>) -> Page<T> {
    match with(|poll| poll.partial.clone()) {
        Some(why) => page.partial(why),
        None => page,
    }
}

pub(crate) fn with<T>(look: impl FnOnce(&mut Poll) -> T) -> T {
    POLL.with_borrow_mut(look)
}

impl Network {
    pub(crate) fn insert(&mut self, interface: &Interface, public: &Public) {
        self.interfaces.insert(interface.key(), interface.addresses(public));
    }
}

/// Adds a page of public addresses.
pub(crate) fn add_public(public: &mut Public, page: Vec<PublicAddress>) {
    public.extend(page.into_iter().map(PublicAddress::into_entry));
}
