//! A provider that fails, with a session that earlier polls filled. The driver never returns kept data as new.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::failing::positions;
use crate::driver::wire::Unanswered;
use crate::kit::conformance::stage::{Outcome, Stage, answer};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

const REMEDY: &str = "list what the provider answers in this poll, and say what went wrong where it does not: the host has the \
                      last list, and knows how old it is";

/// Tries each of the richest cases; says how often.
pub(super) async fn over_sessions(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.richest().into_iter().filter(|case| !case.cassette.exchanges.is_empty()) {
        let exchanges = case.cassette.exchanges.len();
        let target = suite.blank.stranger(&case.cassette);
        let list = |stage| suite.stand.list_as(target.clone(), &case.cassette, Arc::new(stage));
        let out_of_order = |outcome: &Outcome, places: &[usize]| {
            places.iter().fold(Stage::of(&case.cassette), |stage, at| stage.with(*at, outcome.clone()))
        };
        let everywhere: Vec<usize> = (0..exchanges).collect();
        for (what, outcome) in outages() {
            // Twice: what is kept may be kept of the second poll alone.
            for _ in 0..2 {
                let _ = list(Stage::of(&case.cassette)).await;
            }
            tried += 1;
            let run = list(out_of_order(&outcome, &everywhere)).await;
            if run.outcome.is_ok() {
                verdict.find(case.finding(
                    format!("with a session of an earlier poll, and {what} to every request, {} came", run.came()),
                    REMEDY,
                ));
            }
        }
        for (what, outcome) in outages().into_iter().take(SINGLE) {
            for at in positions(exchanges) {
                tried += 1;
                let fresh = suite.list(case, out_of_order(&outcome, &[at])).await;
                let _ = list(Stage::of(&case.cassette)).await;
                let run = list(out_of_order(&outcome, &[at])).await;
                // What a token of the session spares is not asked for.
                let wanted = if is_asked(case, at, &run) { &fresh } else { &case.run };
                if !run.is_same(wanted) {
                    verdict.find(case.finding(
                        format!(
                            "with a session of an earlier poll, and {what} to exchange {}, {} came, and without one {}",
                            at + 1,
                            run.came(),
                            wanted.came()
                        ),
                        REMEDY,
                    ));
                }
            }
        }
    }
    tried
}

/// How many of them are tried at one exchange alone.
const SINGLE: usize = 4;

fn outages() -> Vec<(&'static str, Outcome)> {
    let status = |code: StatusCode| Ok(answer(code, "application/json", "{\"error\": \"out of order\"}"));
    let body =
        |kind: &'static str, body: &'static str| Ok(answer(StatusCode::OK, kind, Bytes::from_static(body.as_bytes())));
    vec![
        ("503", status(StatusCode::SERVICE_UNAVAILABLE)),
        ("no connection", Err(Unanswered::NoConnection)),
        ("404", status(StatusCode::NOT_FOUND)),
        ("an empty answer", body("application/json", "")),
        ("500", status(StatusCode::INTERNAL_SERVER_ERROR)),
        ("no answer in time", Err(Unanswered::Timeout)),
        ("a connection that breaks", Err(Unanswered::Broken)),
        ("429", status(StatusCode::TOO_MANY_REQUESTS)),
        ("401", status(StatusCode::UNAUTHORIZED)),
        ("403", status(StatusCode::FORBIDDEN)),
        ("304", Ok(answer(StatusCode::NOT_MODIFIED, "application/json", ""))),
        ("another document", body("application/json", "{\"message\": \"ok\"}")),
        ("a login page", body("text/html", "<!DOCTYPE html><html><body>Sign in</body></html>")),
    ]
}

/// Whether a run made the request of an exchange.
fn is_asked(case: &Case, at: usize, run: &Run) -> bool {
    run.asked.iter().any(|asked| case.cassette.exchanges[at].request.fits(asked))
}
