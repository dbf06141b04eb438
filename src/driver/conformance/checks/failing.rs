//! Providers that are not well: at each exchange of the richest cassettes, one fault after the other.

use crate::driver::conformance::faults::{self, Fault};
use crate::driver::conformance::stage::{Stage, recorded};
use crate::driver::conformance::{Case, StandError, Suite, Verdict, count};

/// Into how many exchanges of a cassette faults are put: a login, a first page, a second, and what stands last.
const POSITIONS: usize = 4;

pub(super) async fn statuses(suite: &Suite) -> Result<Verdict, StandError> {
    each(suite, |_, _| faults::statuses()).await
}

pub(super) async fn broken(suite: &Suite) -> Result<Verdict, StandError> {
    each(suite, |case, at| {
        recorded(&case.cassette.exchanges[at]).map_or_else(|_| Vec::new(), |good| faults::broken(&good))
    })
    .await
}

async fn each(suite: &Suite, faults_at: impl Fn(&Case, usize) -> Vec<Fault>) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests"));
    }
    let mut verdict = Verdict::default();
    let mut tried = 0;
    let mut names = Vec::new();
    for case in suite.richest() {
        names.push(case.name());
        for at in positions(case.cassette.exchanges.len()) {
            for Fault { what, outcome, owed } in faults_at(case, at) {
                tried += 1;
                let run = suite.list(case, Stage::of(&case.cassette).with(at, outcome)).await;
                if !owed.is_given(&run, &case.run) {
                    let request = &case.cassette.exchanges[at].request;
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
        }
    }
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
