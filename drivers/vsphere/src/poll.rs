//! What a poll remembers from its first page for the others. All pages of a poll run in the same sandbox, and a token to
//! the next page is good in its own session alone: there is no use in finding either of them anywhere else.

use std::cell::RefCell;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;

use crate::answer::Lookup;
use crate::call::Failure;
use crate::session::Session;

thread_local! {
    static CURRENT: RefCell<Option<Poll>> = const { RefCell::new(None) };
}

pub(crate) struct Poll {
    session: Session,
    lookup: Lookup,
}

impl Poll {
    pub(crate) fn keep(session: Session, lookup: Lookup) {
        CURRENT.set(Some(Poll { session, lookup }));
    }

    /// The page that a token leads to. A session that ended meanwhile took the list with it, and says nothing about the
    /// account.
    pub(crate) fn resume<T>(
        token: &str,
        read: impl FnOnce(&Session, &Lookup) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        CURRENT.with_borrow(|current| {
            let Some(Poll { session, lookup }) = current else {
                let token = quote(token.as_bytes());
                return Err(Error::UnexpectedAnswer(format!("the cursor `{token}` is of no list of this poll")));
            };
            read(session, lookup).map_err(|failure| match failure.is_of_session() {
                true => Error::Unavailable(format!("the session ended between two pages: {}", failure.error.message())),
                false => failure.error,
            })
        })
    }
}
