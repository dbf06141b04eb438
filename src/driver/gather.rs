//! Combines the pages of a list: complete, less than that, or an error. What pages state about the list is compared
//! with their items. Pure.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

use super::error::CallError;
use super::listing::Coverage;
use super::page::Page;
use crate::model::{Resource, ResourceId, Timestamp};

/// How many ids a sentence names.
const NAMED: usize = 3;

/// The pages of a list so far.
pub(super) struct Gathering {
    /// Since when changes are enough.
    since: Option<Timestamp>,
    /// The ids that were asked for; none where everything was.
    wanted: Option<HashSet<ResourceId>>,
    resources: Vec<Resource>,
    coverage: Option<Coverage>,
    cursors: HashSet<String>,
    /// A hash of the ids of each page but empty ones: a provider that gives the same page again and again never ends.
    pages: HashSet<u64>,
    /// Pages in a row that had nothing new, and how many there may be.
    idle: u32,
    most_idle: u32,
    hasher: RandomState,
    /// What the provider says of how many entries the list has: the first word, and one that differs from it.
    total: Option<u64>,
    other_total: Option<u64>,
    /// Entries that the driver left out.
    omitted: u64,
    /// From how many entries on they are counted again: there may be more than the provider says.
    count_from: usize,
}

impl Gathering {
    pub(super) fn new(since: Option<Timestamp>, most_idle: u32) -> Gathering {
        Gathering {
            since,
            most_idle,
            idle: 0,
            wanted: None,
            resources: Vec::new(),
            coverage: None,
            cursors: HashSet::new(),
            pages: HashSet::new(),
            hasher: RandomState::new(),
            total: None,
            other_total: None,
            omitted: 0,
            count_from: 0,
        }
    }

    /// Pages on which these ids were asked for: nothing else is taken from them, and what they say of the whole list is no
    /// matter. A driver may list one id on each page: a page is empty if that
    /// instance does not exist.
    pub(super) fn of(ids: &[ResourceId], most_idle: u32) -> Gathering {
        let most_idle = most_idle.saturating_add(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        Gathering { wanted: Some(ids.iter().cloned().collect()), ..Gathering::new(None, most_idle) }
    }

    /// Resources and removed ids so far.
    pub(super) fn count(&self) -> usize {
        match &self.coverage {
            Some(Coverage::Delta(removed)) => self.resources.len() + removed.len(),
            _ => self.resources.len(),
        }
    }

    /// Takes a page and gives the cursor of the next one, if there is one. An error is of a list that would never end, or
    /// that has more than there is.
    pub(super) fn take(&mut self, page: Page) -> Result<Option<String>, CallError> {
        let Page { mut resources, next, coverage, mut total, omitted, bytes: _ } = page;
        let removes = matches!(&coverage, Coverage::Delta(removed) if !removed.is_empty());
        let coverage = joined(self.coverage.take(), coverage, self.since)?;
        let is_delta = matches!(coverage, Coverage::Delta(_));
        self.coverage = Some(coverage);
        if let Some(next) = &next {
            let is_repeated = !resources.is_empty() && !self.pages.insert(self.hash(&resources));
            // What changed twice may stand alone on two pages of changes.
            if is_repeated && !is_delta {
                return Err(endless("it gave a page that it had given before, and a cursor to another"));
            }
            if !self.cursors.insert(next.clone()) {
                return Err(endless("it gave the same cursor twice"));
            }
            let is_new = !is_repeated && !resources.is_empty() || removes || omitted > 0;
            self.idle = if is_new { 0 } else { self.idle + 1 };
            if self.idle > self.most_idle {
                let (pages, most) = (self.idle, self.most_idle);
                return Err(endless(&format!(
                    "it gave {pages} pages in a row with nothing new (empty_pages allows {most}), and a cursor to another"
                )));
            }
        }
        if let Some(wanted) = &self.wanted {
            resources.retain(|resource| wanted.contains(resource.id()));
            total = None;
        }
        match (self.total, total) {
            (None, total) => self.total = total,
            (Some(first), Some(total)) if total != first => self.other_total = Some(total),
            _ => {}
        }
        self.omitted = self.omitted.saturating_add(omitted);
        if omitted > 0 {
            // There is room for fewer than was thought.
            self.count_from = 0;
        }
        let leads_on_empty = next.is_some() && resources.is_empty();
        if self.resources.is_empty() {
            self.resources = resources;
        } else {
            make_room(&mut self.resources, resources.len());
            self.resources.extend(resources);
        }
        if !is_delta {
            self.check_total()?;
            if leads_on_empty && self.is_all_there() {
                return Err(endless("all entries were listed, and it gave an empty page, and a cursor to another"));
            }
        }
        Ok(next)
    }

    fn hash(&self, resources: &[Resource]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for resource in resources {
            resource.id().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The most entries that the provider spoke of.
    fn largest_total(&self) -> Option<u64> {
        self.total.max(self.other_total)
    }

    /// Whether there are as many different ids as entries.
    fn is_all_there(&self) -> bool {
        let Some(total) = self.largest_total() else { return false };
        let is_enough = |ids: usize| self.omitted.saturating_add(ids as u64) >= total;
        is_enough(self.resources.len()) && is_enough(self.different())
    }

    /// How many different ids there are.
    fn different(&self) -> usize {
        self.resources.iter().map(Resource::id).collect::<HashSet<_>>().len()
    }

    /// Whether there are more different ids than entries. They are only looked at where there are more than fit.
    fn check_total(&mut self) -> Result<(), CallError> {
        let Some(total) = self.largest_total() else { return Ok(()) };
        let room = usize::try_from(total.saturating_sub(self.omitted)).unwrap_or(usize::MAX);
        if self.resources.len() <= room.max(self.count_from) {
            return Ok(());
        }
        let different = self.different();
        if different > room {
            return Err(CallError::UnexpectedAnswer(format!(
                "the provider says that the list has {total} entries, and it gave {} and more",
                (different as u64).saturating_add(self.omitted)
            )));
        }
        // So many more different ones would fit.
        self.count_from = self.resources.len().saturating_add(room - different);
        Ok(())
    }

    /// The whole list: each id once, sorted, and how much of what there is it has. A list that is not whole in itself,
    /// but for a list of changes, is partial.
    pub(super) fn finish(self) -> (Vec<Resource>, Coverage) {
        let Gathering { mut resources, coverage, total, other_total, omitted, .. } = self;
        let twice = sort_by_id(&mut resources);
        let mut coverage = coverage.unwrap_or(Coverage::Complete);
        if let Coverage::Delta(removed) = &mut coverage {
            removed.sort();
            removed.dedup();
            // What is listed is there, whatever else was said of it.
            removed.retain(|id| resources.binary_search_by(|resource| resource.id().cmp(id)).is_err());
        }
        if coverage == Coverage::Complete
            && let Some(why) = misfit(&twice, (total, other_total), resources.len() as u64, omitted)
        {
            coverage = Coverage::Misfit(why);
        }
        (resources, coverage)
    }
}

/// Why the pages of a list can't be all that there is, if they can't.
fn misfit(twice: &Twice, totals: (Option<u64>, Option<u64>), listed: u64, omitted: u64) -> Option<String> {
    if let Some(first) = twice.ids.first() {
        let named = twice.ids.iter().map(|id| format!("{:?}", id.as_str())).collect::<Vec<_>>().join(", ");
        return Some(match twice.count {
            1 => format!("{:?} stands twice in the list, so another may be missing", first.as_str()),
            count if count > twice.ids.len() => {
                format!("{count} ids stand twice in the list ({named} and others), so others may be missing")
            }
            count => format!("{count} ids stand twice in the list ({named}), so others may be missing"),
        });
    }
    match totals {
        (Some(before), Some(after)) => Some(format!(
            "the provider said that the list has {before} entries, and then {after}: it changed while it was listed"
        )),
        (Some(total), None) if listed.saturating_add(omitted) < total => {
            let left_out = match omitted {
                0 => String::new(),
                omitted => format!(" and {omitted} left out"),
            };
            Some(format!("the provider says that the list has {total} entries, and {listed} were listed{left_out}"))
        }
        _ => None,
    }
}

fn endless(why: &str) -> CallError {
    CallError::UnexpectedAnswer(format!("{why}: the list would never end"))
}

/// The coverage of the pages so far and of the next one.
fn joined(before: Option<Coverage>, page: Coverage, since: Option<Timestamp>) -> Result<Coverage, CallError> {
    if since.is_none() && matches!(page, Coverage::Delta(_)) {
        return Err(CallError::Contract("it returned a delta, which was not asked for".into()));
    }
    match (before, page) {
        (None, page) => Ok(page),
        (Some(Coverage::Delta(mut removed)), Coverage::Delta(more)) => {
            removed.extend(more);
            Ok(Coverage::Delta(removed))
        }
        // Not everything was listed, whatever the other pages are: what is there is as it says.
        (Some(Coverage::Partial(why)), _) | (Some(_), Coverage::Partial(why)) => Ok(Coverage::Partial(why)),
        (Some(Coverage::Complete), Coverage::Complete) => Ok(Coverage::Complete),
        (Some(_), _) => Err(CallError::Contract("some pages of the list are a delta, and others are not".into())),
    }
}

/// Ids that a list had more than once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Twice {
    count: usize,
    /// The first of them.
    ids: Vec<ResourceId>,
}

/// Makes room for more, and for much that may follow: each time that a list grows it is copied, and in memory twice
/// meanwhile. Room that nothing is put into takes addresses alone.
fn make_room(resources: &mut Vec<Resource>, more: usize) {
    const GROWTH: usize = 8;
    if resources.capacity() - resources.len() < more {
        resources.reserve_exact(more.max(resources.len().saturating_mul(GROWTH - 1)));
    }
}

/// Sorts by id, and keeps of each id the last one listed: a provider that pages while things change may
/// show one twice.
fn sort_by_id(resources: &mut Vec<Resource>) -> Twice {
    if !resources.is_sorted_by(|a, b| a.id() < b.id()) {
        sort_in_place(resources);
    }
    let mut twice = Twice::default();
    let mut last_is_counted = false;
    resources.dedup_by(|later, earlier| {
        let same = later.id() == earlier.id();
        if same {
            if !last_is_counted {
                twice.count += 1;
                if twice.ids.len() < NAMED {
                    twice.ids.push(later.id().clone());
                }
            }
            std::mem::swap(later, earlier);
        }
        last_is_counted = same;
        same
    });
    twice
}

/// Sorts by id, and those of one id by their place, without a copy of half the list, which a stable sort of the standard
/// library makes: a list may be most of what a host has in memory.
fn sort_in_place(resources: &mut [Resource]) {
    const PREFIX: usize = 16;
    let id = |place: usize| resources[place].id();
    // Nearly all ids differ within their first bytes, which are compared where they lie together.
    let mut order: Vec<([u8; PREFIX], usize)> = (0..resources.len())
        .map(|place| {
            let bytes = id(place).as_str().as_bytes();
            let mut prefix = [0; PREFIX];
            let length = bytes.len().min(PREFIX);
            prefix[..length].copy_from_slice(&bytes[..length]);
            (prefix, place)
        })
        .collect();
    order.sort_unstable_by(|(prefix, place), (other_prefix, other)| {
        prefix.cmp(other_prefix).then_with(|| id(*place).cmp(id(*other))).then(place.cmp(other))
    });
    // Cycle by cycle, each gets the one that belongs in its place.
    for first in 0..order.len() {
        let mut place = first;
        loop {
            let from = std::mem::replace(&mut order[place].1, place);
            if from == first || from == place {
                break;
            }
            resources.swap(place, from);
            place = from;
        }
    }
}

#[cfg(test)]
pub(crate) mod pretend;
#[cfg(test)]
mod tests;
