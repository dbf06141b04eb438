//! Deltas, for drivers with the feature `delta`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::driver::{Coverage, Listing};
use crate::kit::cassette::{Cassette, Expect};
use crate::kit::conformance::chain::parameters;
use crate::kit::conformance::report::{Finding, count};
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::{Run, StandError};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::times;
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Resource, ResourceId, Timestamp};

/// Since when it is asked what changed, in spans of a cassette's: over a long one more changes than fits on a page.
const SPANS: [u32; 3] = [1, 10, 100];

/// Of a driver that asks nobody it is known what there is at any time: what changed since then makes the list of now out of
/// the one of then. Says how often that was tried.
async fn adds_up(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.changes().filter(|case| case.cassette.exchanges.is_empty()) {
        let Some(since) = case.cassette.since else { continue };
        let now = case.cassette.at;
        let list = async |at: Timestamp, since: Option<Timestamp>| {
            let cassette = Cassette { at, since, ..case.cassette.clone() };
            suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await
        };
        for spans in SPANS {
            let then = now.before(now.since(since).saturating_mul(spans));
            let (before, after, changed) = (list(then, None).await, list(now, None).await, list(now, Some(then)).await);
            let Ok(Listing { coverage: Coverage::Delta(gone), .. }) = &changed.outcome else { continue };
            tried += 1;
            let mut known: HashMap<&ResourceId, &Resource> = HashMap::new();
            let told = before.resources().iter().chain(changed.resources());
            known.extend(told.map(|resource| (resource.id(), resource)));
            let untold = after.resources().iter().find(|resource| known.get(resource.id()) != Some(resource));
            if let Some(resource) = untold {
                verdict.find(case.finding(
                    format!("since {then}, {} changed, and it is not listed as it is now", resource.id()),
                    "list everything that changed, from the first page to the last",
                ));
            }
            if let Some(there) = after.resources().iter().find(|resource| gone.contains(resource.id())) {
                verdict.find(case.finding(
                    format!("since {then}, {} is said to be gone, and it is there", there.id()),
                    "name what is gone, and nothing else",
                ));
            }
        }
    }
    tried
}

/// Asks for what changed since an earlier time, which has to stand in some request; says how often.
async fn since_earlier(suite: &Suite, verdict: &mut Verdict) -> usize {
    const EARLIER: Duration = Duration::from_secs(37 * 86_400 + 3 * 3_600 + 11);
    let mut tried = 0;
    for case in suite.changes().filter(|case| !case.cassette.exchanges.is_empty()) {
        let Some(since) = case.cassette.since else { continue };
        tried += 1;
        let cassette = Cassette { since: Some(since.before(EARLIER)), ..case.cassette.clone() };
        let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette).rearranged()).await;
        let asked = |run: &Run| -> Vec<_> {
            run.asked.iter().map(|asked| (asked.url.clone(), asked.headers.clone(), asked.body.clone())).collect()
        };
        let is_whole = matches!(&run.outcome, Ok(listing) if listing.coverage == Coverage::Complete);
        if asked(&run) == asked(&case.run) && !is_whole {
            verdict.find(case.finding(
                format!("since {}, it asks for the same as since {since}", since.before(EARLIER)),
                "ask for what changed since the time that the query names",
            ));
        }
    }
    tried
}

/// Asks for what changed since a time between two seconds: no request may name a later one. Says how often.
async fn since_between(suite: &Suite, verdict: &mut Verdict) -> usize {
    /// Within how much of it a time in a request is the one of the query.
    const NEAR: Duration = Duration::from_secs(60);
    let mut tried = 0;
    for case in suite.changes().filter(|case| !case.cassette.exchanges.is_empty()) {
        let Some(recorded) = case.cassette.since else { continue };
        for millis in [1, 499, 999] {
            let since = Timestamp::from_millis(recorded.as_seconds() * 1000 + millis);
            let cassette = Cassette { since: Some(since), ..case.cassette.clone() };
            let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette).rearranged()).await;
            tried += 1;
            let later = run.asked.iter().find_map(|asked| {
                let values = parameters(asked).into_iter();
                let mut named = values
                    .flat_map(|(place, value)| times::read(&value).into_iter().map(move |at| (place.clone(), at)));
                named.find(|(_, at)| *at > since && at.since(since) < NEAR)
            });
            if let Some((place, at)) = later {
                verdict.find(case.finding(
                    format!("since {since}, it asks for what changed since {at}, in {place}"),
                    "round a time down to what the provider takes: what changed in between is missed until everything is listed",
                ));
                break;
            }
        }
    }
    tried
}

pub(super) async fn whole(suite: &Suite) -> Result<Verdict, StandError> {
    let asked = suite.cases.iter().filter(|case| case.cassette.since.is_some());
    if !suite.stand.driver.info().delta {
        let mut verdict = Verdict::nothing("its `describe` does not have the feature `delta`");
        for case in asked {
            verdict.find(case.finding(
                "it has `since`, and a driver without the feature `delta` is asked for everything",
                "give the feature `delta` in `describe`, or take `since` out of the cassette",
            ));
        }
        return Ok(verdict);
    }
    let is_delta = |case: &&Case| {
        let listing = case.run.outcome.as_ref();
        listing.is_ok_and(|listing| matches!(listing.coverage, Coverage::Delta(_)))
    };
    let shown = suite.changes().filter(is_delta).count();
    let mut verdict = Verdict::tried(format!("{} since a time; deltas: {shown}", count(asked.count(), "list")));
    for case in suite.changes() {
        let Expect { coverage, gone, .. } = case.cassette.expect.clone();
        let expect = Expect { coverage, gone, states: BTreeMap::new(), ..Expect::default() };
        for why in expect.differences(case.run.outcome.as_ref().map_err(|failure| &failure.error)) {
            verdict.find(case.finding(
                why,
                "say `delta` for a list of what changed, with the id of everything that is no more: what is missing from \
                 one that says it is complete is taken for gone, and what a delta leaves out for what it was",
            ));
        }
    }
    let earlier = since_earlier(suite, &mut verdict).await;
    if earlier > 0 {
        verdict.tried.push_str(&format!("; since an earlier time: {earlier}"));
    }
    let between = since_between(suite, &mut verdict).await;
    if between > 0 {
        verdict.tried.push_str(&format!("; since a time between two seconds: {between}"));
    }
    let added = adds_up(suite, &mut verdict).await;
    if added > 0 {
        verdict.tried.push_str(&format!("; lists of then and of now that have to add up: {added}"));
    }
    if shown == 0 {
        verdict.find(Finding {
            cassette: None,
            why: "it has the feature `delta`, and no cassette shows a list of what changed".into(),
            what_to_do: "record one (tracker driver record --list instances --since TIME)".into(),
        });
    }
    Ok(verdict)
}
