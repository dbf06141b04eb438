//! A provider with a filter by id, made of recorded answers.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;

use crate::driver::wire::{Answered, Asked, Tape};
use crate::kit::conformance::document::{Document, Edit, Fresh, Place};
use crate::kit::conformance::stage::{Outcome, Stage, recorded, with_body};
use crate::kit::conformance::stand::{Run, ids};
use crate::kit::conformance::suite::{Case, has_in_path};
use crate::model::{MOST_IDS, ResourceId};

pub(super) const REMEDY: &str = "ask the provider for these ids alone, with a filter that takes one that is not there for no error; a \
                      driver that can't has no feature `by-id`";

/// How many ids any provider takes at once.
const SHORT: usize = 4;

/// Ids that nobody has: some of the same make as this one, some that are none of a driver's own, and `more`.
fn absent(like: &str, taken: &HashSet<&str>, more: Vec<String>) -> Vec<String> {
    const SAME: usize = 2;
    let mut fresh = Fresh::beside(taken);
    let mut absent: Vec<String> = (0..SAME).map(|_| fresh.like(like)).collect();
    let letters = |c: char| if c.is_ascii_digit() { 'x' } else { c };
    let odd = [like.chars().map(letters).collect(), format!("{like}{like}")];
    absent.extend(odd.into_iter().chain(more).filter(|id| !taken.contains(id.as_str())));
    while absent.len() < MOST_IDS {
        absent.push(fresh.like(like));
    }
    absent.truncate(MOST_IDS);
    absent
}

/// The provider, with a filter.
pub(super) struct Filtering {
    /// Ids that it has.
    pub(super) there: Vec<String>,
    /// Ids that it does not have.
    pub(super) absent: Vec<String>,
    /// None of a driver that asks nobody.
    page: Option<Page>,
    others: Stage,
}

/// A page without a cursor.
struct Page {
    answered: Answered,
    document: Document,
    /// Its entries, each with its id where it holds one alone.
    entries: Vec<(Place, Option<String>)>,
    /// What says how many there are.
    counts: Vec<Place>,
    /// What a request for it is like.
    asked: Asked,
}

impl Page {
    /// With the entries of these ids alone.
    fn of(&self, ids: &[&String]) -> Answered {
        let is_kept = |own: &Option<String>| own.as_ref().is_some_and(|own| ids.contains(&own));
        let removed =
            self.entries.iter().filter(|(_, own)| !is_kept(own)).map(|(entry, _)| (entry.clone(), Edit::Remove));
        let count = ids.len().to_string();
        let counts = self.counts.iter().map(|place| (place.clone(), Edit::Text(count.clone())));
        let edits: Vec<_> = removed.chain(counts).collect();
        with_body(&self.answered, self.document.edited(&edits))
    }
}

impl Filtering {
    /// Of a driver that asks nobody.
    pub(super) fn alone(case: &Case, there: Vec<String>, former: Vec<String>) -> Filtering {
        let taken: HashSet<&str> = there.iter().map(String::as_str).collect();
        let absent = absent(&there[0], &taken, former);
        Filtering { there, absent, page: None, others: Stage::of(&case.cassette) }
    }

    pub(super) fn of(case: &Case) -> Option<Filtering> {
        let ids = ids(case.run.resources());
        let others = Stage::of(&case.cassette).rearranged();
        let mut pages = case.cassette.exchanges.iter().enumerate().rev().filter_map(|(at, exchange)| {
            let answered = recorded(exchange).ok()?;
            let document = Document::read(&answered.body)?;
            let entries = document.entries(&ids);
            (!entries.is_empty()).then_some((at, answered, document, entries))
        });
        let (at, answered, document, entries) = pages.next()?;
        let alone = |entry: Place| {
            let texts: HashSet<String> = document.nodes_in(&entry).into_iter().filter_map(|node| node.text).collect();
            let held: Vec<String> = texts.into_iter().filter(|text| ids.contains(text.as_str())).collect();
            let own = <[String; 1]>::try_from(held).ok().map(|[own]| own);
            (entry, own)
        };
        let entries: Vec<_> = entries.into_iter().map(alone).collect();
        let there: Vec<String> = entries.iter().filter_map(|(_, own)| own.clone()).collect();
        let absent = absent(there.first()?, &ids, Vec::new());
        let nodes = document.nodes();
        let counts =
            nodes.iter().filter(|node| super::super::rows::counts(node, ids.len())).map(|node| node.place.clone());
        let counts = counts.collect();
        let request = &case.cassette.exchanges[at].request;
        let asked = case.run.asked.iter().find(|asked| request.fits(asked))?.clone();
        Some(Filtering { there, absent, page: Some(Page { answered, document, entries, counts, asked }), others })
    }

    /// What is asked for: what is there and what is not, in every order, twice, and as many as there may be.
    pub(super) fn queries(&self) -> Vec<Vec<String>> {
        let (Some(one), Some(last), [absent, other, ..]) = (self.there.first(), self.there.last(), &self.absent[..])
        else {
            return Vec::new();
        };
        let mut many: Vec<&String> = self.absent.iter().skip(1).collect();
        let middle = many.len() / 2;
        many[middle] = one;
        let mut queries = vec![vec![one, absent], vec![absent, one], vec![one, one], vec![absent], many];
        if one != last {
            let mut both: Vec<&String> = self.absent.iter().skip(1).chain([last]).collect();
            both[0] = one;
            queries.extend([vec![one, last], vec![absent, last, one, other], both]);
        }
        queries.into_iter().map(|query| query.into_iter().cloned().collect()).collect()
    }

    /// The ids that a request names.
    pub(super) fn named<'a>(asked: &Asked, ids: &'a [String]) -> Vec<&'a String> {
        let url = percent_encoding::percent_decode_str(asked.url.as_str()).decode_utf8_lossy().into_owned();
        let body = percent_encoding::percent_decode(&asked.body).decode_utf8_lossy().into_owned();
        let is_other = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | ':');
        let headers: String =
            asked.headers.values().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(" ");
        let words: HashSet<&str> = [&url, &body, &headers].into_iter().flat_map(|text| text.split(is_other)).collect();
        let is_named =
            |id: &str| words.contains(id) || id.contains(is_other) && (url.contains(id) || body.contains(id));
        ids.iter().filter(|id| is_named(id.as_str())).collect()
    }

    pub(super) fn is_in_path(&self, asked: &Asked) -> bool {
        self.there.iter().chain(&self.absent).any(|id| has_in_path(&asked.url, id))
    }

    /// What is wrong with a list of these ids.
    pub(super) fn fault(&self, case: &Case, query: &[String], run: &Run) -> Option<String> {
        if run.outcome.is_err() {
            return Some(format!("a list with those that are there was expected, and {} came", run.came()));
        }
        let listed: Vec<&str> = run.pages.iter().flatten().map(ResourceId::as_str).collect();
        if let Some(other) = listed.iter().find(|id| !query.iter().any(|asked| asked == *id)) {
            return Some(format!("it lists {other}, too"));
        }
        let own: BTreeSet<&String> = query.iter().filter(|id| self.there.contains(id)).collect();
        if let Some(missing) = own.iter().find(|id| !listed.contains(&id.as_str())) {
            return Some(format!("{missing} is not listed"));
        }
        if listed.len() > own.len() {
            return Some("it lists one twice".to_owned());
        }
        // A provider may take fewer ids at once than the host asks for.
        let (full, now) = (case.run.asked.len(), run.asked.len());
        let is_short = query.len() <= SHORT;
        if is_short && (now > full || now == full && now > 0 && case.run.pages.len() > 1) {
            return Some(format!("it makes {now} requests, and {full} for everything"));
        }
        None
    }
}

#[async_trait]
impl Tape for Filtering {
    async fn answer(&self, asked: &Asked) -> Outcome {
        let Some(page) = &self.page else { return self.others.answer(asked).await };
        let is_page = page.asked.method == asked.method && page.asked.url.path() == asked.url.path();
        let (there, absent) = (Self::named(asked, &self.there), Self::named(asked, &self.absent));
        match is_page && !(there.is_empty() && absent.is_empty()) {
            true => Ok(page.of(&there)),
            false => self.others.answer(asked).await,
        }
    }
}
