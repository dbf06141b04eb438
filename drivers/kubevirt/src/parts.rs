//! What comes of a list that is made of several, one for each namespace that the account names: one that fails is left out, and
//! the list is partial. All pages are made in one sandbox.

use std::cell::RefCell;

use tracker_driver_sdk::{Error, Page};

/// The pages of a list so far.
#[derive(Default)]
struct Listed {
    has_entries: bool,
    /// Of the first namespace that was left out.
    failure: Option<Error>,
}

thread_local! {
    static LISTED: RefCell<Listed> = RefCell::default();
}

/// A list begins: nothing is left of another one.
pub(crate) fn begin() {
    LISTED.take();
}

/// The page of the namespace of that name, or one without it where it is refused or fails. `next` is the cursor of the namespace
/// after it. Where there is nothing in the others either, the list has failed.
pub(crate) fn page<T>(name: &str, found: Result<Page<T>, Error>, next: Option<String>) -> Result<Page<T>, Error> {
    LISTED.with_borrow_mut(|listed| {
        let page = match found {
            Ok(page) => page,
            Err(error @ (Error::Forbidden(_) | Error::Unavailable(_))) => {
                let why = format!("the namespace `{name}` is left out: {}", error.message());
                listed.failure.get_or_insert(error);
                Page::complete(Vec::new()).followed_by(next).partial(why)
            }
            Err(error) => return Err(error),
        };
        listed.has_entries |= !page.items.is_empty();
        match listed.failure.take_if(|_| page.next.is_none() && !listed.has_entries) {
            Some(failure) => Err(failure),
            None => Ok(page),
        }
    })
}
