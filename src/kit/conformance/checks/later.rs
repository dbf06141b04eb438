//! A session that an earlier poll filled, minutes, hours and days later. Times in requests, and signatures, have to be
//! those of the current poll.

use std::sync::Arc;
use std::time::Duration;

use super::secrets::wrong_signature;
use crate::driver::wire::Asked;
use crate::kit::cassette::Cassette;
use crate::kit::conformance::chain::parameters;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::times;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Timestamp;

/// How long after the first poll the account is polled again. Sessions end after minutes or after days, so that each poll comes
/// some time after the one before it.
const LATER: [Duration; 6] = [
    Duration::from_secs(7 * 60),
    Duration::from_secs(45 * 60),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(26 * 3_600),
    Duration::from_secs(9 * 86_400),
    Duration::from_secs(40 * 86_400),
];

const REMEDY: &str = "take the time from the clock in each poll: what is signed or dated is kept in no session, nor is a key that \
                      was derived for a day";

/// Polls each of the richest lists again and again as one account; says how often.
pub(super) async fn over_sessions(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.richest_by_secret().into_iter().filter(|case| !case.cassette.exchanges.is_empty()) {
        let target = suite.blank.stranger(&case.cassette);
        let mut before: Vec<Timestamp> = Vec::new();
        for later in std::iter::once(Duration::ZERO).chain(LATER) {
            let at = case.cassette.at.after(later);
            let cassette = Cassette { at, ..case.cassette.clone() };
            let stage = || Arc::new(Stage::of(&cassette).rearranged());
            let run = suite.stand.list_as(target.clone(), &cassette, stage()).await;
            let fresh = suite.stand.list_as(suite.blank.stranger(&cassette), &cassette, stage()).await;
            tried += 1;
            if let Some(why) = fault(&fresh, &run, &before).or_else(|| wrong_signature(&run, &target, at)) {
                let apart = format!("{} minutes after a poll that filled the session", later.as_secs() / 60);
                verdict.find(case.finding(format!("{apart}, {why}"), REMEDY));
                break;
            }
            before.push(at);
        }
    }
    tried
}

/// What is wrong with a poll, after others at these times.
fn fault(fresh: &Run, run: &Run, before: &[Timestamp]) -> Option<String> {
    if !run.is_same(fresh) {
        return Some(format!("{} came, and {} without a session", run.came(), fresh.came()));
    }
    let stale = run.sent.iter().find_map(|sent| Some((sent, time_of(sent, before)?)));
    stale.map(|(sent, (place, at))| {
        format!(
            "{} {} says that it is made at {at}, the time of an earlier poll, in its {place}",
            sent.method,
            sent.url.path()
        )
    })
}

/// Where a request has the time of an earlier poll, to the second.
fn time_of(sent: &Asked, before: &[Timestamp]) -> Option<(String, Timestamp)> {
    let headers = sent
        .headers
        .iter()
        .filter_map(|(name, value)| Some((format!("header {name}"), value.to_str().ok()?.to_owned())));
    let mut values = headers.chain(parameters(sent));
    values.find_map(|(place, value)| {
        let said = times::read(&value);
        let stale = before.iter().find(|at| said.iter().any(|said| said.as_seconds() == at.as_seconds()))?;
        Some((place, *stale))
    })
}
