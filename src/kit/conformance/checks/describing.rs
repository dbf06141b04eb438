//! The description of a driver: it is always the same, its endpoints fit together, and its request rate is within the
//! provider's limit.

mod endpoints;
mod rates;

use std::time::Duration;

use crate::kit::conformance::report::Finding;
use crate::kit::conformance::stand::StandError;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Timestamp;

pub(super) async fn describes_itself(suite: &Suite) -> Result<Verdict, StandError> {
    const TIMES: usize = 3;
    let mut verdict = Verdict::tried(format!("{} sandboxes in as many engines", TIMES + 1));
    let info = suite.stand.driver.info();
    let begin = suite.cases.first().map_or(Timestamp::from_millis(0), |case| case.cassette.at);
    for turn in 0..TIMES {
        // Hours and years apart: what follows the clock shows.
        let at = begin.after(Duration::from_secs(turn as u64 * 31 * 86_400 * 13 + turn as u64 * 7 * 3_601));
        let again = suite.blank.stand_at(at).await?;
        if again.driver.info() != suite.stand.driver.info() {
            verdict.find(Finding {
                cassette: None,
                why: format!(
                    "it described itself as {:?}, and then as {:?}",
                    suite.stand.driver.info(),
                    again.driver.info()
                ),
                what_to_do: "give the same in every call of `describe`: no time, no randomness, no order of a hash \
                             table's"
                    .into(),
            });
            break;
        }
    }
    for (what, text) in [("title", &info.title), ("version", &info.version)] {
        if text.trim().is_empty() {
            verdict.find(Finding {
                cassette: None,
                why: format!("its {what} is empty"),
                what_to_do: format!("give a {what} in `describe`: it is what operators see"),
            });
        }
    }
    // Who asks nobody has no endpoint that means anything.
    if suite.makes_requests() {
        for (why, what_to_do) in endpoints::faults(suite, info) {
            verdict.find(Finding { cassette: None, why, what_to_do: what_to_do.to_owned() });
        }
        rates::held(suite, info, &mut verdict);
    }
    Ok(verdict)
}
