//! Drivers that simulate a provider and send no requests: they refuse an account that they refuse once in every list.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{CallError, CallFailure};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, ResourceId};

/// Since when it is asked what changed.
const AGO: Duration = Duration::from_secs(3_600);

/// Asks for everything as the accounts that are refused something; says how often.
pub(super) async fn refused_everywhere(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    let refused = |error: Option<&str>| error == Some("unauthorized");
    for case in suite.cases.iter().filter(|case| refused(case.cassette.expect.error.as_deref())) {
        let mut look = |what: String, run: Run| {
            tried += 1;
            if !matches!(&run.outcome, Err(CallFailure { error: CallError::Unauthorized(_), .. })) {
                verdict.find(case.finding(
                    format!("asked for {what} as the same account, it gives {}", run.came()),
                    "look at the credentials in every list",
                ));
            }
        };
        for kind in suite.manifest.kinds() {
            let cassette = Cassette { list: kind, since: None, ..case.cassette.clone() };
            let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await;
            look(format!("its {}", kind.plural()), run);
        }
        let info = suite.stand.driver.info();
        if info.delta {
            let since = Some(case.cassette.at.before(AGO));
            let cassette = Cassette { list: Kind::Instance, since, ..case.cassette.clone() };
            let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await;
            look("what changed".to_owned(), run);
        }
        let listed = suite.lists().find(|other| other.cassette.list == Kind::Instance);
        let one: Vec<ResourceId> =
            listed.into_iter().flat_map(|other| other.run.resources()).map(|one| one.id().clone()).take(1).collect();
        if info.by_id && !one.is_empty() {
            let cassette = Cassette { list: Kind::Instance, since: None, ..case.cassette.clone() };
            let target = suite.blank.stranger(&cassette);
            let run = suite.stand.list_ids(target, &cassette, &one, Arc::new(Stage::of(&cassette))).await;
            look("a single instance".to_owned(), run);
        }
    }
    tried
}
