//! A session that the provider no longer accepts, whatever the driver keeps in it. A provider can revoke a token before it
//! expires, and a restarted server forgets its sessions. The driver logs in again in the same poll.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::{Method, StatusCode};

use crate::driver::wire::{Answered, Asked, Tape};
use crate::kit::conformance::chain::operation;
use crate::kit::conformance::stage::{Outcome, Stage, answer};
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;

/// Where a request goes, and what it is for.
type Place = (Method, String, Option<String>);

fn place(asked: &Asked) -> Place {
    (asked.method.clone(), asked.url.path().to_owned(), operation(asked))
}

/// Has each of the richest lists refused until the driver logs in; says how often that was tried.
pub(super) async fn refused(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.richest_by_secret() {
        let target = suite.blank.stranger(&case.cassette);
        let list = |tape: Arc<dyn Tape>| suite.stand.list_as(target.clone(), &case.cassette, tape);
        let first = list(Arc::new(Stage::of(&case.cassette))).await;
        let second = list(Arc::new(Stage::of(&case.cassette))).await;
        let places = |asked: &[Asked]| asked.iter().map(place).collect::<BTreeSet<_>>();
        // What a session spares is the login.
        let logins: BTreeSet<Place> = places(&first.asked).difference(&places(&second.asked)).cloned().collect();
        if logins.is_empty() || second.asked.is_empty() || !second.is_same(&first) {
            continue;
        }
        tried += 1;
        let provider = Revoked {
            stage: Stage::of(&case.cassette),
            logins,
            is_logged_in: AtomicBool::new(false),
            refusal: answer(StatusCode::UNAUTHORIZED, "text/plain", "the token was revoked"),
        };
        let run = list(Arc::new(provider)).await;
        if !run.is_same(&first) {
            verdict.find(case.finding(
                format!(
                    "where the provider answers 401 to what is kept in the session, another list came: {}",
                    case.difference_to(&run)
                ),
                REMEDY,
            ));
        }
    }
    tried
}

const REMEDY: &str = "a token may end before its time: where the provider refuses one that came from the session, log in anew in the \
                      same poll, once. `unauthorized` stops all polls of an account whose password is right";

/// A provider that answers 401 to everything but logins until there was one.
struct Revoked {
    stage: Stage,
    logins: BTreeSet<Place>,
    is_logged_in: AtomicBool,
    refusal: Answered,
}

#[async_trait]
impl Tape for Revoked {
    async fn answer(&self, asked: &Asked) -> Outcome {
        if self.logins.contains(&place(asked)) {
            self.is_logged_in.store(true, Ordering::Relaxed);
        }
        match self.is_logged_in.load(Ordering::Relaxed) {
            true => self.stage.answer(asked).await,
            false => Ok(self.refusal.clone()),
        }
    }
}
