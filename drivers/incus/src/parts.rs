//! What comes of a list that is made of several, one for each project that the account names: one that fails is left out, and the
//! list is partial. All pages are made in one sandbox.

use std::cell::RefCell;

use tracker_driver_sdk::{Error, Page};

use crate::Refusal;

/// The pages of a list so far.
#[derive(Default)]
struct Listed {
    has_entries: bool,
    /// Of the first project that was left out.
    failure: Option<Error>,
}

thread_local! {
    static LISTED: RefCell<Listed> = RefCell::default();
}

/// A list begins: nothing is left of another one.
pub(crate) fn begin() {
    LISTED.take();
}

/// The page of the project of that name, or one without it where that can't be listed. `next` is the cursor of the one after it.
/// Where there is nothing in the others either, the list has failed.
pub(crate) fn page<T>(name: &str, found: Result<Page<T>, Refusal>, next: Option<String>) -> Result<Page<T>, Error> {
    LISTED.with_borrow_mut(|listed| {
        let page = match found {
            Ok(page) => page,
            Err(Refusal::OfProject(error)) => {
                let why = format!("the project `{name}` is left out: {}", error.message());
                listed.failure.get_or_insert(error);
                Page::complete(Vec::new()).followed_by(next).partial(why)
            }
            Err(Refusal::OfList(error)) => return Err(error),
        };
        listed.has_entries |= !page.items.is_empty();
        match listed.failure.take_if(|_| page.next.is_none() && !listed.has_entries) {
            Some(failure) => Err(failure),
            None => Ok(page),
        }
    })
}
