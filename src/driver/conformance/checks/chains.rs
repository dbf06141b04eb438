//! Lists of many pages, with cursors that nobody would think of, and pages without anything on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::driver::Coverage;
use crate::driver::conformance::chain::{Cursors, Link, Made, Shape};
use crate::driver::conformance::{Case, Run, StandError, Suite, Verdict};

/// The most pages of a chain.
const MANY: usize = 100;
const SOME: usize = 20;
/// How many entries a page has where memory is looked at.
const ENTRIES: usize = 50;
/// What a sandbox may take more for the many pages than for some: an allocator is not exact.
const SLACK: usize = 1 << 20;

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
        tried(suite, case, &link, &mut verdict).await;
    }
    verdict.tried = match made.is_empty() {
        true => "nothing: no two requests of a list differ in one parameter alone".into(),
        false => format!("lists of {SOME} and more pages, made of {}", made.join(" and ")),
    };
    Ok(verdict)
}

async fn tried(suite: &Suite, case: &Case, link: &Link, verdict: &mut Verdict) {
    let limits = &suite.blank.limits;
    let most =
        MANY.min(limits.pages as usize).min((limits.requests as usize).saturating_sub(case.cassette.exchanges.len()));
    let shape = Shape { pages: SOME.min(most), cursors: Cursors::Alike, has_empty_pages: false, entries: 0 };
    let mut shapes = vec![("", shape)];
    if link.has_free_cursors() {
        shapes.push((", with odd cursors", Shape { cursors: Cursors::Odd, ..shape }));
    }
    if link.says_what_is_next() {
        shapes.push((", some of them empty", Shape { has_empty_pages: true, ..shape }));
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
    let large = Shape { entries: ENTRIES, ..shape };
    let (some, many) = (link.chain(case, large), link.chain(case, Shape { pages: most, ..large }));
    let (before, after) = (play(suite, case, &some).await, play(suite, case, &many).await);
    if let Some(why) = fault(&many, &after) {
        verdict.find(case.finding(
            format!("with {} pages, {why}", many.chain.pages()),
            "follow the provider's cursor until it gives none",
        ));
        return;
    }
    let grown = after.usage().memory.saturating_sub(before.usage().memory);
    let read = many.bytes.saturating_sub(some.bytes);
    if grown > SLACK && grown > read / 10 {
        verdict.find(case.finding(
            format!(
                "with {} pages in the place of {}, it took {} more: {} of each page are kept",
                many.chain.pages(),
                some.chain.pages(),
                bytesize::ByteSize(grown as u64),
                bytesize::ByteSize((grown / (many.chain.pages() - some.chain.pages()).max(1)) as u64),
            ),
            "keep nothing of a page once it is given: the host has it",
        ));
    }
}

async fn play(suite: &Suite, case: &Case, made: &Made) -> Run {
    let target = suite.blank.stranger(&case.cassette);
    suite.stand.list_as(target, &case.cassette, Arc::clone(&made.chain) as _).await
}

/// In what a list is not the chain's.
fn fault(made: &Made, run: &Run) -> Option<String> {
    let asked = made.chain.asked();
    if let Some(turn) = asked.iter().position(Option::is_none) {
        return Some(format!("request {} has a cursor that no page gave", turn + 1));
    }
    let pages: BTreeSet<usize> = asked.iter().copied().flatten().collect();
    let whole = matches!(&run.outcome, Ok(listing) if listing.coverage == Coverage::Complete);
    if !whole || pages.len() < made.chain.pages() {
        return Some(format!("{} were asked for, and {} came", pages.len(), run.came()));
    }
    let listed: BTreeSet<String> = run.resources().iter().map(|resource| resource.id().to_string()).collect();
    let missing: Vec<&str> = made.ids.difference(&listed).take(3).map(String::as_str).collect();
    match missing.is_empty() && listed.len() == made.ids.len() {
        true => None,
        false => Some(format!(
            "{} resources were expected and {} came; missing are {}",
            made.ids.len(),
            listed.len(),
            if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
        )),
    }
}
