//! Where a list of one or more namespaces is: in which of them, and behind which page of it. A cursor is `0/TOKEN`, with the
//! API's own token at its end.

use tracker_driver_sdk::Error;

use crate::scope::{Scope, foreign};

#[derive(Debug, Default)]
pub(crate) struct Place<'a> {
    /// The number of the namespace, 0 for the whole cluster.
    pub(crate) namespace: usize,
    /// Empty for the first page.
    pub(crate) token: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(cursor: Option<&'a str>, scope: &Scope<'_>) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Place::default()) };
        let Some((number, token)) = cursor.split_once('/') else { return Err(foreign(cursor)) };
        match number.parse() {
            Ok(namespace) if namespace < scope.len() => Ok(Place { namespace, token }),
            _ => Err(foreign(cursor)),
        }
    }

    pub(crate) fn is_first_page(&self) -> bool {
        self.token.is_empty()
    }

    /// The cursor behind this page: the next page, or else the next namespace.
    pub(crate) fn after(&self, token: Option<&str>, scope: &Scope<'_>) -> Option<String> {
        let (number, next) = (self.namespace, self.namespace + 1);
        match token {
            Some(token) => Some(format!("{number}/{token}")),
            None => (next < scope.len()).then(|| format!("{next}/")),
        }
    }
}
