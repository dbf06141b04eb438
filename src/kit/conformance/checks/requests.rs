//! The number of a driver's requests, and its waits. Retrying and waiting are for the host.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};

use super::failing::{faulted, positions};
use crate::driver::wire::Asked;
use crate::kit::conformance::faults::{Fault, FaultKind, Owed};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::{Stage, answer};
use crate::kit::conformance::stand::{Run, StandError};
use crate::kit::conformance::suite::{Case, Faulted, Suite};
use crate::kit::conformance::verdict::Verdict;

/// Where redirects lead to, at the account's own endpoint.
const ELSEWHERE: &str = "/suite-elsewhere";
pub(super) async fn asks_no_more(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests"));
    }
    let mut verdict = Verdict::default();
    let (mut tried, mut requests) = (0, 0);
    for case in suite.cases.iter().filter(|case| !case.run.slept.is_zero()) {
        verdict.find(case.finding(format!("it sleeps for {:?} while it lists", case.run.slept), REMEDY));
    }
    let mut look = async |case: &Case, at: usize, fault: &Fault, run: &Run| {
        tried += 1;
        requests += run.usage().requests;
        let what = format!("where the answer to exchange {} is {}, ", at + 1, fault.what);
        if let Some(why) = more(case, run, fault.owed) {
            verdict.find(case.finding(format!("{what}{why}"), REMEDY));
        }
        if !run.slept.is_zero() {
            verdict.find(case.finding(format!("{what}it sleeps for {:?}", run.slept), REMEDY));
        }
    };
    for Faulted { case, at, fault, run } in faulted(suite).await {
        look(&suite.cases[*case], *at, fault, run).await;
    }
    for case in suite.richest() {
        for at in positions(case.cassette.exchanges.len()) {
            for fault in redirects(case) {
                let run = suite.list(case, Stage::of(&case.cassette).with(at, fault.outcome.clone())).await;
                look(case, at, &fault, &run).await;
            }
        }
    }
    verdict.tried = format!("{} with {requests} requests", count(tried, "fault"));
    Ok(verdict)
}

const REMEDY: &str = "say what went wrong, at once: the host asks again when it is time, and follows no redirect";

/// Redirects to the account's own endpoint, which nothing stands in the way of.
fn redirects(case: &Case) -> Vec<Fault> {
    let to = |location: String, status: StatusCode| {
        let mut outcome = answer(status, "text/html", "");
        outcome.headers.insert(header::LOCATION, HeaderValue::from_str(&location).ok()?);
        Some(Fault {
            what: format!("{} to {location}", status.as_u16()),
            outcome: Ok(outcome),
            owed: Owed::NoList,
            kind: FaultKind::Broken,
        })
    };
    let statuses = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let locations = [format!("{}{ELSEWHERE}", case.cassette.account.endpoint), ELSEWHERE.to_owned()];
    let pairs = locations.iter().flat_map(|location| statuses.map(|status| (location.clone(), status)));
    pairs.filter_map(|(location, status)| to(location, status)).collect()
}

/// What was asked for that is not without the fault.
fn more(case: &Case, run: &Run, owed: Owed) -> Option<String> {
    if run.asked.iter().any(|asked| asked.url.path() == ELSEWHERE) {
        return Some("it follows the redirect".into());
    }
    let often = |run: &Run| {
        let mut often: BTreeMap<_, usize> = BTreeMap::new();
        for Asked { method, url, body, .. } in &run.asked {
            *often.entry((method.to_string(), url.to_string(), body.clone())).or_default() += 1;
        }
        often
    };
    let usual = often(&case.run);
    // A token may have ended: one login more, and what was asked for with it.
    let is_refused = match owed {
        Owed::Unauthorized => true,
        Owed::Told(told) => told.is_unauthorized(),
        _ => false,
    };
    let spare = if is_refused { 2 } else { 0 };
    if run.asked.len() > case.run.asked.len() + spare {
        return Some(format!("it makes {} requests, and {} without", run.asked.len(), case.run.asked.len()));
    }
    let again = often(run)
        .into_iter()
        .find(|(asked, times)| *times > usual.get(asked).copied().unwrap_or(1) + usize::from(is_refused));
    again.map(|((method, url, _), times)| format!("it asks {times} times for {method} {url}"))
}
