//! Hints of a provider about when to ask again: every form, with clocks before and after that time. An invalid hint
//! counts as no hint: it changes neither the error nor the wait.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use crate::driver::wire::Answered;
use crate::driver::{CallError, CallFailure};
use crate::kit::conformance::faults::Owed;
use crate::kit::conformance::stage::{Stage, recorded};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::times;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Timestamp;

/// What a driver may take for a wait by itself, where nothing that makes sense is said.
const USUAL: Duration = Duration::from_secs(60);
/// The longest that a provider keeps anybody away.
const DAY: Duration = Duration::from_secs(86_400);

/// Tries each; says how many.
pub(super) async fn all(suite: &Suite, verdict: &mut Verdict) -> usize {
    let throttled = |case: &&Case| case.cassette.expect.error.as_deref() == Some("throttled");
    let mut tried = 0;
    for case in suite.cases.iter().filter(throttled) {
        tried += waits(suite, case, verdict).await;
        tried += resets(suite, case, verdict).await;
        tried += odd(suite, case, verdict).await;
    }
    tried
}

/// The wait that a driver gave; none where it gave another error, or a list.
fn wait_of(run: &Run) -> Option<Option<Duration>> {
    match &run.outcome {
        Err(CallFailure { error: CallError::Throttled { retry_after, .. }, .. }) => Some(*retry_after),
        _ => None,
    }
}

/// The answer with which a case's provider throttles, with its place.
fn refusal(case: &Case) -> Option<(usize, Answered)> {
    let answers = case.cassette.exchanges.iter().enumerate();
    let failed = answers.filter_map(|(at, exchange)| Some((at, recorded(exchange).ok()?)));
    failed.filter(|(_, answered)| !answered.status.is_success()).last()
}

/// The headers of an answer that say when to ask again.
fn named(answered: &Answered) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    answered.headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        name.contains("reset") || name.contains("retry-after")
    })
}

/// A provider that throttles in its own words, and says for how long.
async fn waits(suite: &Suite, case: &Case, verdict: &mut Verdict) -> usize {
    const WAIT: u64 = 4_321;
    let Some((at, mut answered)) = refusal(case) else { return 0 };
    answered.headers.insert(header::RETRY_AFTER, HeaderValue::from(WAIT));
    let run = suite.list(case, Stage::of(&case.cassette).with(at, Ok(answered))).await;
    let owed = Owed::Throttled(Some(Duration::from_secs(WAIT)));
    if !owed.is_given(&run, &case.run) {
        verdict.find(case.finding(
            format!("with Retry-After: {WAIT}, expected {}, and {} came", owed.expected(), run.came()),
            owed.remedy(),
        ));
    }
    1
}

/// A provider that says at which time it answers again, by clocks that are shortly before that time, long before and behind.
async fn resets(suite: &Suite, case: &Case, verdict: &mut Verdict) -> usize {
    // A part of a second counts as one.
    const CLOCKS: [(i64, Duration); 7] = [
        (-7, Duration::from_secs(8)),
        (-400 * 86_400, DAY),
        (0, USUAL),
        (1, USUAL),
        (3_600, USUAL),
        (30 * 86_400, USUAL),
        (4_000 * 86_400, USUAL),
    ];
    let Some((header, reset)) = reset_of(case) else { return 0 };
    for (seconds, most) in CLOCKS {
        let mut cassette = case.cassette.clone();
        let apart = Duration::from_secs(seconds.unsigned_abs());
        cassette.at = if seconds < 0 { reset.before(apart) } else { reset.after(apart) };
        let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette).rearranged()).await;
        let when = match seconds {
            ..0 => format!("{} seconds before the time in {header}", apart.as_secs()),
            0 => format!("at the time in {header}"),
            _ => format!("{} seconds behind the time in {header}", apart.as_secs()),
        };
        let why = match wait_of(&run) {
            Some(Some(wait)) if wait > most => format!("{when}, {} seconds to wait came", wait.as_secs()),
            Some(_) => continue,
            None => format!("{when}, expected throttled, and {} came", run.came()),
        };
        verdict.find(case.finding(
            why,
            "a point in time is no span: take the time that it is now from it, as the sandbox's clock has it; one that is \
             over says nothing, and nobody is kept away for more than a day",
        ));
    }
    CLOCKS.len()
}

/// The last point in time that a throttled answer's headers name, where they name no span that may be meant in its place.
fn reset_of(case: &Case) -> Option<(String, Timestamp)> {
    let (_, answered) = refusal(case)?;
    let at = case.cassette.at;
    let is_near = |instant: &Timestamp| *instant > at && *instant <= at.after(DAY);
    let read = named(&answered).map(|(name, value)| {
        let instant = times::read(value.to_str().ok()?).into_iter().find(is_near)?;
        Some((name.to_string(), instant))
    });
    read.collect::<Option<Vec<_>>>()?.into_iter().max_by_key(|(_, instant)| *instant)
}

/// How long a hint may be taken to mean, whatever else it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// Nothing.
    Nothing,
    /// More than anybody waits: that, the longest that is, or nothing.
    Long,
}

/// Hints that make no sense, in the place of those that do.
async fn odd(suite: &Suite, case: &Case, verdict: &mut Verdict) -> usize {
    const HINTS: [(&str, Means); 11] = [
        ("", Means::Nothing),
        ("soon", Means::Nothing),
        ("-1", Means::Nothing),
        ("-99999999999", Means::Nothing),
        ("0x1F4", Means::Nothing),
        ("1e9", Means::Nothing),
        ("7.5", Means::Nothing),
        ("Sat, 01 Jan 2000 00:00:00 GMT", Means::Nothing),
        // What is left of them in 32 and in 64 bits is little.
        ("4294967303", Means::Long),
        ("18446744073709551623", Means::Long),
        ("99999999999999999999999", Means::Long),
    ];
    let Some((at, answered)) = refusal(case) else { return 0 };
    let mut names: Vec<HeaderName> = named(&answered).map(|(name, _)| name.clone()).collect();
    names.push(header::RETRY_AFTER);
    names.dedup();
    let mut tried = 0;
    for name in names {
        let mut without = answered.clone();
        without.headers.remove(&name);
        let play = async |answered: Answered| suite.list(case, Stage::of(&case.cassette).with(at, Ok(answered))).await;
        // What other headers say, and the document.
        let Some(own) = wait_of(&play(without.clone()).await) else { continue };
        for (hint, means) in HINTS {
            tried += 1;
            let mut answered = without.clone();
            answered.headers.insert(name.clone(), HeaderValue::from_static(hint));
            let run = play(answered).await;
            let is_time = name.as_str().contains("reset");
            let why = match (wait_of(&run), means) {
                (None, _) => format!("expected throttled, and {} came", run.came()),
                (Some(wait), _) if wait.is_none() || wait == own => continue,
                (Some(Some(wait)), Means::Nothing) if wait <= USUAL => continue,
                // A point in time of long ago is over.
                (Some(Some(wait)), Means::Long) if is_time || wait > USUAL => continue,
                (Some(wait), _) => format!("{} seconds to wait came", wait.unwrap_or_default().as_secs()),
            };
            verdict.find(case.finding(
                format!("with {name}: {hint:?}, {why}"),
                "a hint that can't be read, and one that is over, is none: say `throttled` without it",
            ));
        }
    }
    tried
}
