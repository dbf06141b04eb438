//! Malformed entries of a list: one member is missing, empty, or has another type. A malformed entry may end the list
//! with an error. It is never skipped, and does not affect its neighbours.

mod flags;
mod forms;
mod judge;
mod kinds;
mod losing;
mod more;
mod optional;
mod page;
mod siblings;
mod special;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::driver::Coverage;
use crate::kit::conformance::document::{Document, Edit, Node, Place};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stand::{Run, StandError, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, Resource};
use judge::Trial;
use page::{Page, UNREADABLE, pages, play, stain};

const ALONE: &str = "read each member by itself: what stands beside it, and may be absent, is no condition for it";

/// How many members are tried of one kind of list: more than an entry has that people can read.
const MOST_NODES: usize = 300;

pub(super) async fn each(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so there are no entries to read"));
    }
    let mut verdict = Verdict::default();
    let (mut tried, mut entries) = (0, 0);
    for (kind, is_of_changes) in suite.asked() {
        let cases = suite.lists().filter(|case| case.cassette.list == kind);
        let cases = cases.filter(|case| case.cassette.since.is_some() == is_of_changes);
        let mut pages: Vec<Page<'_>> = cases.flat_map(pages).collect();
        // Where there are more entries, each has more neighbours; and what does not fit together shows less.
        pages.sort_by_key(|page| std::cmp::Reverse((is_whole(page.case), page.entries.len())));
        let known = Known::of(&pages);
        // Each member once where an entry stands before its own, and once where one stands behind it: what is taken from a
        // neighbour may be taken from either.
        let mut seen: BTreeSet<(Side, String)> = BTreeSet::new();
        // Another form of a member shows something in some entries alone: it is tried in the first of those.
        let mut formed: BTreeSet<(&str, Vec<&str>)> = BTreeSet::new();
        let mut room = MOST_NODES;
        siblings::ignored(suite, &pages, &mut verdict).await;
        if kind == Kind::Instance {
            special::kept(suite, &pages, &mut verdict).await;
        }
        for page in &pages {
            // What holds several resources shows less of each.
            let mut entries_of = from_the_middle(page.entries.len());
            entries_of.sort_by_key(|&entry| page.entries[entry].ids.len() > 1);
            for entry in entries_of {
                for node in &page.entries[entry].nodes {
                    if formed.len() < MOST_NODES
                        && let Some(shown) = forms::shows(page, (entry, node))
                        && formed.insert((&node.path, shown))
                    {
                        in_another_form(suite, page, (entry, node), &mut verdict).await;
                    }
                }
                let sides = sides(entry, page.entries.len());
                let is_new = |node: &&Node| {
                    let new = sides.iter().filter(|side| seen.insert((**side, node.path.clone())));
                    new.count() > 0
                };
                let nodes: Vec<&Node> = page.entries[entry].nodes.iter().filter(is_new).collect();
                entries += u32::from(!nodes.is_empty());
                for node in nodes.into_iter().take(room) {
                    room -= 1;
                    tried += 1;
                    edited(suite, page, (entry, node), &known, &mut verdict).await;
                }
            }
        }
    }
    verdict.tried = match tried {
        0 => "nothing: no answer has a list with entries that are JSON or XML".into(),
        _ => format!("{} of {entries} entries taken away, emptied and made unreadable", count(tried, "member")),
    };
    Ok(verdict)
}

fn is_whole(case: &Case) -> bool {
    matches!(&case.run.outcome, Ok(listing) if matches!(listing.coverage, Coverage::Complete | Coverage::Delta(_)))
}

/// Where a neighbour of an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    Behind,
}

/// Where an entry has neighbours; one that is alone counts as if it had both.
fn sides(entry: usize, length: usize) -> Vec<Side> {
    let (before, behind) = (entry > 0, entry + 1 < length);
    match (before, behind) {
        (true, false) => vec![Side::Before],
        (false, true) => vec![Side::Behind],
        (true, true) | (false, false) => vec![Side::Before, Side::Behind],
    }
}

/// The places of a list, the middle ones first.
fn from_the_middle(length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_by_key(|&place| (2 * place).abs_diff(length.saturating_sub(1)));
    places
}

/// What all entries of a kind show together.
struct Known<'a> {
    /// The members that some entry does without.
    spared: BTreeSet<String>,
    /// What stands at a path, in any entry.
    words: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// XML elements that are lists.
    lists: BTreeSet<String>,
    /// The words for states.
    states: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(pages: &'a [Page<'_>]) -> Known<'a> {
        let mut words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for node in pages.iter().flat_map(|page| &page.entries).flat_map(|entry| &entry.nodes) {
            if let Some(text) = node.text.as_deref() {
                words.entry(&node.path).or_default().insert(text);
            }
        }
        let lists = pages.iter().flat_map(|page| page.document.list_paths()).collect();
        let states = pages.iter().flat_map(|page| page.case.run.resources()).filter_map(|resource| match resource {
            Resource::Instance(instance) => Some(&*instance.provider_state),
            Resource::Realm(_) => None,
        });
        Known { spared: spared(pages), words, lists, states: states.collect() }
    }
}

/// The members that some listed entry does without, although it has what they are in: a list without them is as good.
fn spared(pages: &[Page<'_>]) -> BTreeSet<String> {
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let entries = || pages.iter().flat_map(|page| &page.entries);
    for node in entries().flat_map(|entry| &entry.nodes) {
        parents.entry(node.parent()).or_default().insert(&node.path);
    }
    let mut spared = BTreeSet::new();
    for entry in entries() {
        let paths: HashSet<&str> = entry.nodes.iter().map(|node| node.path.as_str()).collect();
        for (parent, members) in &parents {
            let is_there = paths.contains(parent) || members.iter().any(|path| paths.contains(path));
            let absent = members.iter().filter(|path| is_there && !paths.contains(*path));
            spared.extend(absent.map(|path| (*path).to_owned()));
        }
    }
    spared
}

/// Tries the same value in another form.
async fn in_another_form(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node), verdict: &mut Verdict) {
    if let Some(why) = forms::fault(suite, page, (entry, node)).await {
        verdict.find(page.case.finding(
            format!("where {} of an entry of exchange {} {why}", node.path, page.at + 1),
            "read a time with its offset, and take words as they are, however long, in whatever letters, and without any",
        ));
    }
}

/// Tries one member of one entry.
async fn edited(
    suite: &Suite,
    page: &Page<'_>,
    (entry, node): (usize, &Node),
    known: &Known<'_>,
    verdict: &mut Verdict,
) {
    let stains = stains(page, entry, node);
    let stained = match stains.is_empty() {
        true => None,
        false => {
            let run = play(suite, page, &stains).await;
            // Where the neighbours' values may not be others, they stay as they are.
            let same = matches!(&run.outcome, Ok(listing) if matches!(listing.coverage, Coverage::Complete | Coverage::Delta(_)))
                && ids(run.resources()) == ids(page.case.run.resources());
            same.then_some(run)
        }
    };
    let (base, stains) = match &stained {
        Some(run) => (run, stains),
        None => (&page.case.run, Vec::new()),
    };
    let mut edits = vec![(Edit::Remove, "missing"), (Edit::Null, "empty"), (Edit::OtherType, "of another type")];
    if node.text.is_some() {
        edits.push((Edit::Text(UNREADABLE.into()), "unreadable"));
        edits.push((Edit::Text(String::new()), "a text without a letter"));
    }
    // Without what its id is in there is no entry, and nothing that is incomplete.
    let mut ids = page.entries[entry]
        .nodes
        .iter()
        .filter(|other| other.text.as_ref().is_some_and(|text| page.entries[entry].ids.contains(text)));
    let holds_id = ids.any(|other| page.document.is_within(&other.place, &node.place));
    if holds_id && matches!(page.document, Document::Xml(_)) {
        if known.lists.contains(&node.path) && !known.spared.contains(&node.path) {
            without_inner_list(suite, page, (entry, node), verdict).await;
        }
        return;
    }
    let is_sometimes_absent = known.spared.contains(&node.path);
    let words = known.words.get(node.path.as_str()).cloned().unwrap_or_default();
    if let Some(why) = kinds::fault(suite, page, (entry, node), &words, is_sometimes_absent).await {
        verdict.find(page.case.finding(
            format!("where {} of an entry of exchange {} {why}", node.path, page.at + 1),
            "where a word says what stands beside it, list it only by words that you know: an address of an unknown kind is \
             neither public nor private, and a realm of which nothing says that it is available is not",
        ));
    }
    if let Some(why) = flags::fault(suite, page, node, &words).await {
        verdict.find(page.case.finding(
            format!("where {} of an entry of exchange {} {why}", node.path, page.at + 1),
            "a state comes of the provider's word for it; where a flag has a part in it, record an answer with either value, and \
             say what it means in `expect`",
        ));
    }
    if let Some(why) = more::fault(suite, page, (entry, node)).await {
        verdict.find(page.case.finding(
            format!("where {} of an entry of exchange {} {why}", node.path, page.at + 1),
            "read all elements of a list, as many as there are",
        ));
    }
    if let Some(why) = losing::alone(suite, page, (entry, node)).await {
        verdict.find(
            page.case.finding(format!("where {} of an entry of exchange {} {why}", node.path, page.at + 1), ALONE),
        );
    }
    for (edit, what) in edits {
        let is_spared = edit == Edit::Remove && is_sometimes_absent;
        let edits: Vec<_> = stains.iter().cloned().chain([(node.place.clone(), edit.clone())]).collect();
        let run = play(suite, page, &edits).await;
        let (read, states) = (&page.entries[entry], &known.states);
        let trial = Trial { base, run: &run, entry: read, edited: node, edit: &edit, is_spared, states };
        let why = match trial.fault(&page.case.cassette) {
            Some(why) => Some(why),
            None => match asks_otherwise(&page.case.run, &run) {
                Some(why) => Some(why),
                None => follows(suite, page, &trial, &edits).await,
            },
        };
        if let Some(why) = why {
            verdict.find(page.case.finding(
                format!("where {} of an entry of exchange {} is {what}, {why}", node.path, page.at + 1),
                "an entry that can't be read is `unexpected-answer`, or makes the list partial; it is never left out, and \
                 what it lacks is taken from nowhere else",
            ));
            break;
        }
        if matches!(edit, Edit::Remove | Edit::Null)
            && let Some(why) = losing::fault(suite, page, (entry, node), &stains, (base, &run)).await
        {
            verdict.find(page.case.finding(
                format!("where {} of an entry of exchange {} is {what}, {why}", node.path, page.at + 1),
                ALONE,
            ));
            break;
        }
        if matches!(edit, Edit::Remove | Edit::Null)
            && let Some(why) = optional::fault(suite, page, (entry, node), &run).await
        {
            verdict.find(page.case.finding(
                format!("where {} of an entry of exchange {} is {what}, {why}", node.path, page.at + 1),
                "list an entry without what it may do without: one that lacks an address, say, is no reason to list none",
            ));
            break;
        }
    }
}

/// What is asked for beside what the same list is otherwise made of: what an entry lacks is asked for nowhere.
fn asks_otherwise(before: &Run, now: &Run) -> Option<String> {
    if now.asked.len() > before.asked.len() {
        return Some(format!("it makes {} requests, and {} otherwise", now.asked.len(), before.asked.len()));
    }
    let other = now.asked.iter().zip(&before.asked).find(|(now, before)| {
        (&now.method, now.url.origin(), now.url.path()) != (&before.method, before.url.origin(), before.url.path())
    });
    other.map(|(now, _)| format!("it asks for {} {}, which it does not otherwise", now.method, now.url.path()))
}

/// Where a value came up that stands elsewhere in the entry: whether it follows what stands there, or is always the same.
async fn follows(suite: &Suite, page: &Page<'_>, trial: &Trial<'_>, edits: &[(Place, Edit)]) -> Option<String> {
    let found = trial.taken_from_elsewhere()?;
    let others = trial.entry.nodes.iter().filter(|node| edits.iter().all(|(place, _)| *place != node.place));
    let others = others.filter(|node| !page.document.is_within(&node.place, &trial.edited.place));
    let other = stain(&found.value)?;
    let changed = others.filter_map(|node| {
        let text = node.text.as_deref().filter(|text| text.contains(&found.value))?;
        Some((node.place.clone(), Edit::Text(text.replace(&found.value, &other))))
    });
    let edits: Vec<_> = edits.iter().cloned().chain(changed).collect();
    let run = play(suite, page, &edits).await;
    let is_still = run.resources().iter().any(|resource| found.is_in(resource));
    is_still.then(|| format!("{} of {} is {:?}, whatever is in the entry", found.name, found.id, found.value))
}

/// Takes away a list within an entry, which is no list without anything in it.
async fn without_inner_list(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node), verdict: &mut Verdict) {
    let run = play(suite, page, &[(node.place.clone(), Edit::Remove)]).await;
    let Ok(listing) = &run.outcome else { return };
    let now = ids(&listing.resources);
    let missing = page.entries[entry].ids.iter().find(|id| !now.contains(id.as_str()));
    if let Some(missing) = missing.filter(|_| !matches!(listing.coverage, Coverage::Partial(_))) {
        verdict.find(page.case.finding(
            format!(
                "where {} of an entry of exchange {} is missing, {missing} is missing from {}",
                node.path,
                page.at + 1,
                run.came()
            ),
            "an entry without the list that belongs into it is `unexpected-answer`: it is not one that has nothing",
        ));
    }
}

/// Gives the neighbours other values than the entry's, where they have the same: what is taken from one shows.
fn stains(page: &Page<'_>, entry: usize, node: &Node) -> Vec<(Place, Edit)> {
    let Some(text) = node.text.as_deref().filter(|text| !text.is_empty()) else { return Vec::new() };
    let others = page.entries.iter().enumerate().filter(|(at, _)| *at != entry).flat_map(|(_, entry)| &entry.nodes);
    let same = others.filter(|other| other.path == node.path && other.text.as_deref() == Some(text));
    same.filter_map(|other| Some((other.place.clone(), Edit::Text(stain(text)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_comes_first() {
        assert_eq!(from_the_middle(5), [2, 1, 3, 0, 4]);
        assert_eq!(from_the_middle(2), [0, 1]);
        assert_eq!(from_the_middle(0), [0; 0]);
    }

    #[test]
    fn an_entry_has_neighbours_before_and_behind() {
        assert_eq!(sides(0, 1), [Side::Before, Side::Behind]);
        assert_eq!(sides(0, 2), [Side::Behind]);
        assert_eq!(sides(1, 2), [Side::Before]);
        assert_eq!(sides(1, 3), [Side::Before, Side::Behind]);
    }

    #[test]
    fn a_stained_value_is_of_the_same_make() {
        let check = |text: &str, want: Option<&str>| assert_eq!(stain(text).as_deref(), want, "{text}");
        check("us-east-1a", Some("us-east-2a"));
        check("2026-11-22T22:02:22.000Z", Some("2026-11-22T22:02:22.001Z"));
        check("10.0.0.9", Some("10.0.0.8"));
        check("north", Some("northx"));
        check("true", None);
    }
}
