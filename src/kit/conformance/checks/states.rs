//! Known and unknown words for states; and lists that are not complete.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::Coverage;
use crate::kit::cassette::{Expect, ExpectedCoverage};
use crate::kit::conformance::document::Document;
use crate::kit::conformance::report::{Finding, count};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::StandError;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Instance, InstanceState, Kind, Resource, State};

fn instances(resources: &[Resource]) -> impl Iterator<Item = &Instance> {
    resources.iter().filter_map(|resource| match resource {
        Resource::Instance(instance) => Some(instance),
        Resource::Realm(_) => None,
    })
}

pub(super) async fn mapped(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    // Each word, with what it means and the cassette that says so.
    let mut meanings: BTreeMap<&str, (State, &str)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for case in suite.cases.iter().filter(|case| case.cassette.list == Kind::Instance) {
        for (word, state) in &case.cassette.expect.states {
            let (known, by) = *meanings.entry(word).or_insert((*state, case.name()));
            if known != *state {
                verdict.find(case.finding(
                    format!("it says that {word:?} means {state}, and {by} that it means {known}"),
                    "a word has one meaning: correct one of the cassettes",
                ));
            }
        }
    }
    for case in suite.lists() {
        for instance in instances(case.run.resources()) {
            let (word, state) = (instance.provider_state.as_str(), State::Instance(instance.state));
            let first = seen.insert(word);
            match meanings.get(word) {
                Some((wanted, _)) if *wanted == state => {}
                Some((wanted, by)) => verdict.find(case.finding(
                    format!("{} is in state {state} by the word {word:?}, which means {wanted} by {by}", instance.id),
                    "map the word in the driver, or correct the cassette",
                )),
                None if first => verdict.find(case.finding(
                    format!(
                        "{} is in state {state} by the word {word:?}, of which no cassette says what it means",
                        instance.id
                    ),
                    format!("add it to the cassette's expect.states, such as {{{word:?}: {:?}}}", state.as_str()),
                )),
                None => {}
            }
        }
    }
    for (word, (_, by)) in &meanings {
        if !seen.contains(word) {
            verdict.find(Finding {
                cassette: Some((*by).to_owned()),
                why: format!("it says what {word:?} means, and no instance is listed with that word"),
                what_to_do: "keep the provider's word unchanged in provider_state; if it is, record an instance in \
                             that state"
                    .into(),
            });
        }
    }
    let words: Vec<_> = seen.into_iter().collect();
    verdict.tried = match words.as_slice() {
        [] => "no instance with a state".into(),
        words => format!("{} words: {}", words.len(), words.join(", ")),
    };
    Ok(verdict)
}

/// Words that no provider has: text, and a number where a state is one.
const UNHEARD_OF: &str = "Suite-Unheard_Of";
const ODD: &str = "Gr\u{f6}\u{df}er als: X/Y (100 %)";
const UNHEARD_OF_NUMBER: &str = "987654321";

pub(super) async fn unknown(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so every word is its own"));
    }
    let mut verdict = Verdict::default();
    let mut tried = BTreeSet::new();
    let mut unworded = 0;
    for case in suite.lists() {
        let words: BTreeSet<&str> = instances(case.run.resources()).map(|one| one.provider_state.as_str()).collect();
        for word in words {
            if !tried.insert(word) {
                continue;
            }
            if !is_written(case, word) {
                if suite.manifest.words == Some(false) {
                    unworded += 1;
                    continue;
                }
                verdict.find(case.finding(
                    format!("{word:?} is listed as the provider's word for a state, and is no value in its answers"),
                    "give the provider's own word in provider_state, as it stands in the answer; where it has none (a \
                     flag, or several members together), say so in suite.json: {\"suite\": 1, \"words\": false}",
                ));
                continue;
            }
            let unknown = unheard_of(word).into_iter().map(|new| (new, false));
            for (new, may_be_known) in unknown.chain(recased(word).into_iter().map(|new| (new, true))) {
                if let Some((why, remedy)) = in_place_of(suite, case, (word, &new), may_be_known).await {
                    verdict
                        .find(case.finding(format!("with {new:?} in the place of {word:?}, expected {why}"), remedy));
                    break;
                }
            }
        }
    }
    verdict.tried = format!("a word that nobody knows in the place of each of {}", tried.len() - unworded);
    if unworded > 0 {
        verdict.tried.push_str(&format!("; {unworded} are no words of the provider's, as suite.json says"));
    }
    Ok(verdict)
}

/// Words that no provider has: one that is like none, and those that have the known one in them. A number is like any.
fn unheard_of(word: &str) -> Vec<String> {
    match word.parse::<u64>() {
        Ok(_) => vec![UNHEARD_OF_NUMBER.to_owned()],
        Err(_) if word.is_empty() => vec![UNHEARD_OF.to_owned()],
        Err(_) => {
            vec![UNHEARD_OF.to_owned(), ODD.to_owned(), format!("{word}-{UNHEARD_OF}"), format!("{UNHEARD_OF}-{word}")]
        }
    }
}

/// The word in letters of another case: another word, or the same one for a provider that writes it so today.
fn recased(word: &str) -> BTreeSet<String> {
    let mut letters = word.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let mut forms = BTreeSet::from([
        word.to_uppercase(),
        word.to_lowercase(),
        format!("{first}{}", letters.as_str().to_lowercase()),
    ]);
    forms.remove(word);
    forms
}

/// Whether a word is a value in a case's answers.
fn is_written(case: &Case, word: &str) -> bool {
    let answers = case.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
    let mut documents = answers.filter_map(|answered| Document::read(&answered.body));
    documents.any(|document| document.with_values(&mut |value| (value == word).then(String::new)).is_some())
}

/// What is wrong with what comes with a word in the place of another one, and what to do.
async fn in_place_of(
    suite: &Suite,
    case: &Case,
    (word, new): (&str, &str),
    may_be_known: bool,
) -> Option<(String, &'static str)> {
    let mut stage = Stage::of(&case.cassette);
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let exchanged = Document::read(&answered.body)
            .and_then(|document| document.with_values(&mut |value| (value == word).then(|| new.to_owned())));
        if let Some(body) = exchanged {
            stage = stage.with(at, Ok(with_body(&answered, body)));
        }
    }
    let run = suite.list(case, stage).await;
    let Ok(listing) = &run.outcome else {
        return Some((
            format!("a list, and {} came", run.came()),
            "providers invent states: take any word, and list what you do not know as `unknown`",
        ));
    };
    let before = instances(case.run.resources()).filter(|before| before.provider_state.as_str() == word);
    let why = before.filter_map(|before| match instances(&listing.resources).find(|now| now.id == before.id) {
        None => Some(format!("{} is not listed any more", before.id)),
        Some(now) if now.state != InstanceState::Unknown && !(may_be_known && now.state == before.state) => {
            Some(format!("{} is {} by the word {:?}", before.id, State::Instance(now.state), now.provider_state))
        }
        Some(now) if now.provider_state.as_str() != new => {
            Some(format!("{} has {:?} for the provider's word", before.id, now.provider_state))
        }
        Some(_) => None,
    });
    why.into_iter().next().map(|why| {
        let remedy = "list an instance in a state that you do not know as `unknown`, with the provider's word, letter for \
                      letter; a word that has a known one in it is another word";
        (format!("`unknown` and the word as it is written, and {why}"), remedy)
    })
}

pub(super) async fn partial(suite: &Suite) -> Result<Verdict, StandError> {
    let is_partial = |case: &Case| {
        let listing = case.run.outcome.as_ref();
        listing.is_ok_and(|listing| matches!(listing.coverage, Coverage::Partial(_)))
    };
    let shown: Vec<_> = suite.cases.iter().filter(|case| is_partial(case)).collect();
    let mut verdict = Verdict::tried(format!("{}; partial: {}", count(suite.lists().count(), "list"), shown.len()));
    for case in suite.lists().filter(|case| case.cassette.since.is_none()) {
        let expect = Expect { coverage: case.cassette.expect.coverage, ..Expect::default() };
        for why in expect.differences(case.run.outcome.as_ref().map_err(|failure| &failure.error)) {
            verdict.find(case.finding(
                why,
                "say `partial` exactly where the provider answered with less than everything: nothing is removed then",
            ));
        }
    }
    let spliced = super::pages::partial_everywhere(suite, &mut verdict).await;
    if spliced > 0 {
        verdict.tried.push_str(&format!("; pages with what others say of themselves: {spliced}"));
    }
    let expected = suite.lists().any(|case| case.cassette.expect.coverage == Some(ExpectedCoverage::Partial));
    match (shown.first(), suite.manifest.partial) {
        (Some(case), Some(false)) => verdict.find(case.finding(
            "suite.json says that the provider gives everything or an error, and this list is partial",
            "take \"partial\": false out of suite.json",
        )),
        (None, Some(false)) => {
            verdict.tried = "suite.json says that the provider gives everything or an error".into();
        }
        (None, _) if !expected => verdict.find(Finding {
            cassette: None,
            why: "no cassette shows a list that is partial".into(),
            what_to_do: "record, or write by hand, an answer with which the provider gives less than everything (an \
                         error in one zone, a list that it cut short); where it has no such thing, say so in \
                         suite.json: {\"suite\": 1, \"partial\": false}"
                .into(),
        }),
        _ => {}
    }
    Ok(verdict)
}
