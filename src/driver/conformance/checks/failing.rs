//! Providers that are not well: at each exchange of the richest cassettes, one fault after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderValue, header};

use super::alone;
use super::repeating::ids;
use crate::driver::conformance::document::Document;
use crate::driver::conformance::faults::{self, Fault, FaultKind, Owed};
use crate::driver::conformance::stage::{Stage, recorded};
use crate::driver::conformance::{Case, Faulted, StandError, Suite, Verdict, count, times};
use crate::driver::wire::Answered;
use crate::driver::{CallError, CallFailure, Coverage};
use crate::model::Timestamp;

/// Into how many exchanges of a cassette faults are put: a login, a first page, a second, and what stands last.
const POSITIONS: usize = 4;

pub(super) async fn statuses(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = each(suite, FaultKind::Status).await?;
    if !suite.makes_requests() {
        let refused = alone::refused_everywhere(suite, &mut verdict).await;
        if refused > 0 {
            verdict.tried = format!("{} for accounts that it does not let in", count(refused, "list"));
        }
        return Ok(verdict);
    }
    waits(suite, &mut verdict).await;
    resets(suite, &mut verdict).await;
    Ok(verdict)
}

/// A provider that says at which time it answers again, shortly before that time.
async fn resets(suite: &Suite, verdict: &mut Verdict) {
    const LEFT: Duration = Duration::from_secs(7);
    // A part of a second counts as one.
    const MOST: Duration = Duration::from_secs(8);
    for case in &suite.cases {
        let Some((header, reset)) = reset_of(case) else { continue };
        let mut cassette = case.cassette.clone();
        cassette.at = reset.before(LEFT);
        let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette).rearranged()).await;
        let Err(CallFailure { error: CallError::Throttled { retry_after: Some(wait), .. }, .. }) = &run.outcome else {
            continue;
        };
        if *wait > MOST {
            verdict.find(case.finding(
                format!(
                    "{} seconds before the time in {header}, {} seconds to wait came",
                    LEFT.as_secs(),
                    wait.as_secs()
                ),
                "a point in time is no span: take the time that it is now from it, as the sandbox's clock has it",
            ));
        }
    }
}

/// The last point in time that a throttled answer's headers name, where they name no span that may be meant in its place.
fn reset_of(case: &Case) -> Option<(String, Timestamp)> {
    const FAR: Duration = Duration::from_secs(86_400);
    if case.cassette.expect.error.as_deref() != Some("throttled") {
        return None;
    }
    let answered = case.cassette.exchanges.iter().rev().find_map(|exchange| recorded(exchange).ok())?;
    let named = answered.headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        name.contains("reset") || name.contains("retry-after")
    });
    let at = case.cassette.at;
    let is_near = |instant: &Timestamp| *instant > at && *instant <= at.after(FAR);
    let read = named.map(|(name, value)| {
        let instant = times::read(value.to_str().ok()?).into_iter().find(is_near)?;
        Some((name.to_string(), instant))
    });
    read.collect::<Option<Vec<_>>>()?.into_iter().max_by_key(|(_, instant)| *instant)
}

/// A provider that throttles in its own words, and says for how long.
async fn waits(suite: &Suite, verdict: &mut Verdict) {
    const WAIT: u64 = 4_321;
    let throttled = |case: &&Case| case.cassette.expect.error.as_deref() == Some("throttled");
    for case in suite.cases.iter().filter(throttled) {
        let answers = case.cassette.exchanges.iter().enumerate();
        let failed = answers.filter_map(|(at, exchange)| Some((at, recorded(exchange).ok()?)));
        let Some((at, mut answered)) = failed.filter(|(_, answered)| !answered.status.is_success()).last() else {
            continue;
        };
        answered.headers.insert(header::RETRY_AFTER, HeaderValue::from(WAIT));
        let run = suite.list(case, Stage::of(&case.cassette).with(at, Ok(answered))).await;
        let owed = Owed::Throttled(Some(Duration::from_secs(WAIT)));
        if !owed.is_given(&run, &case.run) {
            verdict.find(case.finding(
                format!("with Retry-After: {WAIT}, expected {}, and {} came", owed.expected(), run.came()),
                owed.remedy(),
            ));
        }
    }
}

pub(super) async fn broken(suite: &Suite) -> Result<Verdict, StandError> {
    each(suite, FaultKind::Broken).await
}

/// Answers that a list can't be read from, although they are whole.
fn without_list(suite: &Suite, case: &Case, good: &Answered) -> Vec<Fault> {
    let ids = ids(case.run.resources());
    let mut faults = faults::without_list(good, &ids, &empty_lists(suite, case));
    // What makes a list partial stands beside it, too, and is no part of others.
    if matches!(&case.run.outcome, Ok(listing) if listing.coverage == Coverage::Complete) {
        faults.extend(faults::without_envelope(good, &ids, &lists_like(suite, case)));
    }
    faults.extend(faults::errors_as_lists(good, &error_documents(suite)));
    faults.extend(faults::other_statuses(good, &ids));
    faults
}

/// Each of the richest cases with every fault at each of the positions.
pub(in crate::driver::conformance) async fn faulted(suite: &Suite) -> Vec<Faulted> {
    let errors = faults::recorded_errors(&suite.cases);
    let mut faulted = Vec::new();
    for place in suite.richest_places() {
        let case = &suite.cases[place];
        let secrets = &case.cassette.account.secrets;
        for at in positions(case.cassette.exchanges.len()) {
            let mut try_each = async |faults: Vec<Fault>| {
                let mut throttles = false;
                for fault in faults {
                    let run = suite.list(case, Stage::of(&case.cassette).with(at, fault.outcome.clone())).await;
                    let is_throttled =
                        matches!(&run.outcome, Err(CallFailure { error: CallError::Throttled { .. }, .. }));
                    throttles |= is_throttled && matches!(fault.owed, Owed::UnavailableOrThrottled(_));
                    faulted.push(Faulted { case: place, at, fault, run });
                }
                throttles
            };
            let throttles = try_each(faults_of_answers(suite, case, at)).await;
            let own = errors.iter().filter(|error| error.is_for(secrets));
            try_each(own.flat_map(|error| error.faults(throttles)).collect()).await;
        }
    }
    faulted
}

/// Every fault of an answer, and of there being none.
fn faults_of_answers(suite: &Suite, case: &Case, at: usize) -> Vec<Fault> {
    let mut faults = faults::statuses();
    if let Ok(good) = recorded(&case.cassette.exchanges[at]) {
        let ids = ids(case.run.resources());
        let has_list = Document::read(&good.body).is_some_and(|document| !document.entries(&ids).is_empty());
        faults.extend(faults::broken(&good));
        faults.extend(faults::cut_off(&good, has_list));
        faults.extend(without_list(suite, case, &good));
    }
    faults
}

/// The bodies with which a provider said, in some cassette, that something went wrong.
fn error_documents(suite: &Suite) -> BTreeSet<Vec<u8>> {
    let exchanges = suite.cases.iter().flat_map(|case| &case.cassette.exchanges);
    let answers = exchanges.filter_map(|exchange| recorded(exchange).ok());
    let failed = answers.filter(|answered| answered.status.is_client_error() || answered.status.is_server_error());
    failed.map(|answered| answered.body.to_vec()).filter(|body| Document::read(body).is_some()).collect()
}

/// The answers that have something of what a case lists, of its own and of other cases.
fn lists_like(suite: &Suite, case: &Case) -> Vec<Document> {
    let alike = suite.lists().filter(|other| {
        other.cassette.list == case.cassette.list && other.cassette.since.is_some() == case.cassette.since.is_some()
    });
    let answers = alike.flat_map(|other| {
        let ids = ids(other.run.resources());
        let read = other.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
        let documents = read.filter_map(|answered| Document::read(&answered.body));
        documents.filter(|document| !document.entries(&ids).is_empty()).collect::<Vec<_>>()
    });
    answers.collect()
}

/// The answers of accounts that have nothing of what a case lists.
fn empty_lists(suite: &Suite, case: &Case) -> Vec<Document> {
    let empty = suite.lists().filter(|other| other.cassette.list == case.cassette.list);
    let empty = empty.filter(|other| other.run.resources().is_empty());
    let answers = empty.flat_map(|other| &other.cassette.exchanges).filter_map(|exchange| recorded(exchange).ok());
    answers.filter_map(|answered| Document::read(&answered.body)).collect()
}

async fn each(suite: &Suite, kind: FaultKind) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests"));
    }
    let mut verdict = Verdict::default();
    let mut tried = 0;
    for Faulted { case, at, fault, run } in suite.faulted().await.iter().filter(|faulted| faulted.fault.kind == kind) {
        tried += 1;
        let (case, Fault { what, owed, .. }) = (&suite.cases[*case], fault);
        if !owed.is_given(run, &case.run) {
            let request = &case.cassette.exchanges[*at].request;
            let (at, method, url) = (at + 1, &request.method, &request.url);
            verdict.find(case.finding(
                format!(
                    "where the answer to exchange {at} ({method} {url}) is {what}, expected {}, and {} came",
                    owed.expected(),
                    run.came()
                ),
                owed.remedy(),
            ));
        }
    }
    let names: Vec<&str> = suite.richest().into_iter().map(Case::name).collect();
    verdict.tried = format!("{} in {}", count(tried, "fault"), names.join(" and "));
    Ok(verdict)
}

/// The first ones, and the last.
pub(super) fn positions(exchanges: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..exchanges.min(POSITIONS - 1)).collect();
    positions.extend(exchanges.checked_sub(1).filter(|last| !positions.contains(last)));
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_put_into_the_first_exchanges_and_the_last() {
        let check = |exchanges: usize, want: &[usize]| assert_eq!(positions(exchanges), want, "{exchanges}");
        check(0, &[]);
        check(1, &[0]);
        check(3, &[0, 1, 2]);
        check(9, &[0, 1, 2, 8]);
    }
}
