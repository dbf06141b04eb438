//! The same lists somewhere else: for another user and password, at another endpoint, of another provider, on another
//! day, before all that its answers tell of, and by a clock that goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

use super::options;
use super::secrets::wrong_signature;
use crate::clock::ManualClock;
use crate::driver::cassette::{Body, Cassette, Outcome};
use crate::driver::conformance::chain::parameters;
use crate::driver::conformance::document::Document;
use crate::driver::conformance::stage::{Stage, recorded};
use crate::driver::conformance::stand::difference;
use crate::driver::conformance::{Case, Run, StandError, Suite, Verdict, count, times};
use crate::driver::secrets::PASSWORD;
use crate::driver::wire::{Answered, Asked, Tape, Unanswered};
use crate::driver::{CallError, CallFailure, Target};
use crate::model::{Resource, Timestamp};

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
    /// Whether an option has another value, which may be none of its values.
    is_of_option: bool,
    /// What stands in no request any more.
    outdated: Vec<String>,
}

const OTHER_USER: &str = "Suite-Other_User.7";
/// With what has a meaning in JSON, forms, XML, URLs and headers.
const OTHER_PASSWORD: &str = "other-pass \"w\\rd\" <&>'%41+=/?#;{}";
const OTHER_ENDPOINT: &str = "https://suite-endpoint.example:8443";
const OTHER_PROVIDER: &str = "suite-provider-7";
/// A year and some months later, at another time of day.
const LATER: Duration = Duration::from_secs(401 * 86_400 + 7 * 3_600 + 13 * 60 + 21);
/// More than zones and clocks differ by.
const EARLIER: Duration = Duration::from_secs(3 * 86_400 + 5 * 3_600 + 17);
/// Longer than a poll takes, so that it shows.
const STEP: Duration = Duration::from_secs(61);

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
    for case in suite.lists() {
        for variation in variations(suite, case) {
            tried += 1;
            let target = target(suite, &variation);
            let run = play(suite, &variation, target.clone()).await;
            let why = fault(case, &variation, &run).or_else(|| {
                let is_still = variation.step.is_zero();
                is_still.then(|| wrong_signature(&run, &target, variation.cassette.at)).flatten()
            });
            if let Some(why) = why {
                verdict.find(case.finding(
                    format!("{}, {why}", variation.what),
                    "take the user, the endpoint, the provider and its region from the account, and nothing that is listed \
                     from the clock",
                ));
            }
        }
    }
    verdict.tried = format!("{} for another user and password, elsewhere and at another time", count(tried, "list"));
    if options > 0 {
        verdict.tried.push_str(&format!("; options with a value that is none: {options}"));
    }
    Ok(verdict)
}

fn variations(suite: &Suite, case: &Case) -> Vec<Variation> {
    let base = || Variation {
        what: String::new(),
        cassette: case.cassette.clone(),
        password: None,
        exchanged: Vec::new(),
        step: Duration::ZERO,
        is_of_option: false,
        outdated: Vec::new(),
    };
    let account = &case.cassette.account;
    let mut all = Vec::new();
    if !account.fakes.contains_key(PASSWORD) {
        all.push(Variation { what: "with another password".into(), password: Some(OTHER_PASSWORD), ..base() });
    }
    if account.user.len() >= 3 {
        let exchanged = exchanged(&[(&account.user, OTHER_USER)]);
        all.push(Variation { what: "for another user".into(), exchanged, ..base() }.played());
    }
    let exchanges = |pairs: &[(&str, &str)]| exchanged(pairs);
    all.push(
        Variation {
            what: format!("at the endpoint {OTHER_ENDPOINT}"),
            exchanged: exchanges(&[(&account.endpoint, OTHER_ENDPOINT)]),
            ..base()
        }
        .played(),
    );
    let known = &suite.stand.driver.info().providers;
    let own = known.iter().find(|known| known.name == account.provider && known.endpoint == account.endpoint);
    let other = known.iter().find(|known| known.name != account.provider && known.endpoint != account.endpoint);
    if let (Some(own), Some(other)) = (own, other) {
        let what = format!("of the provider {}", other.name);
        let exchanged = exchanges(&[(&own.endpoint, &other.endpoint), (&own.name, &other.name)]);
        all.push(Variation { what: what.clone(), exchanged, ..base() }.played());
        // As behind a proxy: what names the region is the provider, and not where it is reached.
        let exchanged = exchanges(&[(&own.endpoint, OTHER_ENDPOINT), (&own.name, &other.name)]);
        all.push(Variation { what: format!("{what} at the endpoint {OTHER_ENDPOINT}"), exchanged, ..base() }.played());
    }
    let exchanged = exchanges(&[(&account.provider, OTHER_PROVIDER)]);
    all.push(
        Variation { what: format!("of a provider that is called {OTHER_PROVIDER}"), exchanged, ..base() }.played(),
    );
    // Those that requests have in them.
    let is_sent = |value: &str| {
        let sent = Exchanged { old: value.to_owned(), new: String::new() };
        value.len() >= 3 && case.run.asked.iter().any(|asked| sent.is_in(asked))
    };
    for (name, value) in account.options.iter().filter(|(_, value)| is_sent(value)) {
        let new = other_value(value);
        let mut other = base();
        other.cassette.account.options.insert(name.clone(), new.clone());
        let what = format!("with {new:?} for the option {name:?}");
        all.push(Variation { what, exchanged: exchanges(&[(value, &new)]), is_of_option: true, ..other }.played());
    }
    if case.cassette.since.is_none() {
        let mut later = base();
        later.cassette.at = case.cassette.at.after(LATER);
        let written = case.cassette.at.to_string();
        later.outdated = vec![written[..10].to_owned(), written[..10].replace('-', "")];
        all.push(Variation { what: format!("at {}", later.cassette.at), ..later });
        // As by a host whose clock is wrong: what is listed is the provider's to say.
        let mut earlier = base();
        earlier.cassette.at = first_time(case).before(EARLIER);
        let what = format!("at {}, before all that its answers tell of", earlier.cassette.at);
        all.push(Variation { what, ..earlier });
    }
    all.push(Variation { what: "by a clock that goes on".into(), step: STEP, ..base() });
    all
}

/// The first of all times that a case tells of.
fn first_time(case: &Case) -> Timestamp {
    let answers = case.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
    let nodes = answers.filter_map(|answered| Document::read(&answered.body)).flat_map(|document| document.nodes());
    let written = nodes.filter_map(|node| times::instant(node.text.as_deref()?));
    let launched = case.run.resources().iter().filter_map(|resource| match resource {
        Resource::Instance(instance) => instance.launched_at,
        Resource::Realm(_) => None,
    });
    let plausible = written.chain(launched).filter(|at| *at >= times::FIRST_CLOUD);
    plausible.chain([case.cassette.at]).min().unwrap_or(case.cassette.at)
}

/// Another text of the same make.
fn other_value(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if let Some(last) = letters.iter_mut().rev().find(|letter| letter.is_ascii_alphanumeric()) {
        *last = match last {
            '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from_u32(u32::from(*last) + 1).unwrap_or('x'),
            '9' => '8',
            _ => 'x',
        };
    }
    letters.into_iter().collect()
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
    if matches!(&run.outcome, Err(CallFailure { error: CallError::InvalidAccount(_), .. })) && variation.is_of_option {
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
