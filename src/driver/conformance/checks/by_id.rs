//! Single instances, by drivers that say that they can be asked for them: a provider that knows a filter by id is made of
//! the recorded answers.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::repeating::ids;
use crate::driver::Coverage;
use crate::driver::conformance::document::{Document, Edit, Fresh, Place};
use crate::driver::conformance::stage::{Outcome, Stage, recorded, with_body};
use crate::driver::conformance::{Case, Run, StandError, Suite, Verdict};
use crate::driver::wire::{Answered, Asked, Tape};
use crate::model::{Kind, ResourceId};

const REMEDY: &str = "ask the provider for these ids alone, with a filter that takes one that is not there for no error; a \
                      driver that can't has no feature `by-id`";

pub(super) async fn alone(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.stand.driver.info().by_id {
        return Ok(Verdict::nothing("its `describe` does not have the feature `by-id`"));
    }
    let mut cases: Vec<&Case> = suite
        .lists()
        .filter(|case| case.cassette.list == Kind::Instance && case.cassette.since.is_none())
        .filter(|case| case.run.resources().len() > 1)
        .filter(|case| matches!(&case.run.outcome, Ok(listing) if listing.coverage == Coverage::Complete))
        .collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.run.pages.len()));
    let tried = cases.into_iter().find_map(|case| Some((case, Filtering::of(case)?)));
    let Some((case, filtering)) = tried else {
        return Ok(Verdict::nothing("no complete list has an instance in an entry of its own, beside another one"));
    };
    let filtering = Arc::new(filtering);
    let mut verdict = Verdict::tried(format!("{} and an id that is not there, of {}", filtering.there, case.name()));
    let wanted: Vec<ResourceId> = [&filtering.there, &filtering.absent]
        .into_iter()
        .filter_map(|id| ResourceId::parse(id.as_str()).ok())
        .collect();
    let target = suite.blank.stranger(&case.cassette);
    let run = suite.stand.list_ids(target, &case.cassette, &wanted, Arc::clone(&filtering) as _).await;
    if run.asked.iter().any(|asked| filtering.is_in_path(asked)) {
        verdict.tried.push_str("; it asks for each by an address of its own, of which there is no answer to make");
        return Ok(verdict);
    }
    if let Some(why) = filtering.fault(case, &run) {
        verdict.find(case.finding(format!("asked for {} and {}, {why}", filtering.there, filtering.absent), REMEDY));
    }
    Ok(verdict)
}

/// The provider, with a filter.
struct Filtering {
    /// An id that it has, and one that it does not.
    there: String,
    absent: String,
    /// A page with that instance alone, and one with none; none of a driver that asks nobody.
    pages: Option<[Answered; 2]>,
    /// What a request for a page is like.
    page: Option<Asked>,
    others: Stage,
}

impl Filtering {
    fn of(case: &Case) -> Option<Filtering> {
        let ids = ids(case.run.resources());
        let others = Stage::of(&case.cassette).rearranged();
        if case.cassette.exchanges.is_empty() {
            let there = case.run.resources().last()?.id().to_string();
            let absent = Fresh::beside(&ids).like(&there);
            return Some(Filtering { there, absent, pages: None, page: None, others });
        }
        // The last page has no cursor.
        let exchanges = case.cassette.exchanges.iter().enumerate().rev();
        let last = exchanges.filter_map(|(at, exchange)| {
            let answered = recorded(exchange).ok()?;
            let document = Document::read(&answered.body)?;
            let entries = document.entries(&ids);
            (!entries.is_empty()).then_some((at, answered, document, entries))
        });
        let (at, answered, document, entries) = last.into_iter().next()?;
        let held = |entry: &Place| -> Vec<String> {
            let nodes = document.nodes_in(entry).into_iter();
            let texts: HashSet<String> = nodes.filter_map(|node| node.text).collect();
            texts.into_iter().filter(|text| ids.contains(text.as_str())).collect()
        };
        let alone = entries.iter().find_map(|entry| match held(entry).as_slice() {
            [one] => Some((entry, one.clone())),
            _ => None,
        });
        let (own, there) = alone?;
        let page = |kept: Option<&Place>| {
            let removed = entries.iter().filter(|entry| Some(*entry) != kept);
            let count = usize::from(kept.is_some()).to_string();
            let nodes = document.nodes();
            let counts = nodes.iter().filter(|node| super::rows::counts(node, ids.len()));
            let edits: Vec<_> = removed
                .map(|entry| (entry.clone(), Edit::Remove))
                .chain(counts.map(|node| (node.place.clone(), Edit::Text(count.clone()))))
                .collect();
            with_body(&answered, document.edited(&edits))
        };
        let request = &case.cassette.exchanges[at].request;
        let is_page = |asked: &&Asked| request.fits(asked);
        Some(Filtering {
            pages: Some([page(Some(own)), page(None)]),
            page: Some(case.run.asked.iter().find(is_page)?.clone()),
            absent: Fresh::beside(&ids).like(&there),
            there,
            others,
        })
    }

    /// Whether a request names an id.
    fn names(asked: &Asked, id: &str) -> bool {
        let url = percent_encoding::percent_decode_str(asked.url.as_str()).decode_utf8_lossy().into_owned();
        let body = percent_encoding::percent_decode(&asked.body).decode_utf8_lossy().into_owned();
        let is_other = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | ':');
        [url, body].iter().any(|text| text.split(is_other).any(|word| word == id))
    }

    fn is_in_path(&self, asked: &Asked) -> bool {
        let mut parts = asked.url.path_segments().into_iter().flatten();
        parts.any(|part| part == self.there || part == self.absent)
    }

    /// What is wrong with a list of these two.
    fn fault(&self, case: &Case, run: &Run) -> Option<String> {
        if run.outcome.is_err() {
            return Some(format!("a list with the one that is there was expected, and {} came", run.came()));
        }
        let others = run.pages.iter().flatten().find(|id| ![&self.there, &self.absent].contains(&&id.to_string()));
        if let Some(other) = others {
            return Some(format!("it lists {other}, too"));
        }
        if !run.resources().iter().any(|resource| resource.id().as_str() == self.there) {
            return Some(format!("{} is not listed", self.there));
        }
        let (full, now) = (case.run.asked.len(), run.asked.len());
        if now > full || now == full && now > 0 && case.run.pages.len() > 1 {
            return Some(format!("it makes {now} requests, and {full} for everything"));
        }
        None
    }
}

#[async_trait]
impl Tape for Filtering {
    async fn answer(&self, asked: &Asked) -> Outcome {
        let is_page = |page: &Asked| page.method == asked.method && page.url.path() == asked.url.path();
        match (&self.pages, &self.page) {
            (Some([with, without]), Some(page)) if is_page(page) => {
                match (Self::names(asked, &self.there), Self::names(asked, &self.absent)) {
                    (true, _) => Ok(with.clone()),
                    (false, true) => Ok(without.clone()),
                    (false, false) => self.others.answer(asked).await,
                }
            }
            _ => self.others.answer(asked).await,
        }
    }
}
