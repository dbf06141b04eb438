//! Instances of special kinds: spot, preemptible, on a dedicated host, reserved, or made by a scaler. Each is listed
//! like all others, whether a cassette shows one or not.

use std::collections::BTreeSet;

use super::page::{Page, UNREADABLE, play};
use super::siblings::{Beside, Style, changes, own_name, plain};
use crate::driver::Coverage;
use crate::kit::conformance::document::{Edit, Node, Place, Side};
use crate::kit::conformance::stand::{Run, ids};
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Resource;

/// What providers call such instances: the words of a member's name, and its value.
const MARKS: [(&[&str], &str); 22] = [
    (&["lifecycle"], "spot"),
    (&["instance", "lifecycle"], "spot"),
    (&["spot", "instance", "request", "id"], "sir-5u1te0000000000a1"),
    (&["spot"], "true"),
    (&["is", "spot"], "true"),
    (&["spot", "strategy"], "SpotAsPriceGo"),
    (&["preemptible"], "true"),
    (&["is", "preemptible"], "true"),
    (&["interruptible"], "true"),
    (&["provisioning", "model"], "SPOT"),
    (&["market", "type"], "spot"),
    (&["charge", "type"], "spot"),
    (&["priority"], "Spot"),
    (&["tenancy"], "dedicated"),
    (&["host", "id"], "h-5u1te0000000000a1"),
    (&["dedicated", "host", "id"], "h-5u1te0000000000a1"),
    (&["capacity", "reservation", "id"], "cr-5u1te0000000000a1"),
    (&["reservation", "type"], "reserved"),
    (&["managed", "by"], "suite-autoscaler"),
    (&["auto", "scaling", "group"], "suite-group"),
    (&["deletion", "protection"], "true"),
    (&["termination", "protection"], "true"),
];
/// The words for them in members that the recorded entries have.
const WORDS: [&str; 6] = ["spot", "preemptible", "dedicated", "host", "reserved", "scheduled"];
/// How many answers are tried.
const MOST_PAGES: usize = 3;

const REMEDY: &str = "list every instance, whatever it costs, wherever it runs and whoever made it";

/// Holds that entries with such members are listed as they are without.
pub(super) async fn kept(suite: &Suite, pages: &[Page<'_>], verdict: &mut Verdict) {
    let names = || pages.iter().flat_map(|page| &page.entries).flat_map(|entry| &entry.nodes).map(own_name);
    let known: BTreeSet<String> = names().map(plain).collect();
    let style = Style::of(names());
    let marks = MARKS.map(|(words, value)| (style.join(words), value.to_owned()));
    let marks: Vec<(String, String)> = marks.into_iter().filter(|(name, _)| !known.contains(&plain(name))).collect();
    for page in pages.iter().take(MOST_PAGES) {
        let why = match marked(suite, page, &marks).await {
            Some(why) => Some(why),
            None => in_other_words(suite, page).await,
        };
        if let Some(why) = why {
            verdict.find(page.case.finding(format!("in the entries of exchange {}, {why}", page.at + 1), REMEDY));
            return;
        }
    }
}

/// What is another list with marks beside each id than without.
async fn marked(suite: &Suite, page: &Page<'_>, marks: &[(String, String)]) -> Option<String> {
    let held = page.entries.iter().flat_map(|entry| {
        entry.nodes.iter().filter(|node| node.text.as_ref().is_some_and(|text| entry.ids.contains(text)))
    });
    let held: Vec<&Node> = held.collect();
    let beside =
        |marks: &[(String, String)]| -> Vec<Beside<'_>> { held.iter().map(|node| (*node, marks.to_vec())).collect() };
    for side in Side::ALL {
        if changes(suite, page, &beside(marks), side).await.is_none() {
            continue;
        }
        for mark in marks {
            if let Some(why) = changes(suite, page, &beside(std::slice::from_ref(mark)), side).await {
                return Some(format!("where {} is {:?}, {why}", mark.0, mark.1));
            }
        }
    }
    None
}

/// Which member takes entries out of a list if it is one of the words, if one does.
async fn in_other_words(suite: &Suite, page: &Page<'_>) -> Option<String> {
    let fields = fields(page);
    let is_word = |node: &&Node| {
        let text = node.text.as_deref().unwrap_or_default();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
        (3..=24).contains(&text.len()) && is_plain && !matches!(text, "true" | "false") && !fields.contains(text)
    };
    let nodes: Vec<&Node> = page.entries.iter().flat_map(|entry| &entry.nodes).filter(is_word).collect();
    let paths: BTreeSet<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
    let with = async |path: Option<&str>, word: &str| {
        let edited = nodes.iter().filter(|node| path.is_none_or(|path| node.path == path));
        let edits: Vec<(Place, Edit)> = edited.map(|node| (node.place.clone(), Edit::Text(word.to_owned()))).collect();
        play(suite, page, &edits).await
    };
    for word in WORDS.iter().filter(|_| !nodes.is_empty()) {
        if missing(page, &with(None, word).await).is_some_and(|missing| missing.is_none()) {
            continue;
        }
        for path in &paths {
            let Some(Some(id)) = missing(page, &with(Some(path), word).await) else { continue };
            // Where any unknown word takes entries away, it says whether they are instances at all.
            if missing(page, &with(Some(path), UNREADABLE).await).is_some_and(|missing| missing.is_none()) {
                return Some(format!("where {path} is {word:?}, {id} is missing"));
            }
        }
    }
    None
}

/// The first id that is missing from a whole list, if one is; none where there is no such list, or where entries are counted as
/// no instances.
fn missing(page: &Page<'_>, run: &Run) -> Option<Option<String>> {
    let listing = run.outcome.as_ref().ok()?;
    if matches!(listing.coverage, Coverage::Partial(_)) || run.omitted > page.case.run.omitted {
        return None;
    }
    let listed = ids(&listing.resources);
    let before = page.case.run.resources().iter().map(Resource::id);
    Some(before.map(|id| id.as_str()).find(|id| !listed.contains(id)).map(str::to_owned))
}

/// The texts that are fields of what is listed: those are judged elsewhere.
fn fields(page: &Page<'_>) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for resource in page.case.run.resources() {
        let Resource::Instance(instance) = resource else { continue };
        let words = [&instance.owner, &instance.realm, &instance.image, &instance.hardware_profile];
        fields.extend(words.into_iter().flatten().map(|word| word.to_string()));
        fields.extend(instance.name.as_deref().map(str::to_owned));
        fields.insert(instance.provider_state.to_string());
        fields.extend(instance.labels.iter().flat_map(|(key, value)| [key.to_string(), value.to_string()]));
    }
    fields
}
