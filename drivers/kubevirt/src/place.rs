//! Where a list of one or more namespaces is: in which of them, and behind which page of it. A cursor is `0/TOKEN`, with the
//! API's own token at its end, or `0+/TOKEN` once a namespace has answered.

use tracker_driver_sdk::{Error, Page};

use crate::scope::{Scope, foreign};

/// Behind the number in a cursor.
const HAS_ANSWER: char = '+';

#[derive(Debug, Default)]
pub(crate) struct Place<'a> {
    /// The number of the namespace, 0 for the whole cluster.
    pub(crate) namespace: usize,
    /// Whether there was an answer before this one.
    pub(crate) has_answer: bool,
    /// Empty for the first page.
    pub(crate) token: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(cursor: Option<&'a str>, scope: &Scope<'_>) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Place::default()) };
        let Some((head, token)) = cursor.split_once('/') else { return Err(foreign(cursor)) };
        let number = head.strip_suffix(HAS_ANSWER);
        match number.unwrap_or(head).parse() {
            Ok(namespace) if namespace < scope.len() => Ok(Place { namespace, has_answer: number.is_some(), token }),
            _ => Err(foreign(cursor)),
        }
    }

    pub(crate) fn is_first_page(&self) -> bool {
        self.token.is_empty()
    }

    /// The cursor behind this page, which was answered: the next page, or else the next namespace.
    pub(crate) fn after(&self, token: Option<&str>, scope: &Scope<'_>) -> Option<String> {
        match token {
            Some(token) => Some(format!("{}{HAS_ANSWER}/{token}", self.namespace)),
            None => self.next_namespace(true, scope),
        }
    }

    /// The page of a namespace that is refused or does not answer, where the account names several: the others are listed. If
    /// none of them answers, the list has failed.
    pub(crate) fn failed<T>(&self, error: Error, scope: &Scope<'_>) -> Result<Page<T>, Error> {
        let (Error::Forbidden(why) | Error::Unavailable(why)) = &error else { return Err(error) };
        let next = self.next_namespace(self.has_answer, scope);
        if next.is_none() && !self.has_answer {
            return Err(error);
        }
        match scope.name(self.namespace) {
            Some(name) => {
                let why = format!("the namespace `{name}` is left out: {why}");
                Ok(Page::complete(Vec::new()).followed_by(next).partial(why))
            }
            None => Err(error),
        }
    }

    fn next_namespace(&self, has_answer: bool, scope: &Scope<'_>) -> Option<String> {
        let next = self.namespace + 1;
        let mark = if has_answer { HAS_ANSWER.to_string() } else { String::new() };
        (next < scope.len()).then(|| format!("{next}{mark}/"))
    }
}
