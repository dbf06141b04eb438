//! The same list again: in a different order, in a different sandbox, with a session, in a fresh engine.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use http::StatusCode;

use crate::driver::wire::Asked;
use crate::kit::conformance::document::{Document, Edit, Order};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::{Stage, answer, recorded, with_body};
use crate::kit::conformance::stand::{StandError, difference, ids, is_alike};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::Resource;

pub(super) async fn stable_ids(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so there is no order to change"));
    }
    let mut verdict = Verdict::default();
    let (mut tried, mut unread) = (0, 0);
    for case in suite.lists().filter(|case| case.run.resources().len() > 1) {
        let ids = ids(case.run.resources());
        let mut stage = Stage::of(&case.cassette).rearranged();
        let mut changed = false;
        for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
            if let Ok(answered) = recorded(exchange)
                && let Some(document) = Document::read(&answered.body)
                && let Some(body) = document.reversed(&ids)
            {
                stage = stage.with(at, Ok(with_body(&answered, body)));
                changed = true;
            }
        }
        if !changed {
            unread += 1;
            continue;
        }
        tried += 1;
        let run = suite.list(case, stage).await;
        if !run.is_same(&case.run) {
            let what = match &run.outcome {
                Ok(listing) => difference(case.run.resources(), &listing.resources),
                Err(_) => run.came(),
            };
            verdict.find(case.finding(
                format!("with the entries of its answers in the opposite order another list came: {what}"),
                "take each field of a resource from the resource's own entry: no place in a list, no neighbour's",
            ));
        }
    }
    let mut large = 0;
    for case in suite.richest() {
        for make in NUMBERS {
            let Some((stage, wanted)) = with_numbers(case, make) else { continue };
            large += 1;
            let run = suite.list(case, stage).await;
            let listed = ids(run.resources());
            if listed.len() != wanted.len() || wanted.iter().any(|id| !listed.contains(id.as_str())) {
                let first: Vec<&str> = wanted.iter().take(2).map(String::as_str).collect();
                verdict.find(case.finding(
                    format!("with ids such as {} in its answers, {} came", first.join(" and "), run.came()),
                    "keep an id as the provider writes it, or in 64 bits: a number that only grows does not stay small, and two \
                     numbers that differ in one digit are two ids",
                ));
            }
        }
    }
    let odd = super::odd_ids::kept(suite, &mut verdict).await;
    let moved = super::pages::entries_change_pages(suite, &mut verdict).await;
    let mut ordered = 0;
    for case in suite.lists() {
        for order in Order::ALL {
            let Some(stage) = in_order(case, order) else { continue };
            ordered += 1;
            let run = suite.list(case, stage).await;
            if !is_alike(&case.run, &run) {
                let what = match &run.outcome {
                    Ok(listing) => difference(case.run.resources(), &listing.resources),
                    Err(_) => run.came(),
                };
                verdict.find(case.finding(
                    format!("with the members of its answers {} another list came: {what}", order.name()),
                    "know a member by its name, wherever it stands: a provider may write them in any order",
                ));
            }
        }
    }
    verdict.tried = format!(
        "{} with the entries in the opposite order, {ordered} with their members in another, {large} with other numbers for ids, {odd} with \
         odd ids, {moved} with the entries on other pages",
        count(tried, "list")
    );
    if unread > 0 {
        verdict.tried.push_str(&format!("; without an answer with two entries that are JSON or XML: {unread}"));
    }
    Ok(verdict)
}

/// The largest number that JSON has in every language.
const LARGEST: u64 = (1 << 53) - 1;

/// The id in the place of one, by its number in the list; none where there are no more of that make.
type Number = fn(u64) -> Option<u64>;

/// Numbers of 53 bits, numbers that have all but their first digits in common, and numbers of which one begins with another.
const NUMBERS: [Number; 3] = [
    |at| LARGEST.checked_sub(at),
    |at| Some((at + 1) * 1_000_000_000 + 7).filter(|number| *number < LARGEST),
    |at| Some((at / 14 + 1) * 10_u64.pow(u32::try_from(at % 14).ok()?)).filter(|_| at / 14 < 9),
];

/// A case's answers with other numbers for ids, and these; none where ids are no numbers in JSON.
fn with_numbers(case: &Case, make: Number) -> Option<(Stage, BTreeSet<String>)> {
    let ids = ids(case.run.resources());
    let mut others: BTreeMap<String, String> = BTreeMap::new();
    let mut stage = Stage::of(&case.cassette).rearranged();
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let Some(document) = Document::read(&answered.body) else { continue };
        let Some(path) = document.id_path(&ids) else { continue };
        let held = document.nodes().into_iter().filter(|node| node.path == path && document.is_number(&node.place));
        let mut edits = Vec::new();
        for node in held {
            let Some(own) = node.text.filter(|text| ids.contains(text.as_str())) else { continue };
            let next = make(others.len() as u64)?.to_string();
            let new = others.entry(own).or_insert(next);
            edits.push((node.place, Edit::Text(new.clone())));
        }
        stage = stage.with(at, Ok(with_body(&answered, document.edited(&edits))));
    }
    (!others.is_empty() && others.len() == ids.len()).then(|| (stage, others.into_values().collect()))
}

/// A case's answers with their members in another order.
fn in_order(case: &Case, order: Order) -> Option<Stage> {
    let mut stage = Stage::of(&case.cassette);
    let mut changed = false;
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let body = Document::read(&answered.body).map(|document| document.ordered(order));
        if let Some(body) = body.filter(|body| *body != answered.body) {
            stage = stage.with(at, Ok(with_body(&answered, body)));
            changed = true;
        }
    }
    changed.then_some(stage)
}

pub(super) async fn deterministic(suite: &Suite) -> Result<Verdict, StandError> {
    const TIMES: usize = 3;
    let mut verdict = Verdict::tried(format!("each cassette {TIMES} times more"));
    for case in &suite.cases {
        for _ in 0..TIMES {
            let run = suite.list(case, Stage::of(&case.cassette)).await;
            if !run.is_same(&case.run) {
                let what = match (&case.run.outcome, &run.outcome) {
                    (Ok(before), Ok(now)) => difference(&before.resources, &now.resources),
                    _ => format!("{}, and then {}", case.run.came(), run.came()),
                };
                verdict.find(case.finding(
                    format!("the same answers gave another list: {what}"),
                    "take nothing from randomness or from a hash table's order: each difference would be a change that \
                     clients are told of",
                ));
                break;
            }
        }
    }
    Ok(verdict)
}

/// What a token looks like that a provider takes no longer.
const STALE: &str = "suite-stale-token";

pub(super) async fn session(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let (mut tried, mut kept) = (0, 0);
    for case in suite.lists() {
        tried += 1;
        let target = suite.blank.stranger(&case.cassette);
        let list = |stage| suite.stand.list_as(target.clone(), &case.cassette, Arc::new(stage));
        let stage = || Stage::of(&case.cassette);
        let empty = list(stage()).await;
        let filled = list(stage()).await;
        if !filled.is_same(&empty) {
            let what = case.difference_to(&filled);
            verdict.find(case.finding(
                format!("the second poll, with a session, gave another list than the first: {what}"),
                "what is kept in the session may spare a login, and nothing else",
            ));
        }
        // What was there at the last poll is not what is there now.
        let fresh = suite.list(case, renewed(case)).await;
        let after = list(renewed(case)).await;
        if !after.is_same(&fresh) {
            let what = match (&fresh.outcome, &after.outcome) {
                (Ok(fresh), Ok(after)) => difference(&fresh.resources, &after.resources),
                _ => after.came(),
            };
            verdict.find(case.finding(
                format!("with a session of an earlier poll, what the provider answers now was not listed: {what}"),
                "list what the provider answers in this poll; what is kept in the session may spare a login, and nothing \
                 else",
            ));
        }
        if let Some(last) = case.cassette.exchanges.len().checked_sub(1) {
            let failed = answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "no");
            let _ = list(stage().with(last, Ok(failed))).await;
            let again = list(stage()).await;
            if !again.is_same(&empty) {
                let what = case.difference_to(&again);
                verdict.find(case.finding(
                    format!("after a poll that failed at its last request, another list came: {what}"),
                    "begin each list at its first page",
                ));
            }
        }
        if !suite.stand.spoil_session(&target, STALE) {
            continue;
        }
        kept += 1;
        let spoiled = list(stage().refusing(STALE)).await;
        if !spoiled.is_same(&empty) {
            let what = case.difference_to(&spoiled);
            let in_query = |asked: &Asked| asked.url.query().is_some_and(|query| query.contains(STALE));
            let finding = match spoiled.asked.iter().find(|asked| in_query(asked)) {
                Some(asked) => case.finding(
                    format!("what it keeps in the session stands in the query of {} {}: {what}", asked.method, asked.url),
                    "begin each list at its first page: keep what spares a login, and nothing that says where in a list \
                     an earlier poll was",
                ),
                None => case.finding(
                    format!("with a token in the session that the provider answers with 401, another list came: {what}"),
                    "a token may end before its time: where the provider refuses one that came from the session, log in \
                     anew in the same poll, once",
                ),
            };
            verdict.find(finding);
        }
    }
    let later = super::later::over_sessions(suite, &mut verdict).await;
    let outages = super::outage::over_sessions(suite, &mut verdict).await;
    let revoked = super::kept::refused(suite, &mut verdict).await;
    verdict.tried = match kept {
        0 => format!("{} twice as one account; it keeps nothing in the session", count(tried, "list")),
        _ => {
            let tried = count(tried, "list");
            format!("{tried} twice as one account; {kept} of them with a session that is worth nothing any more")
        }
    };
    if later > 0 {
        verdict.tried.push_str(&format!("; with a session minutes, hours and days later: {later}"));
    }
    if revoked > 0 {
        verdict.tried.push_str(&format!("; with a login that the provider takes no longer: {revoked}"));
    }
    if outages > 0 {
        verdict.tried.push_str(&format!("; outages over a session: {outages}"));
    }
    Ok(verdict)
}

/// The provider after a while: its resources have other names, and the last one is gone.
fn renewed(case: &Case) -> Stage {
    let ids = ids(case.run.resources());
    let names: HashSet<&str> = case.run.resources().iter().filter_map(Resource::name).collect();
    let mut stage = Stage::of(&case.cassette).rearranged();
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let Some(document) = Document::read(&answered.body) else { continue };
        let entries = document.entries(&ids);
        let Some((last, others)) = entries.split_last() else { continue };
        let nodes = others.iter().flat_map(|place| document.nodes_in(place));
        let renamed = nodes.filter_map(|node| {
            let text = node.text.filter(|text| names.contains(text.as_str()) && !ids.contains(text.as_str()))?;
            Some((node.place, Edit::Text(format!("{text} anew"))))
        });
        let edits: Vec<_> = renamed.chain([(last.clone(), Edit::Remove)]).collect();
        stage = stage.with(at, Ok(with_body(&answered, document.edited(&edits))));
    }
    stage
}

pub(super) async fn cold_start(suite: &Suite) -> Result<Verdict, StandError> {
    const ENGINES: usize = 3;
    const SANDBOXES: usize = 5;
    let mut verdict = Verdict::tried(format!("{ENGINES} engines, {SANDBOXES} sandboxes in each, for each list"));
    // What a 401 at the first request makes of each list; whether that is right, is another check's.
    let mut refusals: Vec<(&str, String)> = Vec::new();
    for _ in 0..ENGINES {
        let stand = suite.blank.stand().await?;
        for case in suite.richest() {
            for turn in 1..=SANDBOXES {
                let run = stand.list(&suite.blank, &case.cassette, Stage::of(&case.cassette)).await;
                if !run.is_same(&case.run) {
                    let changed = case.difference_to(&run);
                    verdict.find(
                        case.finding(format!("sandbox {turn} of a new engine gave another list: {changed}"), REMEDY),
                    );
                }
                if case.cassette.exchanges.is_empty() {
                    continue;
                }
                let refusal = answer(StatusCode::UNAUTHORIZED, "text/plain", "no");
                let run =
                    stand.list(&suite.blank, &case.cassette, Stage::of(&case.cassette).with(0, Ok(refusal))).await;
                let came =
                    run.outcome.as_ref().map_or_else(|failure| failure.error.code().to_string(), |_| "a list".into());
                match refusals.iter().find(|(name, _)| *name == case.name()) {
                    None => refusals.push((case.name(), came)),
                    Some((_, before)) if *before == came => {}
                    Some((_, before)) => verdict.find(case.finding(
                        format!("a first request answered with 401 made {before} once, and {came} in sandbox {turn} of a new engine"),
                        REMEDY,
                    )),
                }
            }
        }
    }
    Ok(verdict)
}

const REMEDY: &str = "something differs from sandbox to sandbox; a toolchain is known that sends a GET with a body at \
                      random in a cold process: give an explicitly empty body";
