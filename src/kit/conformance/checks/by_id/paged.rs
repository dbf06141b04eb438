//! Single instances on several pages. A provider may return fewer on a page than the driver asked for. As in other
//! lists, its cursor does not contain the filter.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;

use super::filtering::{Filtering, REMEDY};
use super::ids;
use crate::driver::Coverage;
use crate::driver::wire::{Answered, Asked, Tape};
use crate::kit::conformance::chain::{Link, parameters};
use crate::kit::conformance::document::{Document, Edit, Place};
use crate::kit::conformance::stage::{Outcome, Stage, answer, recorded, with_body};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, ResourceId};

/// Asks for an instance of each of two pages, by two short pages; says how many lists were tried.
pub(super) async fn tried(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    let lists = suite.lists().filter(|case| {
        let is_whole = matches!(&case.run.outcome, Ok(listing) if listing.coverage == Coverage::Complete);
        case.cassette.list == Kind::Instance && case.cassette.since.is_none() && is_whole
    });
    for case in lists {
        let Some(paged) = Link::of(case).and_then(|link| Paged::of(case, &link)).map(Arc::new) else { continue };
        tried += 1;
        let query: Vec<ResourceId> = paged.wanted.iter().filter_map(|id| ResourceId::parse(id.as_str()).ok()).collect();
        let target = suite.blank.stranger(&case.cassette);
        let run = suite.stand.list_ids(target, &case.cassette, &query, Arc::clone(&paged) as _).await;
        let [first, second] = paged.wanted.each_ref();
        let named = format!("asked for {first} and {second}, of which the provider gives one page each");
        let why = match paged.unlike(&run.asked) {
            // By one that asks for each alone, and one that finds out itself what comes next.
            _ if !paged.is_first_asked(&run.asked) => None,
            _ if !paged.is_second_asked(&run.asked) && !paged.says_what_is_next => None,
            Some(why) => Some(why),
            None => {
                let listed: BTreeSet<&str> = run.pages.iter().flatten().map(ResourceId::as_str).collect();
                let wanted: BTreeSet<&str> = paged.wanted.iter().map(String::as_str).collect();
                (listed != wanted).then(|| format!("{} came: {}", run.came(), Vec::from_iter(listed).join(", ")))
            }
        };
        if let Some(why) = why {
            verdict.find(case.finding(format!("{named}, {why}"), REMEDY));
        }
    }
    tried
}

/// The provider, that gives one instance on each of two pages.
struct Paged {
    wanted: [String; 2],
    others: Stage,
    /// The requests for the first page and the second of everything.
    requests: [Asked; 2],
    parameter: String,
    /// What a request for the second page has in it.
    cursor: String,
    says_what_is_next: bool,
    pages: [Answered; 2],
    /// All of the second page, for a request that does not say which.
    everything: Answered,
}

impl Paged {
    fn of(case: &Case, link: &Link) -> Option<Paged> {
        let all = ids(case.run.resources());
        let requests = link.requests();
        let page = |asked: &Asked| {
            let exchange = case.cassette.exchanges.iter().find(|exchange| exchange.request.fits(asked))?;
            let answered = recorded(exchange).ok()?;
            let document = Document::read(&answered.body)?;
            let entries = document.entries(&all);
            let alone = entries.iter().find_map(|entry| {
                let texts = document.nodes_in(entry).into_iter().filter_map(|node| node.text);
                let held: BTreeSet<String> = texts.filter(|text| all.contains(text.as_str())).collect();
                let [own] = Vec::from_iter(held).try_into().ok()?;
                Some((entry.clone(), own))
            });
            let (kept, own) = alone?;
            let removed = entries.into_iter().filter(|entry| *entry != kept).map(|entry| (entry, Edit::Remove));
            let nodes = document.nodes();
            let counts = nodes.iter().filter(|node| super::super::rows::counts(node, all.len()));
            let counts = counts.map(|node| (node.place.clone(), Edit::Text("2".to_owned())));
            let edits: Vec<(Place, Edit)> = removed.chain(counts).collect();
            Some((own, with_body(&answered, document.edited(&edits)), answered))
        };
        let (first, front, _) = page(&requests[0])?;
        let (second, back, everything) = page(&requests[1])?;
        (first != second).then_some(())?;
        let cursor = parameters(&requests[1]).get(link.parameter())?.clone();
        Some(Paged {
            wanted: [first, second],
            others: Stage::of(&case.cassette),
            requests: requests.clone(),
            parameter: link.parameter().to_owned(),
            cursor,
            says_what_is_next: link.says_what_is_next(),
            pages: [front, back],
            everything,
        })
    }

    fn is_page(&self, asked: &Asked) -> bool {
        asked.method == self.requests[0].method && asked.url.path() == self.requests[0].url.path()
    }

    fn is_second(&self, asked: &Asked) -> bool {
        self.is_page(asked) && parameters(asked).get(&self.parameter) == Some(&self.cursor)
    }

    fn names_all(&self, asked: &Asked) -> bool {
        Filtering::named(asked, &self.wanted).len() == self.wanted.len()
    }

    /// Whether both were asked for at once.
    fn is_first_asked(&self, asked: &[Asked]) -> bool {
        asked.iter().any(|asked| self.is_page(asked) && !self.is_second(asked) && self.names_all(asked))
    }

    fn is_second_asked(&self, asked: &[Asked]) -> bool {
        asked.iter().any(|asked| self.is_second(asked))
    }

    /// In what the request for the second page is not like the one for the first, where it is in a list of everything.
    fn unlike(&self, asked: &[Asked]) -> Option<String> {
        let names = |asked: &Asked| -> BTreeSet<String> {
            parameters(asked).into_keys().filter(|name| *name != self.parameter).collect()
        };
        let [first, second] = self.requests.each_ref();
        if !names(first).is_subset(&names(second)) {
            // A cursor that knows all that was asked for stands alone.
            return None;
        }
        let second = asked.iter().find(|asked| self.is_second(asked))?;
        (!self.names_all(second)).then(|| "the request for the second page does not name them".to_owned())
    }
}

#[async_trait]
impl Tape for Paged {
    async fn answer(&self, asked: &Asked) -> Outcome {
        if !self.is_page(asked) {
            return self.others.answer(asked).await;
        }
        let [front, back] = self.pages.each_ref();
        match (self.is_second(asked), self.names_all(asked)) {
            (true, true) => Ok(back.clone()),
            (true, false) => Ok(self.everything.clone()),
            (false, true) => Ok(front.clone()),
            (false, false) => match Filtering::named(asked, &self.wanted).is_empty() {
                true => self.others.answer(asked).await,
                false => Ok(answer(StatusCode::BAD_REQUEST, "text/plain", "one at a time is not what is tried")),
            },
        }
    }
}
