//! A list over several regions: one after another, each with its own pages. The cursor says where in it a page is.

use std::collections::BTreeSet;

use tracker_driver_sdk::{Account, Error, Page, Query};

use crate::answer::{self, Call};
use crate::regions::Region;
use crate::settings::{Settings, Wanted};

/// Where in a list a page is.
#[derive(Debug, Default, PartialEq)]
struct Place {
    /// The region that is asked, and those that come after it.
    regions: Vec<String>,
    /// Which of the ids that are asked for were in regions before.
    found: BTreeSet<usize>,
    /// Which were on pages before of this region. All of its pages are asked for the same ids, since its token is of them.
    here: BTreeSet<usize>,
    /// Whether a region has answered.
    has_answer: bool,
    /// The region's own token; empty for its first page.
    token: String,
}

/// A page of a region.
pub(crate) struct Asked<'a> {
    pub(crate) region: &'a Region,
    pub(crate) token: Option<&'a str>,
    pub(crate) ids: &'a [String],
}

/// The page of a list that a cursor stands for: `list` gives one of a region, `id` is what an item is called.
pub(crate) fn page<T>(
    (account, settings, wanted): (&Account, &Settings, &Wanted),
    query: &Query,
    list: impl Fn(Asked<'_>) -> Result<Page<T>, Error>,
    id: impl Fn(&T) -> &str,
) -> Result<Page<T>, Error> {
    let (place, lacks) = match &query.cursor {
        None => begin(account, settings, wanted)?,
        Some(cursor) => (Place::read(cursor, query.ids.len()).ok_or_else(|| foreign(cursor))?, Vec::new()),
    };
    let Some((name, later)) = place.regions.split_first() else {
        return Err(match lacks.join("; ") {
            none if none.is_empty() => Error::UnexpectedAnswer("DescribeRegions gives no region at all".to_owned()),
            lacks => Error::InvalidAccount(format!("none of the regions can be listed: {lacks}")),
        });
    };
    let region = settings.own.other(name).ok_or_else(|| foreign(name))?;
    let wanted_ids = query.ids.iter().enumerate().filter(|(at, _)| !place.found.contains(at));
    let ids: Vec<String> = wanted_ids.map(|(_, id)| id.clone()).collect();
    let token = Some(place.token.as_str()).filter(|token| !token.is_empty());
    let asked = list(Asked { region: &region, token, ids: &ids }).map_err(|error| error.during(name));
    let has_answer = place.has_answer || asked.is_ok();
    let mut page = match asked {
        // What is asked after it may answer.
        Err(error) if name == &settings.own.name || !is_of_one_region(&error) || later.is_empty() && !has_answer => {
            return Err(error);
        }
        Err(error) => Page::complete(Vec::new()).partial(error.message()),
        Ok(page) => page,
    };
    let mut here = place.here;
    let is_here = |one: &String| page.items.iter().any(|item| id(item) == one);
    here.extend(query.ids.iter().enumerate().filter(|(_, one)| is_here(one)).map(|(at, _)| at));
    let found: BTreeSet<usize> = place.found.union(&here).copied().collect();
    let is_everything = !query.ids.is_empty() && found.len() == query.ids.len();
    let next = match page.next.take() {
        _ if is_everything => None,
        Some(token) => Some(Place { regions: place.regions.clone(), found: place.found, here, has_answer, token }),
        None if later.is_empty() => None,
        None => Some(Place { regions: later.to_vec(), found, has_answer, ..Place::default() }),
    };
    page.next = next.map(|next| next.write());
    Ok(if lacks.is_empty() { page } else { page.partial(lacks.join("; ")) })
}

/// Whether an error says nothing of other regions: one does not answer, or may not be asked.
fn is_of_one_region(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::Forbidden(_))
}

/// The first page of a list: the regions that are to be asked, the account's own first, and what is to be said of others.
fn begin(account: &Account, settings: &Settings, wanted: &Wanted) -> Result<(Place, Vec<String>), Error> {
    let call = Call::DescribeRegions;
    let response = call.signed(account, &settings.own)?.send()?;
    let mut enabled = answer::region_page(response).map_err(|error| error.during(call.action()))?.items;
    enabled.sort();
    enabled.dedup();
    let mut lacks = Vec::new();
    let mut regions = match wanted {
        Wanted::OptedIn => enabled,
        Wanted::Named(names) => {
            let (usable, others) = names.iter().cloned().partition(|name| enabled.contains(name));
            let others: Vec<String> = others;
            lacks.extend(others.iter().map(|name| format!("the account can't use the region {name}")));
            usable
        }
    };
    regions.retain(|name| {
        let is_known = settings.own.other(name).is_some();
        if !is_known {
            lacks.push(format!(
                "this version of the driver does not know the endpoint of the region {name}: name those to be listed in \
                 the option `regions`, and give {name} an account of its own"
            ));
        }
        is_known
    });
    // Its errors are the account's: it is asked while there is nothing yet that would be partial.
    regions.sort_by_key(|name| *name != settings.own.name);
    Ok((Place { regions, ..Place::default() }, lacks))
}

fn foreign(cursor: &str) -> Error {
    Error::UnexpectedAnswer(format!("the cursor `{cursor}` stands for no page of this list"))
}

impl Place {
    /// Names of regions have neither commas nor semicolons; a token comes last and may have both.
    fn write(&self) -> String {
        let numbers = |ids: &BTreeSet<usize>| ids.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let (regions, has_answer) = (self.regions.join(","), if self.has_answer { "y" } else { "n" });
        format!("{regions};{};{};{has_answer};{}", numbers(&self.found), numbers(&self.here), self.token)
    }

    fn read(cursor: &str, ids: usize) -> Option<Place> {
        let mut parts = cursor.splitn(5, ';');
        let (regions, found, here) = (parts.next()?, parts.next()?, parts.next()?);
        let (has_answer, token) = (parts.next()?, parts.next()?);
        let number = |text: &str| text.parse::<usize>().ok().filter(|at| *at < ids);
        let numbers = |texts: &str| texts.split(',').filter(|text| !text.is_empty()).map(number).collect::<Option<_>>();
        let (found, here) = (numbers(found)?, numbers(here)?);
        let regions: Vec<String> = regions.split(',').map(str::to_owned).collect();
        let has_answer = match has_answer {
            "y" => true,
            "n" => false,
            _ => return None,
        };
        let are_names = regions.iter().all(|name| crate::regions::is_name(name));
        are_names.then(|| Place { regions, found, here, has_answer, token: token.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for token in ["", "a;b,c==", "é"] {
            let regions = ["us-east-1", "eu-west-1"].map(str::to_owned).into();
            let has_answer = token.is_empty();
            let place = Place { regions, found: [0, 7].into(), here: [3].into(), has_answer, token: token.to_owned() };
            assert_eq!(Place::read(&place.write(), 8), Some(place));
        }
        for bad in [
            "",
            "us-east-1",
            "us-east-1;;;y",
            ";;;;",
            "US;;;y;x",
            "us-east-1;8;;y;",
            "us-east-1;;x;y;",
            "us-east-1;;;;",
            "us-east-1,;;;y;",
        ] {
            assert_eq!(Place::read(bad, 8), None, "{bad}");
        }
    }
}
