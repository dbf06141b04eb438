//! Single instances that a driver asks for by an address of their own. A cassette shows the answer for one instance; the
//! suite makes the answers for others from it, beside a list with all of them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::driver::Coverage;
use crate::driver::wire::{Answered, Asked, Tape};
use crate::kit::cassette::Request;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::stage::{Outcome, Stage, recorded, with_body};
use crate::kit::conformance::stand::ids;
use crate::kit::conformance::suite::{Case, Suite, has_in_path};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, MOST_IDS, ResourceId};

const REMEDY: &str = "list each of the ids that the provider has, whether they are asked for one by one or, where they are \
                      many, in a list of everything";

/// How many ids are asked for at once: few, more than most drivers ask for one by one, and as many as the host asks for.
const COUNTS: [usize; 3] = [5, 25, MOST_IDS];

/// Asks for instances that are all there; says how many lists were tried.
pub(super) async fn tried(suite: &Suite, verdict: &mut Verdict) -> usize {
    let singles = suite.cases.iter().filter(|case| !case.cassette.ids.is_empty() && case.run.outcome.is_ok());
    let mut tried = 0;
    for (case, provider) in singles.filter_map(|case| Some((case, Arc::new(Addressed::of(suite, case)?)))).take(1) {
        // One that is not there says nothing of those behind it.
        let queries = COUNTS.map(|count| (None, count));
        for (absent, count) in queries.into_iter().chain(absent(case).map(|absent| (Some(absent), COUNTS[0]))) {
            let there = provider.there.iter().take(count).filter_map(|id| ResourceId::parse(id.as_str()).ok());
            let query: Vec<ResourceId> = absent.into_iter().cloned().chain(there).collect();
            let target = suite.blank.stranger(&case.cassette);
            let run = suite.stand.list_ids(target, &case.cassette, &query, Arc::clone(&provider) as _).await;
            // A driver that asks for more than that, or in another way, asks for what there is no answer to make of.
            if provider.is_baffled.load(Ordering::Relaxed) {
                break;
            }
            tried += 1;
            let listed: BTreeSet<&str> = run.pages.iter().flatten().map(ResourceId::as_str).collect();
            let missing = query.iter().find(|id| Some(*id) != absent && !listed.contains(id.as_str()));
            let why = match (&run.outcome, missing) {
                (Err(_), _) => format!("{} came", run.came()),
                (Ok(_), Some(missing)) => format!("{missing} is not listed"),
                (Ok(_), None) => continue,
            };
            let asked = match absent {
                Some(absent) => format!("asked for {absent}, which is not there, and {count} ids that are"),
                None => format!("asked for {count} ids that are all there"),
            };
            verdict.find(case.finding(format!("{asked}, {why}"), REMEDY));
            break;
        }
    }
    tried
}

/// The first id of a case that its provider does not have.
fn absent(case: &Case) -> Option<&ResourceId> {
    let there = ids(case.run.resources());
    case.cassette.ids.iter().find(|id| !there.contains(id.as_str()))
}

/// The provider.
struct Addressed {
    there: Vec<String>,
    /// The id of the recorded answer.
    like: String,
    request: Request,
    answered: Answered,
    /// Everything else, with a list of all that is there.
    others: Stage,
    /// Whether it was asked for something that it has no answer for.
    is_baffled: AtomicBool,
}

impl Addressed {
    fn of(suite: &Suite, single: &Case) -> Option<Addressed> {
        let known = ids(single.run.resources());
        let (exchange, like) = single.cassette.exchanges.iter().find_map(|exchange| {
            let like = known.iter().find(|id| has_in_path(&exchange.request.url, id))?;
            Some((exchange, (*like).to_owned()))
        })?;
        let answered = recorded(exchange).ok()?;
        let account = &single.cassette.account;
        let mut lists: Vec<&Case> = suite
            .lists()
            .filter(|case| {
                let is_whole = matches!(&case.run.outcome, Ok(listing) if listing.coverage == Coverage::Complete);
                is_whole
                    && case.cassette.list == Kind::Instance
                    && case.cassette.since.is_none()
                    && case.cassette.account == *account
            })
            .collect();
        lists.sort_by_key(|case| std::cmp::Reverse(case.run.resources().len()));
        let (list, at, body, there) = lists.into_iter().find_map(|list| {
            let listed = ids(list.run.resources());
            let (at, document) = list.cassette.exchanges.iter().enumerate().find_map(|(at, exchange)| {
                let document = Document::read(&recorded(exchange).ok()?.body)?;
                (document.count(&listed) > 0).then_some((at, document))
            })?;
            let taken: HashSet<&str> = listed.iter().chain(&known).copied().collect();
            let grown = document.grown(&taken, MOST_IDS, listed.len())?;
            Some((list, at, grown.body, grown.added.into_iter().take(MOST_IDS).collect::<Vec<_>>()))
        })?;
        let whole = with_body(&recorded(&list.cassette.exchanges[at]).ok()?, body);
        let others = Stage::of(&list.cassette).rearranged().with(at, Ok(whole));
        let others = others.beside([&single.cassette].into_iter());
        let (request, is_baffled) = (exchange.request.clone(), AtomicBool::new(false));
        Some(Addressed { there, like, request, answered, others, is_baffled })
    }
}

#[async_trait]
impl Tape for Addressed {
    async fn answer(&self, asked: &Asked) -> Outcome {
        let of_like = |id: &String| {
            let mut like = asked.clone();
            let path = asked.url.path().replace(id.as_str(), &self.like);
            like.url.set_path(&path);
            self.request.fits(&like)
        };
        let named = |id: &&String| has_in_path(&asked.url, id);
        match self.there.iter().find(named) {
            Some(id) if of_like(id) => {
                let mut exchanged = |text: &str| text.contains(&self.like).then(|| text.replace(&self.like, id));
                let body = Document::read(&self.answered.body).and_then(|body| body.with_values(&mut exchanged));
                Ok(body.map_or_else(|| self.answered.clone(), |body| with_body(&self.answered, body)))
            }
            _ => {
                let outcome = self.others.answer(asked).await;
                self.is_baffled.fetch_or(outcome.is_err(), Ordering::Relaxed);
                outcome
            }
        }
    }
}
