//! Single instances, by drivers that say that they can be asked for them: a provider that knows a filter by id is made of
//! the recorded answers.

mod paged;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::repeating::ids;
use crate::driver::Coverage;
use crate::driver::cassette::{Account, Cassette};
use crate::driver::conformance::document::{Document, Edit, Fresh, Place};
use crate::driver::conformance::stage::{Outcome, Stage, recorded, with_body};
use crate::driver::conformance::{Case, Finding, Run, StandError, Suite, Verdict, count};
use crate::driver::wire::{Answered, Asked, Tape};
use crate::model::{Kind, MOST_IDS, ResourceId, Timestamp};

const REMEDY: &str = "ask the provider for these ids alone, with a filter that takes one that is not there for no error; a \
                      driver that can't has no feature `by-id`";

/// How many ids any provider takes at once.
const SHORT: usize = 4;
/// How many lists of any account it is tried with: one of several pages, and the one with the most instances on its last
/// page. Beside them stands one for each make of an account, which may have code of its own.
const LISTS: usize = 2;
/// How long ago it was that a driver which asks nobody is asked what there was: what was there then may be gone.
const AGO: [Duration; 3] = [Duration::from_secs(3_600), Duration::from_secs(86_400), Duration::from_secs(30 * 86_400)];
/// How many ids of each of these times are asked for.
const FORMER: usize = 20;

pub(super) async fn alone(suite: &Suite) -> Result<Verdict, StandError> {
    let recorded: Vec<&Case> = suite.cases.iter().filter(|case| !case.cassette.ids.is_empty()).collect();
    if !suite.stand.driver.info().by_id {
        let mut verdict = Verdict::nothing("its `describe` does not have the feature `by-id`");
        for case in recorded {
            verdict.find(case.finding(
                "it has `ids`, and a driver without the feature `by-id` is asked for everything",
                "give the feature `by-id` in `describe`, or take `ids` out of the cassette",
            ));
        }
        return Ok(verdict);
    }
    let mut tried = match suite.makes_requests() {
        true => recorded_lists(suite),
        false => made_up_lists(suite).await,
    };
    tried.sort_by_key(|(case, _)| std::cmp::Reverse(case.run.pages.len()));
    if let Some(most) = (1..tried.len()).max_by_key(|&at| tried[at].1.there.len()) {
        tried.swap(1, most);
    }
    let mut makes = BTreeSet::new();
    let mut place = 0;
    tried.retain(|(case, _)| {
        let Account { options, secrets, .. } = &case.cassette.account;
        place += 1;
        makes.insert((options.keys().collect::<Vec<_>>(), secrets)) || place <= LISTS
    });
    let mut verdict = Verdict::default();
    let mut queries = 0;
    for (case, filtering) in &tried {
        for query in filtering.queries() {
            queries += 1;
            let ids: Vec<ResourceId> = query.iter().filter_map(|id| ResourceId::parse(id.as_str()).ok()).collect();
            let target = suite.blank.stranger(&case.cassette);
            let run = suite.stand.list_ids(target, &case.cassette, &ids, Arc::clone(filtering) as _).await;
            if run.asked.iter().any(|asked| filtering.is_in_path(asked)) {
                verdict.tried = "it asks for each by an address of its own, of which there is no answer to make".into();
                return Ok(verdict);
            }
            if let Some(why) = filtering.fault(case, &query, &run) {
                let named = match query.as_slice() {
                    [first, .., last] if query.len() > 4 => format!("{} ids, from {first} to {last}", query.len()),
                    few => few.join(", "),
                };
                verdict.find(case.finding(format!("asked for {named}, {why}"), REMEDY));
            }
        }
    }
    let paged = paged::tried(suite, &mut verdict).await;
    // What a provider makes of an id that it does not have is its own: an error for all of them, say.
    let shows_absent = |case: &&Case| {
        let there = case.cassette.expect.ids.as_ref();
        there.is_some_and(|there| case.cassette.ids.iter().any(|id| !there.iter().any(|own| own == id.as_str())))
    };
    if suite.makes_requests() && !recorded.iter().any(shows_absent) {
        verdict.find(Finding {
            cassette: None,
            why:
                "it has the feature `by-id`, and no cassette shows what comes for an id that the provider does not have"
                    .into(),
            what_to_do:
                "record one that asks for an instance that is there and for one that is not (tracker driver record \
                         --list instances --ids ID,ID)"
                    .into(),
        });
    }
    let names: Vec<&str> = tried.iter().map(|(case, _)| case.name()).collect();
    verdict.tried = match names.is_empty() {
        true => "nothing: no complete list has an instance in an entry of its own, beside another one".into(),
        false => {
            format!("{} of ids that are there and that are not, in {}", count(queries, "list"), names.join(" and "))
        }
    };
    if paged > 0 {
        verdict.tried.push_str(&format!("; on several pages: {paged}"));
    }
    Ok(verdict)
}

/// The lists that a provider with a filter can be made of.
fn recorded_lists(suite: &Suite) -> Vec<(&Case, Arc<Filtering>)> {
    suite
        .lists()
        .filter(|case| case.cassette.list == Kind::Instance && case.cassette.since.is_none())
        .filter(|case| case.run.resources().len() > 1)
        .filter(|case| matches!(&case.run.outcome, Ok(listing) if listing.coverage == Coverage::Complete))
        .filter_map(|case| Some((case, Arc::new(Filtering::of(case)?))))
        .collect()
}

/// What a driver lists that asks nobody, for each account and time that a cassette has, with what it listed before.
async fn made_up_lists(suite: &Suite) -> Vec<(&Case, Arc<Filtering>)> {
    let mut lists: Vec<(&Case, Arc<Filtering>)> = Vec::new();
    for case in suite.lists().filter(|case| case.cassette.list == Kind::Instance) {
        let Cassette { account, at, .. } = &case.cassette;
        if lists.iter().any(|(other, _)| (&other.cassette.account, other.cassette.at) == (account, *at)) {
            continue;
        }
        let list = async |at: Timestamp| {
            let cassette = Cassette { at, since: None, ..case.cassette.clone() };
            suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await
        };
        let now = list(*at).await;
        let there: Vec<String> = now.resources().iter().map(|resource| resource.id().to_string()).collect();
        let mut former = Vec::new();
        for ago in AGO {
            let then = list(at.before(ago)).await;
            let ids = then.resources().iter().map(|resource| resource.id().to_string());
            former.extend(ids.filter(|id| !there.contains(id)).take(FORMER));
        }
        if !there.is_empty() {
            lists.push((case, Arc::new(Filtering::alone(case, there, former))));
        }
    }
    lists
}

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
struct Filtering {
    /// Ids that it has.
    there: Vec<String>,
    /// Ids that it does not have.
    absent: Vec<String>,
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
    fn alone(case: &Case, there: Vec<String>, former: Vec<String>) -> Filtering {
        let taken: HashSet<&str> = there.iter().map(String::as_str).collect();
        let absent = absent(&there[0], &taken, former);
        Filtering { there, absent, page: None, others: Stage::of(&case.cassette) }
    }

    fn of(case: &Case) -> Option<Filtering> {
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
        let counts = nodes.iter().filter(|node| super::rows::counts(node, ids.len())).map(|node| node.place.clone());
        let counts = counts.collect();
        let request = &case.cassette.exchanges[at].request;
        let asked = case.run.asked.iter().find(|asked| request.fits(asked))?.clone();
        Some(Filtering { there, absent, page: Some(Page { answered, document, entries, counts, asked }), others })
    }

    /// What is asked for: what is there and what is not, in every order, twice, and as many as there may be.
    fn queries(&self) -> Vec<Vec<String>> {
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
    fn named<'a>(asked: &Asked, ids: &'a [String]) -> Vec<&'a String> {
        let url = percent_encoding::percent_decode_str(asked.url.as_str()).decode_utf8_lossy().into_owned();
        let body = percent_encoding::percent_decode(&asked.body).decode_utf8_lossy().into_owned();
        let is_other = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | ':');
        let words: HashSet<&str> = [&url, &body].into_iter().flat_map(|text| text.split(is_other)).collect();
        ids.iter().filter(|id| words.contains(id.as_str())).collect()
    }

    fn is_in_path(&self, asked: &Asked) -> bool {
        let mut parts = asked.url.path_segments().into_iter().flatten();
        parts.any(|part| self.there.iter().chain(&self.absent).any(|id| id == part))
    }

    /// What is wrong with a list of these ids.
    fn fault(&self, case: &Case, query: &[String], run: &Run) -> Option<String> {
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
