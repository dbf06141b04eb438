//! Failing providers: one fault after the other, at each exchange of the richest cassettes.

use std::collections::BTreeSet;

use super::{alone, headers, hints};
use crate::driver::wire::Answered;
use crate::driver::{CallError, CallFailure, Coverage};
use crate::kit::conformance::document::Document;
use crate::kit::conformance::faults::{self, Fault, FaultKind, Owed};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::{Stage, recorded};
use crate::kit::conformance::stand::{StandError, ids};
use crate::kit::conformance::suite::{Case, Faulted, Suite};
use crate::kit::conformance::verdict::Verdict;

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
    let hints = hints::all(suite, &mut verdict).await;
    let good = headers::on_good_answers(suite, &mut verdict).await;
    verdict
        .tried
        .push_str(&format!("; hints of when to ask again: {hints}; good answers that speak of limits: {good}"));
    Ok(verdict)
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

/// The richest cases, with every fault in every answer that faults are put into.
pub(super) async fn faulted(suite: &Suite) -> &[Faulted] {
    suite.faulted.get_or_init(|| played(suite)).await
}

/// Each of the richest cases with every fault at each of the positions.
async fn played(suite: &Suite) -> Vec<Faulted> {
    let errors = faults::recorded_errors(&suite.cases);
    let mut faulted = Vec::new();
    let richest = suite.richest_places();
    let others = suite.richest_of_ids().into_iter().chain(suite.richest_of_other_secrets());
    for place in richest.iter().copied().chain(others) {
        let case = &suite.cases[place];
        let is_other = !richest.contains(&place);
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
            if is_other {
                // What an answer is made of was tried with the lists.
                let mut faults = statuses_of_nobody(suite);
                faults.extend(recorded(&case.cassette.exchanges[at]).iter().flat_map(faults::broken));
                try_each(faults).await;
                continue;
            }
            let throttles = try_each(faults_of_answers(suite, case, at)).await;
            let own = errors.iter().filter(|error| error.is_for(secrets));
            try_each(own.flat_map(|error| error.faults(throttles)).collect()).await;
            if at > 0 {
                try_each(faults::lost_places(&errors)).await;
            }
        }
    }
    faulted.extend(of_rare_requests(suite, &richest).await);
    faulted
}

/// Outages and throttling at requests that the richest lists do not make: other options and accounts need them.
async fn of_rare_requests(suite: &Suite, richest: &[usize]) -> Vec<Faulted> {
    let place = |case: usize, at: usize| {
        let request = &suite.cases[case].cassette.exchanges[at].request;
        let path = request.url.path().split('/').map(|part| if is_name(part) { part } else { "*" });
        (request.method.clone(), path.collect::<Vec<_>>().join("/"))
    };
    let exchanges = |case: usize| 0..suite.cases[case].cassette.exchanges.len();
    let mut tried: BTreeSet<_> = richest.iter().flat_map(|case| exchanges(*case).map(|at| place(*case, at))).collect();
    let mut faulted = Vec::new();
    for case in 0..suite.cases.len() {
        for at in exchanges(case).filter(|_| suite.cases[case].is_list()) {
            if !tried.insert(place(case, at)) {
                continue;
            }
            let cassette = &suite.cases[case].cassette;
            let outages = statuses_of_nobody(suite).into_iter();
            for fault in outages.filter(|fault| matches!(fault.owed, Owed::Unavailable | Owed::Throttled(_))) {
                let run = suite.list(&suite.cases[case], Stage::of(cassette).with(at, fault.outcome.clone())).await;
                faulted.push(Faulted { case, at, fault, run });
            }
        }
    }
    faulted
}

/// Whether a part of a path is a name of the API's, and no id or version.
fn is_name(part: &str) -> bool {
    part.len() < 24 && !part.bytes().any(|byte| byte.is_ascii_digit())
}

/// Every fault of an answer, and of there being none.
fn faults_of_answers(suite: &Suite, case: &Case, at: usize) -> Vec<Fault> {
    let mut faults = statuses_of_nobody(suite);
    if let Ok(good) = recorded(&case.cassette.exchanges[at]) {
        let ids = ids(case.run.resources());
        let has_list = Document::read(&good.body).is_some_and(|document| !document.entries(&ids).is_empty());
        if has_list && at + 1 == case.cassette.exchanges.len() {
            faults.extend(faults::in_other_bodies(&good));
        }
        faults.extend(faults::broken(&good));
        faults.extend(faults::cut_off(&good, has_list));
        faults.extend(without_list(suite, case, &good));
    }
    faults
}

/// All statuses but the rare ones that the provider uses itself: its cassettes say what they mean.
pub(super) fn statuses_of_nobody(suite: &Suite) -> Vec<Fault> {
    let exchanges = suite.cases.iter().flat_map(|case| &case.cassette.exchanges);
    let used: BTreeSet<u16> =
        exchanges.filter_map(|exchange| recorded(exchange).ok()).map(|answered| answered.status.as_u16()).collect();
    let is_used = |fault: &Fault| fault.outcome.as_ref().is_ok_and(|answered| used.contains(&answered.status.as_u16()));
    let faults = faults::statuses().into_iter();
    faults.filter(|fault| fault.owed != Owed::RareRefusal || !is_used(fault)).collect()
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
    for Faulted { case, at, fault, run } in faulted(suite).await.iter().filter(|faulted| faulted.fault.kind == kind) {
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

    #[test]
    fn a_part_of_a_path_is_a_name_or_an_id() {
        for name in ["servers", "os-services", "", "instanceGroups"] {
            assert!(is_name(name), "{name}");
        }
        for id in ["v2.1", "i-0a1", "7a100101-4c3b-4d2e-9f10-5b6c7d8e9f02", "abcdefghijklmnopqrstuvwxyz"] {
            assert!(!is_name(id), "{id}");
        }
    }
}
