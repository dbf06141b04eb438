//! A list of many pages, made of the recorded ones. Each page has its own ids and its own cursor, and the answer to a
//! request is the page whose cursor it contains.

mod borrowed;
mod parameters;
mod template;

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::StatusCode;

use super::document::{Document, Fresh, Node};
use super::stage::{Outcome, Stage, answer, recorded, with_body};
use super::suite::Case;
use crate::driver::wire::{Answered, Asked, Tape};
use parameters::Parameters;
use template::Template;

pub(super) use parameters::{operation, parameters};

/// How a case's list goes on from page to page.
pub(super) struct Link {
    first: Template,
    last: Template,
    /// Where a request has the cursor.
    parameter: String,
    /// What the request for the first page has there.
    begins_with: Option<String>,
    /// What the request for the second page has there.
    second: String,
    kind: Cursor,
    /// The request for the first page, and for the second.
    requests: [Asked; 2],
}

/// What a provider may be asked to give on a page.
const PAGE_SIZES: RangeInclusive<usize> = 10..=1_000;

/// What a cursor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// The answer before has it, and nobody but the provider knows what it means.
    Opaque,
    /// A number of a page or an entry, and by how much it grows.
    Number(u64),
    /// An id of the page before.
    Id,
}

/// What a chain is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) pages: usize,
    pub(super) cursors: Cursors,
    /// Whether some pages in the middle have nothing on them.
    pub(super) has_empty_pages: bool,
    /// How many entries a page has at least.
    pub(super) entries: usize,
    /// How many blanks stand behind what is on a page. They mean nothing in JSON and in XML.
    pub(super) blanks: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursors {
    /// Of the same make as the recorded one.
    Alike,
    /// With everything in them that has a meaning in a URL, a form, JSON or XML, and long.
    Odd,
}

/// The pages, played.
pub(super) struct Chain {
    requests: [Asked; 2],
    parameter: String,
    begins_with: Option<String>,
    others: Stage,
    pages: Vec<(Option<String>, Answered)>,
    /// How many blanks stand behind each of them.
    blanks: usize,
    /// In the place of a page, by its place.
    instead: Option<(usize, Outcome)>,
    asked: Mutex<Vec<Option<usize>>>,
}

/// A chain with the ids that are on its pages.
pub(super) struct Made {
    pub(super) chain: Arc<Chain>,
    pub(super) ids: BTreeSet<String>,
    /// Of all its answers.
    pub(super) bytes: usize,
}

impl Link {
    /// How the list goes on, if that can be told: two requests that differ in one parameter.
    pub(super) fn of(case: &Case) -> Option<Link> {
        let ids = super::suite::ids_of(case);
        let played = played(case);
        let (at, (before, after)) = played.windows(2).enumerate().find_map(|(at, pair)| {
            let [(one, first), (two, second)] = pair else { return None };
            let has_entries = |exchange: usize| {
                let answered = recorded(&case.cassette.exchanges[exchange]).ok()?;
                Some(!Document::read(&answered.body)?.entries(&ids).is_empty())
            };
            // The last page may be an empty one, where the provider does not know that before.
            let is_page = has_entries(*first)? && (has_entries(*second)? || at + 2 == played.len());
            let same_place = one.method == two.method && one.url.path() == two.url.path();
            (is_page && same_place).then_some((at, (*one, *two)))
        })?;
        let (one, two) = (parameters(before), parameters(after));
        let recorded_any = |name: &str| is_any(case, played[at].1, name);
        let differing: Vec<&String> =
            two.keys().filter(|name| one.get(*name) != two.get(*name) && !recorded_any(name)).collect();
        let [parameter] = differing.as_slice() else { return None };
        let (begins_with, second) = (one.get(*parameter).cloned(), two[*parameter].clone());
        let last = played.iter().rev().find(|(asked, _)| asked.url.path() == before.url.path())?.1;
        let template = |exchange: usize| Template::of(&recorded(&case.cassette.exchanges[exchange]).ok()?, &ids);
        let (first, last) = (template(played[at].1)?, template(last)?);
        let is_number = second.parse::<u64>().is_ok();
        // Who asks for the first page by a number counts on, whatever ids there are.
        let begins = begins_with.as_ref().and_then(|value| value.parse::<u64>().ok());
        let kind = match (second.parse::<u64>(), ids.contains(second.as_str())) {
            // It looks like an id, and the answer gives it as what comes next.
            (_, true) if !is_number && first.has_cursor(&second, parameter) => Cursor::Opaque,
            (_, true) if begins.is_none() => Cursor::Id,
            (Ok(number), _) => {
                // A list begins with page 1, or with entry 0.
                Cursor::Number(number.saturating_sub(begins.unwrap_or(u64::from(number == 2))).max(1))
            }
            (Err(_), _) if first.has_cursor(&second, parameter) => Cursor::Opaque,
            (Err(_), _) => return None,
        };
        let requests = [before.clone(), after.clone()];
        Some(Link { first, last, parameter: (*parameter).clone(), begins_with, second, kind, requests })
    }

    /// The request for the first page, and for the second.
    pub(super) fn requests(&self) -> &[Asked; 2] {
        &self.requests
    }

    /// Where a request has the cursor.
    pub(super) fn parameter(&self) -> &str {
        &self.parameter
    }

    /// Whether pages or entries are counted.
    pub(super) fn has_numbers(&self) -> bool {
        matches!(self.kind, Cursor::Number(_))
    }

    /// What stands beside the entries of a list's first page, without what leads to the second.
    pub(super) fn unlinked(&self, page: &Document, ids: &HashSet<&str>) -> Vec<Node> {
        let entries = page.entries(ids);
        let is_inside =
            |node: &Node| entries.iter().any(|entry| *entry == node.place || page.is_within(&node.place, entry));
        let leads_on =
            |node: &Node| self.first.cursors(&self.second, &self.parameter).any(|own| own.place == node.place);
        let leaves = page.nodes().into_iter().filter(|node| node.text.is_some() && !is_inside(node));
        leaves.filter(|node| !leads_on(node)).collect()
    }

    /// How many entries the driver asks for, where a parameter of both requests can mean that.
    pub(super) fn page_size(&self) -> Option<usize> {
        let [first, second] = self.requests.each_ref().map(parameters);
        let same = first.into_iter().filter(|(name, value)| *name != self.parameter && second.get(name) == Some(value));
        same.filter_map(|(_, value)| value.parse().ok()).filter(|size| PAGE_SIZES.contains(size)).max()
    }

    /// Whether cursors may be any text.
    pub(super) fn has_free_cursors(&self) -> bool {
        self.kind == Cursor::Opaque
    }

    /// Whether the answer says that there is another page, so that one without entries is not the end.
    pub(super) fn says_what_is_next(&self) -> bool {
        self.kind != Cursor::Id && self.first.has_cursor(&self.second, &self.parameter)
    }

    /// With how many entries a page has about so many bytes.
    pub(super) fn entries_of(&self, bytes: usize, most: usize) -> usize {
        self.first.entries_of(bytes).min(most)
    }

    /// Makes a chain.
    pub(super) fn chain(&self, case: &Case, shape: Shape) -> Made {
        let taken = super::suite::ids_of(case);
        let mut fresh = Fresh::beside(&taken);
        let enlarged = self.first.enlarged(shape.entries);
        let first = enlarged.as_ref().unwrap_or(&self.first);
        let is_empty =
            |page: usize| shape.has_empty_pages && page > 0 && page.is_multiple_of(6) && page + 1 < shape.pages;
        let mut ids = BTreeSet::new();
        // What each page has for ids.
        let mut names = Vec::with_capacity(shape.pages);
        for page in 0..shape.pages {
            let template = if page + 1 < shape.pages { first } else { &self.last };
            let pairs: Vec<(String, String)> = match is_empty(page) {
                true => Vec::new(),
                false => template.ids().map(|old| (old.to_owned(), fresh.like(old))).collect(),
            };
            ids.extend(pairs.iter().map(|(_, new)| new.clone()));
            names.push(pairs);
        }
        let last = shape.pages.checked_sub(2).map(|page| self.cursor(page, &names[page], shape));
        let mut pages = Vec::with_capacity(shape.pages);
        let mut cursor: Option<String> = None;
        for (page, pairs) in names.iter().enumerate() {
            let next = (page + 1 < shape.pages).then(|| self.cursor(page, pairs, shape));
            let template = if next.is_some() { first } else { &self.last };
            let answered = template.page(template::Page {
                ids: (!is_empty(page)).then_some(pairs),
                cursor: next.as_deref().map(|next| (self.second.as_str(), next)),
                last: last.as_deref(),
                parameter: &self.parameter,
                number: (page + 1, shape.pages),
                total: (taken.len(), ids.len()),
            });
            pages.push((cursor.take(), answered));
            cursor = next;
        }
        let bytes = pages.iter().map(|(_, answered)| answered.body.len()).sum();
        let chain = Chain {
            requests: self.requests.clone(),
            parameter: self.parameter.clone(),
            begins_with: self.begins_with.clone(),
            others: Stage::of(&case.cassette),
            pages,
            blanks: shape.blanks,
            instead: None,
            asked: Mutex::default(),
        };
        Made { chain: Arc::new(chain), ids, bytes }
    }

    /// The cursor to the page behind this one.
    fn cursor(&self, page: usize, ids: &[(String, String)], shape: Shape) -> String {
        let number = page as u64 + 1;
        match (self.kind, shape.cursors) {
            (Cursor::Id, _) => {
                let own = ids.iter().find(|(old, _)| *old == self.second).or(ids.last());
                own.map_or_else(|| self.second.clone(), |(_, new)| new.clone())
            }
            (Cursor::Number(step), _) => {
                let second = self.second.parse::<u64>().unwrap_or(0);
                second.saturating_add(step.saturating_mul(number - 1)).to_string()
            }
            (Cursor::Opaque, Cursors::Alike) => template::alike(&self.second, number),
            (Cursor::Opaque, Cursors::Odd) => template::odd(number),
        }
    }
}

/// The requests of a case's list, each with the exchange that answered it.
fn played(case: &Case) -> Vec<(&Asked, usize)> {
    let mut used = vec![false; case.cassette.exchanges.len()];
    let mut played = Vec::new();
    for asked in &case.run.asked {
        let fits = |at: &usize| !used[*at] && case.cassette.exchanges[*at].request.fits(asked);
        if let Some(at) = (0..used.len()).find(fits) {
            used[at] = true;
            played.push((asked, at));
        }
    }
    played
}

/// Whether a cassette takes any value for a parameter: what is signed is never the same.
fn is_any(case: &Case, exchange: usize, parameter: &str) -> bool {
    let request = &case.cassette.exchanges[exchange].request;
    let Some(name) = parameter.strip_prefix("query ") else { return false };
    request.url.query_pairs().any(|(other, value)| other == name && value == "*")
}

impl Chain {
    /// The pages that were asked for, by their place; none for what was no page's cursor.
    pub(super) fn asked(&self) -> Vec<Option<usize>> {
        self.asked.lock().expect("invariant: no holder of this lock can panic").clone()
    }

    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The answer for a page, without its blanks.
    pub(super) fn recorded(&self, place: usize) -> &Answered {
        &self.pages[place].1
    }

    /// The same with something else in the place of a page.
    pub(super) fn with(&self, page: usize, outcome: Outcome) -> Chain {
        Chain {
            requests: self.requests.clone(),
            parameter: self.parameter.clone(),
            begins_with: self.begins_with.clone(),
            others: self.others.anew(),
            pages: self.pages.clone(),
            blanks: self.blanks,
            instead: Some((page, outcome)),
            asked: Mutex::default(),
        }
    }

    /// A page's answer. Its blanks are made when it is asked for: all pages together may be large.
    fn page(&self, place: usize) -> Answered {
        let page = &self.pages[place].1;
        if self.blanks == 0 {
            return page.clone();
        }
        let mut body = page.body.to_vec();
        body.resize(body.len() + self.blanks, b' ');
        with_body(page, body)
    }

    /// The cursor of a page, where it is one of the chain's, and has a parameter for it.
    fn cursor_in(&self, asked: &Asked) -> Option<Option<String>> {
        let [first, second] = &self.requests;
        if asked.method != first.method || asked.url.path() != first.url.path() {
            return None;
        }
        let mut given = parameters(asked);
        let cursor = given.remove(&self.parameter);
        let rest = |asked: &Asked| -> Parameters {
            let mut rest = parameters(asked);
            rest.remove(&self.parameter);
            rest
        };
        let names = |parameters: &Parameters| parameters.keys().cloned().collect::<BTreeSet<_>>();
        let is_page = [first, second].iter().any(|request| names(&rest(request)) == names(&given));
        is_page.then_some(cursor)
    }
}

#[async_trait]
impl Tape for Chain {
    async fn answer(&self, asked: &Asked) -> Outcome {
        let Some(cursor) = self.cursor_in(asked) else { return self.others.answer(asked).await };
        let begins = cursor.is_none() || cursor == self.begins_with;
        let place = match begins {
            true => Some(0),
            false => self.pages.iter().position(|(own, _)| *own == cursor),
        };
        self.asked.lock().expect("invariant: no holder of this lock can panic").push(place);
        match place {
            Some(place) => match &self.instead {
                Some((at, outcome)) if *at == place => outcome.clone(),
                _ => Ok(self.page(place)),
            },
            None => Ok(answer(StatusCode::BAD_REQUEST, "text/plain", "there is no such cursor")),
        }
    }
}

#[cfg(test)]
mod tests;
