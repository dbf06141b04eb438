//! Which projects an account looks at: all that it may see, or those that it names.

use std::cell::RefCell;

use tracker_driver_sdk::{Account, Error};

pub(crate) const OPTION: &str = "projects";

pub(crate) const HELP: &str = "The projects to list, separated by commas, each by itself, for a client that may not list all \
                               projects at once; by default all that the client may see.";

const ACCEPTED: &str = "names of projects with commas between them, such as `default,shop`";

thread_local! {
    /// The projects that the client sees, once they were asked for. All pages of a list are made in one sandbox.
    static VISIBLE: RefCell<Option<Vec<String>>> = RefCell::default();
}

/// None means all.
#[derive(Debug)]
pub(crate) struct Projects<'a>(Option<Vec<&'a str>>);

impl<'a> Projects<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let Some(text) = account.option(OPTION) else { return Ok(Projects(None)) };
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim) {
            if !is_name(name) {
                return Err(Error::bad_option(OPTION, text, ACCEPTED));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Projects(Some(names)))
    }

    pub(crate) fn has(&self, project: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(&project))
    }

    /// The project to list at a cursor, where one is named, and the cursor of the one after it.
    pub(crate) fn at(&self, cursor: Option<&str>) -> Result<(Option<&'a str>, Option<String>), Error> {
        let number = cursor.map_or(Some(0), |cursor| cursor.parse::<usize>().ok());
        let found = match (&self.0, number) {
            (None, Some(0)) if cursor.is_none() => Some((None, None)),
            (Some(names), Some(number)) => names.get(number).map(|name| {
                let next = number + 1;
                (Some(*name), (next < names.len()).then(|| next.to_string()))
            }),
            _ => None,
        };
        let cursor = cursor.unwrap_or_default();
        found.ok_or_else(|| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
    }
}

/// A list begins: nothing is known from another one.
pub(crate) fn begin() {
    VISIBLE.take();
}

/// The projects that the client sees: they are asked for once a list.
pub(crate) fn visible(ask: impl FnOnce() -> Result<Vec<String>, Error>) -> Result<Vec<String>, Error> {
    if let Some(known) = VISIBLE.with_borrow(Clone::clone) {
        return Ok(known);
    }
    let found = ask()?;
    VISIBLE.set(Some(found.clone()));
    Ok(found)
}

/// Names of projects have no slash, no space and no quote.
fn is_name(name: &str) -> bool {
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || "/'\"*".contains(c);
    !name.is_empty() && name.len() <= 63 && !name.contains(is_forbidden)
}
