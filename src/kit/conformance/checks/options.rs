//! Invalid values of options. A driver must not treat an invalid value like no value: nobody would notice that it was
//! not understood.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

use crate::driver::wire::Asked;
use crate::driver::{CallError, CallFailure};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;

/// No number, no name of anything, and nothing that is on or off.
const MALFORMED: &str = "suite malformed?";

/// Shorter values stand in requests by accident.
const LEAST_SENT: usize = 3;

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
            let value = case.cassette.account.options.get(name).map_or("", String::as_str);
            let is_sent = |run: &Run, value: &str| run.asked.iter().any(|asked| has(asked, value));
            // Where it stands in a header alone, nothing else differs without it.
            let is_in_requests = value.len() >= LEAST_SENT && is_sent(&case.run, value);
            let without = list(None).await;
            if !is_in_requests && is_same(&without, &case.run) {
                continue;
            }
            tried += 1;
            let malformed = list(Some(MALFORMED)).await;
            let is_refused = is_invalid(&malformed) || malformed.outcome.is_err() && malformed.asked.is_empty();
            let why = if is_in_requests && !is_refused && !is_sent(&malformed, MALFORMED) {
                "its requests have another value, and it does not say `invalid-account`"
            } else if !is_in_requests && !is_invalid(&without) && is_same(&malformed, &without) {
                "it does the same as without that option"
            } else {
                continue;
            };
            verdict.find(case.finding(
                format!("with {MALFORMED:?} for the option {name:?}, {why}"),
                "say `invalid-account` for a value that you can't use: an operator who mistypes one is told so, and not \
                 given something else",
            ));
        }
    }
    tried
}

fn is_invalid(run: &Run) -> bool {
    matches!(&run.outcome, Err(CallFailure { error: CallError::InvalidAccount(_), .. }))
}

/// Whether a request has a value, however it is written there.
fn has(asked: &Asked, value: &str) -> bool {
    let of_form = form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
    let of_url = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let is_in = |bytes: &[u8]| {
        [value, &of_form, &of_url].iter().any(|form| memchr::memmem::find(bytes, form.as_bytes()).is_some())
    };
    asked.headers.values().any(|value| is_in(value.as_bytes()))
        || is_in(&asked.body)
        || is_in(asked.url.as_str().as_bytes())
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
