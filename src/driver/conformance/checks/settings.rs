//! The same lists somewhere else: for another user and password, at another endpoint, of another provider, on another
//! day, before all that its answers tell of, and by a clock that goes on.

mod variations;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

use super::secrets::wrong_signature;
use super::{effects, options};
use variations::variations;

use crate::clock::ManualClock;
use crate::driver::cassette::{Body, Cassette, Outcome};
use crate::driver::conformance::chain::parameters;
use crate::driver::conformance::document::Document;
use crate::driver::conformance::stage::Stage;
use crate::driver::conformance::stand::difference;
use crate::driver::conformance::{Case, Run, StandError, Suite, Verdict, count};
use crate::driver::wire::{Answered, Asked, Tape, Unanswered};
use crate::driver::{CallError, CallFailure, Target};

/// What a text becomes.
#[derive(Clone, Debug)]
struct Exchanged {
    old: String,
    new: String,
}

/// A cassette somewhere else.
struct Variation {
    what: String,
    cassette: Cassette,
    /// In the place of the cassette's password.
    password: Option<&'static str>,
    exchanged: Vec<Exchanged>,
    /// How long each request takes by the sandbox's clock.
    step: Duration,
    /// Whether a value may be none that the provider has: then it is an account that can't be used.
    may_be_refused: bool,
    /// What stands in no request any more.
    outdated: Vec<String>,
}

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
    for case in suite.good() {
        for variation in variations(suite, case) {
            tried += 1;
            let target = target(suite, &variation);
            let run = play(suite, &variation, target.clone()).await;
            let is_still = variation.step.is_zero();
            if let Some(why) = fault(case, &variation, &run) {
                verdict.find(case.finding(
                    format!("{}, {why}", variation.what),
                    "take the user, the endpoint with its path, the provider and its region from the account, and nothing \
                     that is listed from the clock",
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
    verdict.tried = format!("{} for another user and password, elsewhere and at another time", count(tried, "list"));
    if effects > 0 {
        verdict.tried.push_str(&format!("; options that no cassette sets: {effects}"));
    }
    if options > 0 {
        verdict.tried.push_str(&format!("; options with a value that is none: {options}"));
    }
    Ok(verdict)
}

/// What becomes what; nothing where there is nothing.
fn exchanged(pairs: &[(&str, &str)]) -> Vec<Exchanged> {
    let pairs = pairs.iter().filter(|(old, _)| !old.is_empty());
    pairs.map(|(old, new)| Exchanged { old: (*old).to_owned(), new: (*new).to_owned() }).collect()
}

impl Exchanged {
    /// In a value; what is short is only found where it is all of it.
    fn in_value(&self, value: &str) -> Option<String> {
        match self.is_long() {
            true => value.contains(&self.old).then(|| value.replace(&self.old, &self.new)),
            false => (value == self.old).then(|| self.new.clone()),
        }
    }

    fn is_long(&self) -> bool {
        self.old.len() >= 6
    }

    /// Whether a request has it: a long one anywhere, a short one as a value of its own.
    fn is_in(&self, asked: &Asked) -> bool {
        if !self.is_long() {
            let header = |value: &HeaderValue| value.as_bytes() == self.old.as_bytes();
            return parameters(asked).values().any(|value| *value == self.old)
                || asked.url.path_segments().is_some_and(|mut parts| parts.any(|part| part == self.old))
                || asked.headers.values().any(header);
        }
        let within = |bytes: &[u8]| memchr::memmem::find(bytes, self.old.as_bytes()).is_some();
        asked.headers.values().any(|value| within(value.as_bytes()))
            || within(&asked.body)
            || within(asked.url.as_str().as_bytes())
    }

    /// In what is written for people to read, with values in quotes.
    fn in_quotes(&self, text: &str) -> String {
        match self.is_long() {
            true => text.replace(&self.old, &self.new),
            false => text.replace(&format!("{:?}", self.old), &format!("{:?}", self.new)),
        }
    }
}

impl Variation {
    /// The cassette with everything exchanged.
    fn played(mut self) -> Variation {
        for exchanged in self.exchanged.clone() {
            exchange(&mut self.cassette, &exchanged);
        }
        self
    }
}

fn exchange(cassette: &mut Cassette, exchanged: &Exchanged) {
    let account = &mut cassette.account;
    for text in [&mut account.provider, &mut account.endpoint, &mut account.user].into_iter() {
        if let Some(new) = exchanged.in_value(text) {
            *text = new;
        }
    }
    for recorded in &mut cassette.exchanges {
        let request = &mut recorded.request;
        let url = exchanged.is_long().then(|| request.url.as_str().replace(&exchanged.old, &exchanged.new));
        if let Some(url) = url.and_then(|url| url.parse().ok()) {
            request.url = url;
        }
        in_headers(&mut request.headers, exchanged);
        if let Some(body) = &request.body {
            let changed = in_body(&body.bytes(), exchanged);
            request.body = Some(changed.map_or_else(|| body.clone(), |changed| Body::of(&changed.into())));
        }
        if let Outcome::Answer(answer) = &mut recorded.outcome {
            in_headers(&mut answer.headers, exchanged);
            if let Some(changed) = in_body(&answer.body.bytes(), exchanged) {
                answer.body = Body::of(&Bytes::from(changed));
            }
        }
    }
}

fn in_headers(headers: &mut HeaderMap, exchanged: &Exchanged) {
    for value in headers.values_mut() {
        let new = value.to_str().ok().and_then(|text| exchanged.in_value(text));
        if let Some(new) = new.and_then(|new| HeaderValue::from_str(&new).ok()) {
            *value = new;
        }
    }
}

fn in_body(body: &Bytes, exchanged: &Exchanged) -> Option<Vec<u8>> {
    if let Some(document) = Document::read(body) {
        return document.with_values(&mut |value| exchanged.in_value(value));
    }
    let text = std::str::from_utf8(body).ok()?;
    exchanged.is_long().then(|| text.replace(&exchanged.old, &exchanged.new).into_bytes())
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
    let outdated = variation.outdated.iter().map(|text| Exchanged { old: text.clone(), new: String::new() });
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
