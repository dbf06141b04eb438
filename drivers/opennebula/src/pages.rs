//! The list of VMs, page by page, and single VMs. Older versions of OpenNebula lack calls, which is learned by asking and
//! remembered for a while.

use tracker_driver_sdk::{Account, Error, Instance, Page, Query, session};

use crate::call::{Argument, call};
use crate::envelope::Failure;
use crate::vms;

/// The options, by name.
pub(crate) const FILTER: &str = "filter";
pub(crate) const PAGE_SIZE: &str = "page-size";

pub(crate) const FILTER_HELP: &str = "Whose VMs are listed: `all` that the user may see, those of its `group`s, those of \
                                      its `primary-group`, or `mine`. Default: all.";
pub(crate) const PAGE_SIZE_HELP: &str = "How many VMs are asked for at once, 2 to 10000. Default: 1000.";

const PAGE_SIZES: std::ops::RangeInclusive<u32> = 2..=10_000;

/// Some 10 MB of an answer: the host takes 64 MiB.
const USUAL_PAGE_SIZE: u32 = 1_000;

/// How many VMs are asked for one by one, of a version without a call for several: of more, a list of everything takes
/// fewer requests.
const MOST_ALONE: usize = 20;

/// All states but DONE: OpenNebula keeps every VM that ever was.
const NOT_DONE: i64 = -1;

/// For how long a missing call is remembered, in seconds. It is there after an upgrade.
const REMEMBERED: u32 = 86_400;

/// With all of a VM in it, from 5.8 on. Before, the other call has that.
const EXTENDED: &str = "one.vmpool.infoextended";
const PLAIN: &str = "one.vmpool.info";

/// Several VMs by id. Version 6 has it, and 5.8 does not.
const SET: &str = "one.vmpool.infoset";

/// What the account's options say.
pub(crate) struct Wanted {
    filter: i64,
    page_size: u32,
}

impl Wanted {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        let filter = match account.option(FILTER).map(str::trim) {
            None | Some("all") => -2,
            Some("group") => -1,
            Some("mine") => -3,
            Some("primary-group") => -4,
            Some(other) => {
                return Err(Error::bad_option(FILTER, other, "`all`, `group`, `primary-group` or `mine`"));
            }
        };
        let accepted = "a number from 2 to 10000";
        let page_size = account.parsed_option(PAGE_SIZE, accepted)?.unwrap_or(USUAL_PAGE_SIZE);
        if !PAGE_SIZES.contains(&page_size) {
            return Err(Error::bad_option(PAGE_SIZE, &page_size.to_string(), accepted));
        }
        Ok(Wanted { filter, page_size })
    }
}

/// Where a page begins.
struct Place<'a> {
    method: &'static str,
    /// How many VMs are before it.
    offset: u32,
    /// The id of the VM there, which the page before ended with.
    overlap: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(cursor: Option<&'a str>) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Place { method: usual_method(), offset: 0, overlap: None }) };
        let read = || {
            let mut parts = cursor.splitn(3, '/');
            let method = match parts.next()? {
                "extended" => EXTENDED,
                "plain" => PLAIN,
                _ => return None,
            };
            Some(Place { method, offset: parts.next()?.parse().ok()?, overlap: Some(parts.next()?) })
        };
        read().ok_or_else(|| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))
    }
}

fn usual_method() -> &'static str {
    if session::get(EXTENDED).is_some() { PLAIN } else { EXTENDED }
}

/// The page at a cursor. Pages begin at an offset, so a VM that ends while the list is read moves the VMs behind it to the
/// page before. Each page therefore begins with the last VM of the page before, and shows by it whether that happened.
pub(crate) fn page(account: &Account, wanted: &Wanted, cursor: Option<&str>) -> Result<Page<Instance>, Error> {
    let mut place = Place::of(cursor)?;
    let range = |offset: u32| (i64::from(offset), -i64::from(wanted.page_size));
    let found = match list(account, wanted, place.method, range(place.offset)) {
        Err(failure) if failure.is_unknown_method() && place.method == EXTENDED && cursor.is_none() => {
            place.method = PLAIN;
            let found = list(account, wanted, PLAIN, range(0));
            if found.is_ok() {
                session::put(EXTENDED, b"missing", REMEMBERED);
            }
            found
        }
        found => found,
    };
    let mut found = found.map_err(|failure| failure.into_error(place.method))?;
    if found.is_empty() && cursor.is_none() {
        // The first versions know no pages: they take the two numbers for ids, between which there is none.
        let found = list(account, wanted, place.method, (-1, -1));
        return Ok(Page::complete(found.map_err(|failure| failure.into_error(place.method))?));
    }
    let next = next(&found, &place, wanted);
    let is_moved = place.overlap.is_some_and(|last| found.first().is_none_or(|first| first.id != last));
    if place.overlap.is_some() && !is_moved {
        found.remove(0);
    }
    let page = Page::complete(found).followed_by(next);
    Ok(if is_moved { page.partial("VMs were made or ended while the list was read") } else { page })
}

/// The cursor behind a page that is full. One with more than was asked for is everything: the server knows no pages.
fn next(found: &[Instance], place: &Place<'_>, wanted: &Wanted) -> Option<String> {
    let count = u32::try_from(found.len()).ok().filter(|count| *count == wanted.page_size)?;
    let name = if place.method == EXTENDED { "extended" } else { "plain" };
    Some(format!("{name}/{}/{}", place.offset.checked_add(count - 1)?, found.last()?.id))
}

fn list(account: &Account, wanted: &Wanted, method: &str, range: (i64, i64)) -> Result<Vec<Instance>, Failure> {
    let arguments = [wanted.filter, range.0, range.1, NOT_DONE].map(Argument::Int);
    call(account, method, &arguments, "VM_POOL", vms::pool)
}

/// The VMs that are asked for, those that are DONE among them.
pub(crate) fn by_id(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    match &query.cursor {
        Some(cursor) if cursor.contains('/') => return page(account, &Wanted::of(account)?, Some(cursor)),
        Some(_) => return one(account, query),
        None => {}
    }
    let mut ids: Vec<&str> = query.ids.iter().map(String::as_str).filter(|id| is_id(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Page::complete(Vec::new()));
    }
    if session::get(SET).is_none() {
        let text = ids.join(",");
        match call(account, SET, &[Argument::Text(&text), Argument::Bool(true)], "VM_POOL", vms::pool) {
            Ok(mut found) => {
                found.retain(|item| ids.contains(&item.id.as_str()));
                return Ok(Page::complete(found));
            }
            Err(failure) if failure.is_unknown_method() => session::put(SET, b"missing", REMEMBERED),
            Err(failure) => return Err(failure.into_error(SET)),
        }
    }
    match ids.len() {
        0..=MOST_ALONE => one(account, query),
        _ => page(account, &Wanted::of(account)?, None),
    }
}

/// One of the VMs that are asked for; the next page is of the next one.
fn one(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let page = |found: Vec<Instance>| Page::complete(found).followed_by(next);
    let Some(number) = id.parse().ok().filter(|_| is_id(id)) else { return Ok(page(Vec::new())) };
    let method = "one.vm.info";
    match call(account, method, &[Argument::Int(number)], "VM", vms::vm) {
        Ok(found) => Ok(page(vec![found])),
        Err(failure) if failure.is_absence() => Ok(page(Vec::new())),
        Err(failure) => Err(failure.into_error(method)),
    }
}

/// Whether an id is one of OpenNebula's: `007` would be answered with the VM 7.
fn is_id(id: &str) -> bool {
    id.parse::<i32>().is_ok_and(|number| number >= 0 && number.to_string() == id)
}
