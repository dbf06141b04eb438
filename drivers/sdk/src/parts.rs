//! A list that a driver puts together from several parts, one for each project or namespace that the account names. A part
//! that fails is left out, and the list is partial. All pages of a list are made in one sandbox.

use std::cell::RefCell;

use crate::{Error, Page};

/// The pages of a list so far.
#[derive(Default)]
struct Listed {
    has_entries: bool,
    /// Of the first part that was left out.
    failure: Option<Error>,
}

thread_local! {
    static LISTED: RefCell<Listed> = RefCell::default();
}

/// Why a part has no page.
pub enum Failure {
    /// Of this part alone: the provider refuses it, it is not there, or it does not answer.
    OfPart(Error),
    /// Of the whole list.
    OfList(Error),
}

impl Failure {
    pub fn into_error(self) -> Error {
        match self {
            Failure::OfPart(error) | Failure::OfList(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Forbidden(_) | Error::Unavailable(_) => Failure::OfPart(error),
            other => Failure::OfList(other),
        }
    }
}

/// Begins a list: nothing of an earlier list is left.
pub fn begin() {
    LISTED.take();
}

/// The page of a part, or an empty and partial page if the part failed. `part` names it in the warning, such as "the project
/// `web`". `next` is the cursor of the next part.
///
/// # Errors
/// The failure of the whole list; or, with the last page, the first failure of a part, if no part has an entry.
pub fn page<T>(part: &str, found: Result<Page<T>, Failure>, next: Option<String>) -> Result<Page<T>, Error> {
    LISTED.with_borrow_mut(|listed| {
        let page = match found {
            Ok(page) => page,
            Err(Failure::OfPart(error)) => {
                let why = format!("{part} is left out: {}", error.message());
                listed.failure.get_or_insert(error);
                Page::complete(Vec::new()).followed_by(next).partial(why)
            }
            Err(Failure::OfList(error)) => return Err(error),
        };
        listed.has_entries |= !page.items.is_empty();
        match listed.failure.take_if(|_| page.next.is_none() && !listed.has_entries) {
            Some(failure) => Err(failure),
            None => Ok(page),
        }
    })
}
