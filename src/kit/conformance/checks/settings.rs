//! The same lists in other circumstances: a different user, password and kind of secret, different endpoints, a
//! different provider, another day, a time before everything in the answers, and a clock that advances.

mod endpoints;
mod expiry;
mod kinds;
mod variation;
mod variations;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::secrets::{wrong_signature, wrong_signature_by_then};
use super::{accounts, effects, options};
use crate::clock::ManualClock;
use crate::driver::wire::{Answered, Asked, Tape, Unanswered};
use crate::driver::{CallError, CallFailure, Target};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::{Run, StandError, difference};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use variation::{Exchanged, Variation};
use variations::variations;

/// More than clocks may differ by from the time in a signature.
const SLOW: Duration = Duration::from_secs(20 * 60);

pub(super) async fn elsewhere(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let options = options::malformed(suite, &mut verdict).await;
    if !suite.makes_requests() {
        verdict.tried = match options {
            0 => "nothing to check: it makes no requests, so it is nowhere".to_owned(),
            _ => format!("options with a value that is none: {options}"),
        };
        return Ok(verdict);
    }
    let mut tried = 0;
    let effects = effects::none(suite, &mut verdict).await;
    let kinds = kinds::changed(suite, &mut verdict).await;
    accounts::unshown_roles(suite).into_iter().for_each(|finding| verdict.find(finding));
    for case in suite.good() {
        for variation in variations(suite, case) {
            tried += 1;
            let target = target(suite, &variation);
            let run = play(suite, &variation, target.clone()).await;
            let is_still = variation.step.is_zero();
            if let Some(why) = fault(case, &variation, &run) {
                verdict.find(case.finding(
                    format!("{}, {why}", variation.what),
                    "take the user, the endpoint of each role with its path, the provider and its region from the account, and \
                     nothing that is listed from the clock",
                ));
            } else if let Some(why) = is_still.then(|| wrong_signature(&run, &target, variation.cassette.at)).flatten()
            {
                verdict.find(case.finding(
                    format!("{}, {why}", variation.what),
                    "sign what is sent, as it is sent, with the account's own secret",
                ));
            }
        }
    }
    for case in suite.good().filter(|case| case.cassette.exchanges.len() > 1) {
        let slow = Variation { step: SLOW, ..Variation::of(&case.cassette) };
        let target = target(suite, &slow);
        let run = play(suite, &slow, target.clone()).await;
        if let Some(why) = wrong_signature_by_then(&run, &target, case.cassette.at, SLOW) {
            verdict.find(case.finding(
                format!("where each answer takes {} minutes, {why}", SLOW.as_secs() / 60),
                "sign each request with the time at which it is made: a list that waits for its turns takes its time",
            ));
        }
    }
    verdict.tried = format!("{} for another user and password, elsewhere and at another time", count(tried, "list"));
    if effects > 0 {
        verdict.tried.push_str(&format!("; options that no cassette sets: {effects}"));
    }
    if kinds > 0 {
        verdict.tried.push_str(&format!("; with a secret of another kind: {kinds}"));
    }
    if options > 0 {
        verdict.tried.push_str(&format!("; options with a value that is none: {options}"));
    }
    Ok(verdict)
}

fn target(suite: &Suite, variation: &Variation) -> Target {
    let mut target = suite.blank.stranger(&variation.cassette);
    if let Some(password) = variation.password {
        target.password = SecretString::from(password);
    }
    target
}

async fn play(suite: &Suite, variation: &Variation, target: Target) -> Run {
    let stage = Stage::of(&variation.cassette).rearranged();
    let tape = Passing { stage, clock: suite.stand.clock(), step: variation.step };
    suite.stand.list_as(target, &variation.cassette, Arc::new(tape)).await
}

/// The provider, while time passes.
struct Passing {
    stage: Stage,
    clock: Arc<ManualClock>,
    step: Duration,
}

#[async_trait]
impl Tape for Passing {
    async fn answer(&self, asked: &Asked) -> Result<Answered, Unanswered> {
        self.clock.advance(self.step);
        self.stage.answer(asked).await
    }
}

fn fault(case: &Case, variation: &Variation, run: &Run) -> Option<String> {
    if let Some(refused) = run.refused.first() {
        return Some(format!("it asked for something that it may not: {refused}"));
    }
    // Not every word is a value of an option.
    if matches!(&run.outcome, Err(CallFailure { error: CallError::InvalidAccount(_), .. })) && variation.may_be_refused
    {
        return None;
    }
    let outdated = variation.outdated.iter().map(|text| Exchanged::new(text, ""));
    let outdated: Vec<Exchanged> = variation.exchanged.iter().cloned().chain(outdated).collect();
    // A short word may be another option's, too.
    let is_option = |old: &str| case.cassette.account.options.values().any(|value| value == old);
    let was_written = |one: &Exchanged| case.run.asked.iter().any(|asked| one.is_in(asked));
    let is_left = |one: &&Exchanged| {
        (one.is_long() || !is_option(&one.old)) && was_written(one) && run.asked.iter().any(|asked| one.is_in(asked))
    };
    if let Some(Exchanged { old, .. }) = outdated.iter().find(is_left) {
        return Some(format!("a request still has {old:?} in it"));
    }
    let written = |run: &Run, exchanged: &[Exchanged]| {
        let text = |resource| exchanged.iter().fold(format!("{resource:?}"), |text, one| one.in_quotes(&text));
        let mut rows: Vec<String> = run.resources().iter().map(text).collect();
        rows.sort();
        rows
    };
    if run.outcome.is_err() || written(&case.run, &variation.exchanged) != written(run, &[]) {
        let what = match &run.outcome {
            Ok(listing) => difference(case.run.resources(), &listing.resources),
            Err(_) => run.came(),
        };
        return Some(format!("another list came: {what}"));
    }
    None
}
