//! Lists of what changed, by drivers that say that they can give them.

use std::collections::BTreeMap;

use crate::driver::Coverage;
use crate::driver::cassette::Expect;
use crate::driver::conformance::{Case, Finding, StandError, Suite, Verdict, count};

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
    if shown == 0 {
        verdict.find(Finding {
            cassette: None,
            why: "it has the feature `delta`, and no cassette shows a list of what changed".into(),
            what_to_do: "record one (tracker driver record --list instances --since TIME)".into(),
        });
    }
    Ok(verdict)
}
