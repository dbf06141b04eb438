//! Categories, which machines have by id alone. Their keys and values are a list of their own, which is asked for with the first
//! page of machines that have any where the account wants it, and kept for the others. All pages are made in one sandbox.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use tracker_driver_sdk::{Account, Coverage, Error, Instance, Page};

use crate::answer::{self, Category};
use crate::{Settings, list};

pub(crate) const OPTION: &str = "categories";

pub(crate) const HELP: &str = "How categories are labels: `ids` (default), or `names`, with a request for each 100 categories \
                               of Prism Central in each poll.";

const CATEGORIES: &str = "/api/prism/v4.0/config/categories";

/// How many pages of categories are read. A host allows a poll 256 requests.
const MOST_PAGES: usize = 100;

/// Categories by id.
type Names = HashMap<String, Category>;

thread_local! {
    static NAMES: RefCell<Option<Names>> = RefCell::default();
}

pub(crate) fn are_named(account: &Account) -> Result<bool, Error> {
    match account.option(OPTION) {
        None | Some("ids") => Ok(false),
        Some("names") => Ok(true),
        Some(other) => Err(Error::bad_option(OPTION, other, "`ids` or `names`")),
    }
}

/// Gives labels the names of categories, where the account wants them.
pub(crate) fn name(settings: &Settings<'_>, is_first_page: bool, machines: &mut [Instance]) -> Result<(), Error> {
    if is_first_page {
        NAMES.take();
    }
    if !settings.names_categories || machines.iter().all(|machine| machine.labels.is_empty()) {
        return Ok(());
    }
    if NAMES.with_borrow(Option::is_none) {
        NAMES.set(Some(all(settings)?));
    }
    NAMES.with_borrow(|names| {
        let Some(names) = names else { return };
        for machine in machines {
            machine.labels = labels(names, std::mem::take(&mut machine.labels));
        }
    });
    Ok(())
}

/// All categories, or an error: with only some of them, labels would change that nobody changed.
fn all(settings: &Settings<'_>) -> Result<Names, Error> {
    let (mut names, mut cursor) = (Names::new(), None);
    for _ in 0..MOST_PAGES {
        let Page { items, next, coverage, total, .. } =
            list(settings, CATEGORIES, cursor.as_deref(), answer::categories)?;
        if let Coverage::Partial(why) = coverage {
            return Err(Error::UnexpectedAnswer(format!("{CATEGORIES}: {why}")));
        }
        names.extend(items.into_iter().map(|category| (category.id.clone(), category)));
        cursor = next;
        if cursor.is_some() {
            continue;
        }
        return match (names.len() as u64, total) {
            (listed, Some(total)) if listed < total => Err(Error::UnexpectedAnswer(format!(
                "{CATEGORIES} says that there are {total} categories, and gave {listed}: they changed while they were listed"
            ))),
            _ => Ok(names),
        };
    }
    Err(Error::UnexpectedAnswer(format!(
        "{CATEGORIES} has more than {MOST_PAGES} pages; set the option `{OPTION}` to `ids`"
    )))
}

/// A machine may have several values of one key: they are one label, with commas between them. A category that is not listed
/// keeps its id.
fn labels(names: &Names, ids: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, _) in ids {
        match names.get(&id) {
            Some(Category { key, value, .. }) => labels.entry(key.clone()).or_default().push(value.clone()),
            None => labels.entry(id).or_default().push(String::new()),
        }
    }
    labels
        .into_iter()
        .map(|(key, mut values)| {
            values.sort();
            (key, values.join(","))
        })
        .collect()
}
