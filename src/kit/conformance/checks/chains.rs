//! Lists of many pages, with unusual cursors and with empty pages.

mod beside;
mod memory;
mod play;
mod unpaged;

use std::sync::Arc;

use super::failing::statuses_of_nobody;
use crate::driver::Coverage;
use crate::kit::conformance::chain::{Cursors, Link, Shape};
use crate::kit::conformance::faults::{self, Owed};
use crate::kit::conformance::stand::StandError;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use play::{SOME, fault, play};

/// The most pages of a chain.
const MANY: usize = 100;
/// How many full pages are listed: each may have a thousand entries.
const FULL: usize = 3;

pub(super) async fn many_pages(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so its pages are its own"));
    }
    let mut verdict = Verdict::default();
    let mut made = Vec::new();
    for (kind, is_of_changes) in suite.asked().filter(|(_, is_of_changes)| !is_of_changes) {
        let cases =
            suite.lists().filter(|case| (case.cassette.list, case.cassette.since.is_some()) == (kind, is_of_changes));
        let whole = cases.filter(|case| {
            let listing = case.run.outcome.as_ref();
            case.run.pages.len() > 1 && listing.is_ok_and(|listing| listing.coverage == Coverage::Complete)
        });
        let Some((case, link)) = whole.filter_map(|case| Some((case, Link::of(case)?))).next() else { continue };
        made.push(case.name());
        tried(suite, case, &link, &mut verdict).await?;
    }
    let led_on = unpaged::led_on(suite, &mut verdict).await;
    verdict.tried = match made.is_empty() {
        true => "nothing: no two requests of a list differ in one parameter alone".into(),
        false => format!("lists of {SOME} and more pages, made of {}", made.join(" and ")),
    };
    if !led_on.is_empty() {
        verdict.tried.push_str(&format!("; in pages as those lists: {}", led_on.join(" and ")));
    }
    Ok(verdict)
}

async fn tried(suite: &Suite, case: &Case, link: &Link, verdict: &mut Verdict) -> Result<(), StandError> {
    let limits = &suite.blank.limits;
    let most =
        MANY.min(limits.pages as usize).min((limits.requests as usize).saturating_sub(case.cassette.exchanges.len()));
    let shape = Shape { pages: SOME.min(most), cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
    let mut shapes = vec![("", shape)];
    if link.has_free_cursors() {
        shapes.push((", with odd cursors", Shape { cursors: Cursors::Odd, ..shape }));
    }
    if link.says_what_is_next() {
        shapes.push((", some of them empty", Shape { has_empty_pages: true, ..shape }));
    }
    // As many entries as were asked for: a full page may be the last one, and its last entry is one like the others.
    if let Some(entries) = link.page_size() {
        shapes.push((", each of them full", Shape { pages: FULL.min(most), entries, ..shape }));
    }
    for (how, shape) in shapes {
        let made = link.chain(case, shape);
        let run = play(suite, case, &made).await;
        if let Some(why) = fault(&made, &run) {
            verdict.find(case.finding(
                format!("with {} pages{how}, {why}", made.chain.pages()),
                "follow the provider's cursor until it gives none, whatever is on a page; give it back as it came, encoded \
                 for where it stands",
            ));
        }
    }
    fails_far_behind(suite, case, (link, shape), verdict).await;
    beside::unsaid(suite, case, link, verdict).await;
    memory::goes_far(suite, case, (link, shape), verdict).await?;
    let runs = memory::keeps_nothing(suite, case, (link, shape, most), verdict).await?;
    if let Some(run) = runs.iter().find(|run| !run.slept.is_zero()) {
        verdict.find(case.finding(
            format!("with {} pages, it sleeps for {:?}", run.pages.len(), run.slept),
            "ask for the next page at once: the host keeps to the provider's rate",
        ));
    }
    Ok(())
}

/// Which pages something goes wrong at, of how many.
const FAILING: [usize; 3] = [3, 6, 8];
const OF_FAILING: usize = 9;
/// Every how many of all faults are tried there.
const FAULT_STEP: usize = 3;

/// Holds that what goes wrong at a page far behind the first ones is said as it is at those.
async fn fails_far_behind(suite: &Suite, case: &Case, (link, shape): (&Link, Shape), verdict: &mut Verdict) {
    let made = link.chain(case, Shape { pages: OF_FAILING.min(shape.pages), ..shape });
    // One of each class: what each status means is seen at the first pages.
    let faults_of = |at: usize| {
        let broken = faults::broken(made.chain.recorded(at));
        statuses_of_nobody(suite).into_iter().chain(broken).step_by(FAULT_STEP).collect::<Vec<_>>()
    };
    for turn in 0..faults_of(0).len() {
        let at = FAILING[turn % FAILING.len()].min(made.chain.pages().saturating_sub(1));
        // What becomes of a page is made of that page.
        let Some(fault) = faults_of(at).into_iter().nth(turn) else { continue };
        let chain = Arc::new(made.chain.with(at, fault.outcome.clone()));
        let target = suite.blank.stranger(&case.cassette);
        let run = suite.stand.list_as(target, &case.cassette, Arc::clone(&chain) as _).await;
        if !fault.owed.is_given(&run, &case.run) {
            verdict.find(case.finding(
                format!(
                    "with {} pages of which the answer for page {} is {}, expected {}, and {} came",
                    made.chain.pages(),
                    at + 1,
                    fault.what,
                    fault.owed.expected(),
                    run.came()
                ),
                fault.owed.remedy(),
            ));
            continue;
        }
        // A token may have ended: what was asked for with it is asked for with another.
        let spare = usize::from(fault.owed == Owed::Unauthorized);
        if chain.asked().len() > at + 1 + spare {
            verdict.find(case.finding(
                format!(
                    "with {} pages of which the answer for page {} is {}, it asks for {} more",
                    made.chain.pages(),
                    at + 1,
                    fault.what,
                    chain.asked().len() - at - 1
                ),
                "say what went wrong, at once: the host asks again when it is time",
            ));
        }
    }
}
