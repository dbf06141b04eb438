//! Values that are none of an option's: where one makes no more of a difference than no value at all, nobody is told that it
//! was not understood.

use crate::driver::{CallError, CallFailure};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;

/// No number, no name of anything, and nothing that is on or off.
const MALFORMED: &str = "suite malformed?";

/// Tries each option that makes a difference with a value that it can't have; says how many.
pub(super) async fn malformed(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.lists() {
        for name in case.cassette.account.options.keys() {
            let list = async |value: Option<&str>| {
                let mut cassette: Cassette = case.cassette.clone();
                match value {
                    Some(value) => drop(cassette.account.options.insert(name.clone(), value.to_owned())),
                    None => drop(cassette.account.options.remove(name)),
                }
                suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await
            };
            let without = list(None).await;
            if is_required(&without) || is_same(&without, &case.run) {
                continue;
            }
            tried += 1;
            if is_same(&list(Some(MALFORMED)).await, &without) {
                verdict.find(case.finding(
                    format!("with {MALFORMED:?} for the option {name:?}, it does the same as without that option"),
                    "say `invalid-account` for a value that you can't use: an operator who mistypes one is told so, and not \
                     given something else",
                ));
            }
        }
    }
    tried
}

fn is_required(run: &Run) -> bool {
    matches!(&run.outcome, Err(CallFailure { error: CallError::InvalidAccount(_), .. }))
}

/// Whether the same was asked for, and the same came of it.
fn is_same(one: &Run, other: &Run) -> bool {
    let is_asked = one.asked.len() == other.asked.len()
        && one
            .asked
            .iter()
            .zip(&other.asked)
            .all(|(one, other)| (&one.method, &one.url, &one.body) == (&other.method, &other.url, &other.body));
    is_asked && one.is_same(other)
}
