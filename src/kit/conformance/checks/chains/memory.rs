//! Whether a driver keeps something of each page. Garbage grows with pages too, until it is collected. When that
//! happens depends on the language of the driver. Many collectors wait until more memory is used than a sandbox may
//! have.
//!
//! So memory is measured twice. In the sandbox of a poll, most drivers need no more for many pages than for some, and
//! pass. If memory grows, the suite reads a longer list with much garbage on each page, in a sandbox with enough room
//! for any collector to start. Memory that is kept continues to grow when the same number of pages is read again.
//! Garbage stops growing.

use super::play::{SOME, fault, play, play_on};
use crate::driver::{CallError, Limits};
use crate::kit::conformance::chain::{Link, Made, Shape};
use crate::kit::conformance::stand::{Run, Stand, StandError};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

/// What a page has where memory is looked at, in bytes, and in entries at most.
const PAGE_BYTES: usize = 64 << 10;
const MOST_ENTRIES: usize = 100;
/// What a sandbox may take more for more pages: an allocator is not exact.
const SLACK: usize = 512 << 10;
/// Which part of what was read is no accident, if as much is kept.
const KEPT_PART: usize = 8;

/// After how many pages memory is looked at in the longer list: each time there are twice as many, as a buffer that grows
/// with what is kept in it may double, and then rest for as long.
const DOUBLED: [usize; 4] = [40, 80, 160, 320];
/// What each of its pages has to collect. All of them have more than any known collector waits for: that of JavaScript's
/// engine begins at some 70 MB.
const BLANKS: usize = 256 << 10;
/// The memory of its sandbox, which is to hold all of that.
const ROOM: usize = 256 << 20;
/// Which part of what memory grew by at first is kept, if it goes on growing by as much. The rest may be room in a buffer
/// that had just doubled.
const STILL_PART: usize = 4;
/// Which part of a heap that is collected comes and goes by chance. What is kept makes most of a heap, and grows with it.
const VARIES: usize = 16;
/// How often the longer list is read. Where a collector begins has to do with chance; what is kept is there each time.
const TIMES: usize = 2;

/// Holds that memory does not grow with the number of pages. Gives the lists that were read, with what came of each.
pub(super) async fn keeps_nothing(
    suite: &Suite,
    case: &Case,
    (link, shape, most): (&Link, Shape, usize),
    verdict: &mut Verdict,
) -> Result<Vec<Run>, StandError> {
    let shape = Shape { entries: link.entries_of(PAGE_BYTES, MOST_ENTRIES), ..shape };
    let (runs, grown) = grown(suite, case, (link, shape, most), verdict).await;
    let Some(grown) = grown else { return Ok(runs) };
    let stand = suite.blank.stand_under(roomy(&suite.blank.limits)).await?;
    for _ in 0..TIMES {
        if !still_grows(suite, &stand, case, (link, shape), grown).await {
            return Ok(runs);
        }
    }
    verdict.find(case.finding(
        format!(
            "with {most} pages in the place of {SOME}, it took {} more for each page, and none of that was given back",
            bytesize::ByteSize(grown as u64)
        ),
        "keep nothing of a page once it is given: the host has it",
    ));
    Ok(runs)
}

/// More pages than a byte counts.
const FAR: usize = 300;

/// Holds that a list of very many numbered pages is read to its end, where the limits of a host allow so many.
pub(super) async fn goes_far(
    suite: &Suite,
    case: &Case,
    (link, shape): (&Link, Shape),
    verdict: &mut Verdict,
) -> Result<(), StandError> {
    if !link.has_numbers() {
        return Ok(());
    }
    let stand = suite.blank.stand_under(roomy(&suite.blank.limits)).await?;
    let made = link.chain(case, Shape { pages: FAR, entries: 0, ..shape });
    let run = play_on(&stand, suite, case, &made).await;
    if let Some(why) = fault(&made, &run) {
        verdict.find(case.finding(
            format!("with {FAR} pages, {why}"),
            "count pages and entries with as many bits as the provider does",
        ));
    }
    Ok(())
}

/// By how many bytes a page memory grows in the sandbox of a poll from some pages to many, if it does.
async fn grown(
    suite: &Suite,
    case: &Case,
    (link, shape, most): (&Link, Shape, usize),
    verdict: &mut Verdict,
) -> (Vec<Run>, Option<usize>) {
    let mut lists: Vec<(Made, Run)> = Vec::new();
    for pages in [shape.pages, most] {
        let made = link.chain(case, Shape { pages, ..shape });
        let run = play(suite, case, &made).await;
        if let Some(why) = fault(&made, &run) {
            verdict.find(case.finding(
                format!("with {} pages of {} entries, {why}", made.chain.pages(), made.ids.len() / pages.max(1)),
                "follow the provider's cursor until it gives none, and list all that is on a page",
            ));
            return (vec![run], None);
        }
        lists.push((made, run));
    }
    let [(fewer, earlier), (made, run)] = lists.as_slice() else { return (Vec::new(), None) };
    let grown = run.usage().memory.saturating_sub(earlier.usage().memory);
    let read = made.bytes.saturating_sub(fewer.bytes);
    let more = made.chain.pages().saturating_sub(fewer.chain.pages()).max(1);
    let grown = (grown > SLACK && grown > read / KEPT_PART).then_some(grown / more);
    (lists.into_iter().map(|(_, run)| run).collect(), grown)
}

/// Whether memory grows by about as much a page, however many were read and whatever there was to collect.
async fn still_grows(suite: &Suite, stand: &Stand, case: &Case, (link, shape): (&Link, Shape), grown: usize) -> bool {
    let made = link.chain(case, Shape { pages: DOUBLED[DOUBLED.len() - 1], blanks: BLANKS, ..shape });
    let run = play_on(stand, suite, case, &made).await;
    // All that there was to collect has no room in it: it was not collected.
    if matches!(&run.outcome, Err(failure) if matches!(failure.error, CallError::Limit { setting: "memory", .. })) {
        return true;
    }
    DOUBLED.windows(2).all(|pair| {
        let [before, after] = [pair[0], pair[1]].map(|pages| run.memory.get(pages - 1).copied());
        // A list that ended early for another reason shows nothing.
        let (Some(before), Some(after)) = (before, after) else { return false };
        let more = after.saturating_sub(before);
        more / (pair[1] - pair[0]) >= grown / STILL_PART && more > before / VARIES
    })
}

/// The limits of a sandbox in which collectors begin, and of a list that gives them something to do.
fn roomy(limits: &Limits) -> Limits {
    let memory = limits.memory.max(ROOM);
    let poll_memory = limits.poll_memory.max(2 * memory);
    let longest = u32::try_from(2 * DOUBLED[DOUBLED.len() - 1]).unwrap_or(u32::MAX);
    Limits {
        memory,
        poll_memory,
        total_memory: limits.total_memory.max(2 * poll_memory),
        pages: limits.pages.max(longest),
        requests: limits.requests.max(longest),
        ..limits.clone()
    }
}
