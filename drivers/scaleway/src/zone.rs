//! The zones, each of which has a list of its own, and the way through them: a cursor says where the next page is, and what
//! is known of the zones before it.

use tracker_driver_sdk::{Account, Error, Instance, Page};

use crate::answer::ZonePage;

/// The zones that have servers.
pub const ALL: [&str; 10] = [
    "fr-par-1", "fr-par-2", "fr-par-3", "nl-ams-1", "nl-ams-2", "nl-ams-3", "pl-waw-1", "pl-waw-2", "pl-waw-3",
    "it-mil-1",
];

/// What `fr-par-1` and `nl-ams-1` were called, as the API still understands.
const OLD: [&str; 2] = ["par1", "ams1"];

/// Each zone is a page at least, and the host takes many empty pages in a row for an endless list.
const MOST: usize = 20;

/// The zones of an account: those of its option, or else all.
pub fn of(account: &Account) -> Result<Vec<String>, Error> {
    let Some(text) = account.option("zones") else {
        return Ok(ALL.map(str::to_owned).into());
    };
    let mut zones: Vec<String> = Vec::new();
    for zone in text.split(',').map(str::trim) {
        if !is_zone(zone) || zones.iter().any(|other| other == zone) || zones.len() == MOST {
            let accepted = format!("at most {MOST} zones, each once, with commas between them: fr-par-1,nl-ams-1");
            return Err(Error::bad_option("zones", text, &accepted));
        }
        zones.push(zone.to_owned());
    }
    Ok(zones)
}

/// `fr-par-1`, or one of the two names from before there were regions: nothing else goes into a path.
fn is_zone(text: &str) -> bool {
    if OLD.contains(&text) {
        return true;
    }
    let parts: Vec<&str> = text.split('-').collect();
    let [country, city, number] = parts[..] else { return false };
    let is_name = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = !number.is_empty() && number.len() < 3 && number.bytes().all(|b| b.is_ascii_digit());
    is_name(country, 2) && is_name(city, 3) && is_number
}

/// A page of the whole list: one of a zone.
#[derive(Debug, PartialEq)]
pub struct Place<'a> {
    zones: &'a [String],
    /// Which of them it is.
    at: usize,
    /// Which page of that zone it is.
    pub page: u64,
    /// How many servers the zones before it have together, where each of them said.
    before: Option<u64>,
    /// How many this zone has, by its page before.
    here: Option<u64>,
    /// Whether any zone has answered so far.
    has_answer: bool,
}

impl<'a> Place<'a> {
    /// The first page, or the one that a cursor stands for: `nl-ams-1/2/14/120/y`, with nothing for a number that is not
    /// known.
    pub fn read(cursor: Option<&str>, zones: &'a [String]) -> Result<Self, Error> {
        let Some(cursor) = cursor else {
            return Ok(Place { zones, at: 0, page: 1, before: Some(0), here: None, has_answer: false });
        };
        let read = || {
            let parts: Vec<&str> = cursor.split('/').collect();
            let [zone, page, before, here, has_answer] = parts[..] else { return None };
            let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
            Some(Place {
                zones,
                at: zones.iter().position(|other| other == zone)?,
                page: page.parse().ok()?,
                before: number(before)?,
                here: number(here)?,
                has_answer: match has_answer {
                    "y" => true,
                    "n" => false,
                    _ => return None,
                },
            })
        };
        read().ok_or_else(|| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
    }

    pub fn zone(&self) -> &'a str {
        self.zones.get(self.at).map_or("", String::as_str)
    }

    fn cursor(&self) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let has_answer = if self.has_answer { "y" } else { "n" };
        format!("{}/{}/{}/{}/{has_answer}", self.zone(), self.page, number(self.before), number(self.here))
    }

    /// The first page of the zone after this one, if there is one.
    fn next_zone(&self, before: Option<u64>, has_answer: bool) -> Option<String> {
        let next = Place { zones: self.zones, at: self.at + 1, page: 1, before, here: None, has_answer };
        (next.at < self.zones.len()).then(|| next.cursor())
    }

    /// The page of a zone that answered, as one of the whole list. How many entries that has is said at its end: only then
    /// is each zone's number known.
    pub fn answered(self, page: ZonePage) -> Page<Instance> {
        let ZonePage { mut items, next, total } = page;
        // Older answers do not say in which zone they are: that is the one which was asked.
        for item in &mut items {
            item.realm.get_or_insert_with(|| self.zone().to_owned());
        }
        let page = Page::complete(items);
        let page = match (self.here, total) {
            (_, None) => page.partial(format!("{} does not say how many servers it has", self.zone())),
            (Some(before), Some(now)) if before != now => {
                let zone = self.zone();
                page.partial(format!("{zone} had {before} servers, and then {now}: it changed while it was listed"))
            }
            _ => page,
        };
        if let Some(next) = next {
            let next = Place { page: next, here: total, has_answer: true, ..self };
            return page.followed_by(Some(next.cursor()));
        }
        let sum = self.before.zip(total).and_then(|(before, here)| before.checked_add(here));
        match self.next_zone(sum, true) {
            Some(next) => page.followed_by(Some(next)),
            None => page.of_total(sum),
        }
    }

    /// What a zone that failed leaves of the list: those of the other zones. Where none of them answers, it is the list that
    /// failed.
    pub fn failed(self, error: Error) -> Result<Page<Instance>, Error> {
        let next = self.next_zone(None, self.has_answer);
        if next.is_none() && !self.has_answer {
            return Err(error);
        }
        let why = format!("{} is left out: {}", self.zone(), error.message());
        Ok(Page::complete(Vec::new()).followed_by(next).partial(why))
    }
}
