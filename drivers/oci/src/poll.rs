//! What one poll has read so far. All pages of a poll are asked for in one sandbox: what several of them need is read once.

use std::cell::RefCell;

use tracker_driver_sdk::{Error, Page};

use crate::addresses::Found;
use crate::answer::{Attachments, Compartment};

/// How many of the reasons for a partial list are named.
const NAMED: usize = 3;

thread_local! {
    // A sandbox has one thread, and ends with its poll.
    static POLL: RefCell<Poll> = RefCell::default();
}

#[derive(Debug, Default)]
pub(crate) struct Poll {
    /// In the order in which they are read.
    pub(crate) compartments: Vec<Compartment>,
    /// Whether there was an instance in any of them.
    pub(crate) has_listed: bool,
    /// How a compartment was refused, the last one.
    pub(crate) refusal: Option<Error>,
    /// The VNICs of the instances in one compartment, the one that is being read.
    pub(crate) attachments: Option<(String, Attachments)>,
    pub(crate) found: Found,
    /// What the list lacks.
    missing: Vec<String>,
    unnamed: usize,
}

/// A poll begins: nothing is left of another one.
pub(crate) fn begin() {
    POLL.with_borrow_mut(|poll| *poll = Poll::default());
}

pub(crate) fn with<T>(look: impl FnOnce(&mut Poll) -> T) -> T {
    POLL.with_borrow_mut(look)
}

/// Records a part that the driver could not read. The list continues without it, and is partial.
pub(crate) fn miss(what: String) {
    with(|poll| {
        if poll.missing.len() < NAMED {
            poll.missing.push(what);
        } else {
            poll.unnamed += 1;
        }
    });
}

/// A page, with what could not be had for it or for one before.
pub(crate) fn finish<T>(page: Page<T>) -> Page<T> {
    let (missing, unnamed) = with(|poll| (poll.missing.join("; "), poll.unnamed));
    match (missing.is_empty(), unnamed) {
        (true, _) => page,
        (false, 0) => page.partial(missing),
        (false, more) => page.partial(format!("{missing}; and {more} more")),
    }
}
