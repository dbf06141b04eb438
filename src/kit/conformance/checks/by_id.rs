//! Single instances, for drivers with the feature `by-id`. The suite makes a provider with a filter by id from the
//! recorded answers.

mod addressed;
mod filtering;
mod paged;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::Coverage;
use crate::kit::cassette::{Account, Cassette};
use crate::kit::conformance::report::{Finding, count};
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::{StandError, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, ResourceId, Timestamp};
use filtering::{Filtering, REMEDY};

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
        let Account { endpoints, secret, options, secrets, .. } = &case.cassette.account;
        place += 1;
        let roles: Vec<_> = endpoints.keys().collect();
        makes.insert((roles, secret.to_string(), options.keys().collect::<Vec<_>>(), secrets)) || place <= LISTS
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
                let made = addressed::tried(suite, &mut verdict).await;
                verdict.tried =
                    format!("it asks for each by an address of its own; lists of ids that are there: {made}");
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
