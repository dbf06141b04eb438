//! Unknown members beside a member that feeds a field, with similar names, as providers add them. They change nothing.

use std::collections::BTreeSet;

use super::judge::addresses;
use super::page::{Page, play_body, stain};
use crate::kit::conformance::document::{Node, Side};
use crate::kit::conformance::stand::{Run, difference, is_same_coverage};
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Resource;

/// Members that are put beside a node, each with its text.
pub(super) type Beside<'a> = (&'a Node, Vec<(String, String)>);

/// Puts them before and behind all that feeds a field on a page, and looks for the one that did it where the list changes.
pub(super) async fn ignored(suite: &Suite, pages: &[Page<'_>], verdict: &mut Verdict) {
    let entries = || pages.iter().flat_map(|page| &page.entries).flat_map(|entry| &entry.nodes);
    let known: BTreeSet<String> = entries().map(|node| plain(own_name(node))).collect();
    let style = Style::of(entries().map(own_name));
    for page in pages {
        let beside: Vec<Beside<'_>> =
            feeding(page).filter_map(|node| Some((node, relatives(node, style, &known)?))).collect();
        for side in Side::ALL {
            if changes(suite, page, &beside, side).await.is_none() {
                continue;
            }
            let mut alone: Vec<Beside<'_>> = Vec::new();
            for (node, members) in &beside {
                alone.extend(members.iter().map(|member| (*node, vec![member.clone()])));
            }
            for one in alone {
                let Some(why) = changes(suite, page, std::slice::from_ref(&one), side).await else { continue };
                let (node, member) = (one.0, &one.1[0].0);
                verdict.find(page.case.finding(
                    format!("where {member} stands beside {} in an entry of exchange {}, {why}", node.path, page.at + 1),
                    "read the member that you mean, by its whole name, and no other; where the driver is to read this one, show \
                     it in a cassette",
                ));
                return;
            }
        }
    }
}

/// What is another list with those members in it than without.
pub(super) async fn changes(suite: &Suite, page: &Page<'_>, beside: &[Beside<'_>], side: Side) -> Option<String> {
    let places: Vec<_> = beside.iter().map(|(node, members)| (node.place.clone(), members.clone())).collect();
    let body = page.document.with_siblings(&places, side)?;
    let run = play_body(suite, page, body).await;
    let (Ok(before), Ok(now)) = (&page.case.run.outcome, &run.outcome) else {
        return Some(format!("{} came", run.came()));
    };
    let (old, new) = (without_labels(&page.case.run), without_labels(&run));
    let is_same = old == new && is_same_coverage(&before.coverage, &now.coverage);
    (!is_same).then(|| format!("another list came: {}", difference(&old, &new)))
}

/// What is listed, without labels: another member may well be one.
fn without_labels(run: &Run) -> Vec<Resource> {
    let mut resources = run.resources().to_vec();
    for resource in &mut resources {
        if let Resource::Instance(instance) = resource {
            instance.labels = Box::default();
        }
    }
    resources
}

/// The values of entries that are a field of a resource.
fn feeding<'a>(page: &'a Page<'_>) -> impl Iterator<Item = &'a Node> {
    let mut fields: BTreeSet<String> = BTreeSet::new();
    let mut labels: BTreeSet<String> = BTreeSet::new();
    for resource in page.case.run.resources() {
        fields.insert(resource.id().to_string());
        fields.extend(resource.name().map(str::to_owned));
        if let Resource::Instance(instance) = resource {
            let texts = [&instance.owner, &instance.realm, &instance.image, &instance.hardware_profile];
            fields.extend(texts.into_iter().flatten().map(|text| text.to_string()));
            fields.insert(instance.provider_state.to_string());
            fields.extend(addresses(instance));
            labels.extend(instance.labels.iter().flat_map(|(key, value)| [key.to_string(), value.to_string()]));
        }
    }
    let is_fed = move |node: &&Node| {
        let text = node.text.as_deref().unwrap_or_default();
        fields.contains(text) && !labels.contains(text) && !own_name(node).starts_with(['@', '['])
    };
    page.entries.iter().flat_map(|entry| &entry.nodes).filter(is_fed)
}

/// How a provider writes names of several words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Snake,
    Kebab,
    Camel,
}

impl Style {
    pub(super) fn of<'a>(mut names: impl Iterator<Item = &'a str> + Clone) -> Style {
        match () {
            () if names.clone().any(|name| name.contains('_')) => Style::Snake,
            () if names.any(|name| name.contains('-')) => Style::Kebab,
            () => Style::Camel,
        }
    }

    pub(super) fn join(self, words: &[&str]) -> String {
        match self {
            Style::Snake => words.join("_"),
            Style::Kebab => words.join("-"),
            Style::Camel => {
                let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
                words
                    .iter()
                    .enumerate()
                    .map(|(at, word)| if at == 0 { (*word).to_owned() } else { capital(word) })
                    .collect()
            }
        }
    }
}

/// Members with the stem of a node's name, and with its end, that no entry has; none where it is no name of plain words.
fn relatives(node: &Node, style: Style, known: &BTreeSet<String>) -> Option<Vec<(String, String)>> {
    let other = stain(node.text.as_deref()?)?;
    let words = words(own_name(node))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (last, before) = words.split_last()?;
    let stem = if matches!(*last, "id" | "name") { before } else { &words[..] };
    let mut names = vec![style.join(&[&["previous"], &words[..]].concat()), style.join(&["requester", last])];
    if !stem.is_empty() {
        names.extend([
            style.join(stem),
            style.join(&[stem, &["id"]].concat()),
            style.join(&[stem, &["name"]].concat()),
        ]);
    }
    names.sort();
    names.dedup();
    names.retain(|name| !known.contains(&plain(name)));
    Some(names.into_iter().map(|name| (name, other.clone())).collect())
}

/// The words of a name, in lower case.
fn words(name: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = vec![String::new()];
    for letter in name.chars() {
        match letter {
            '_' | '-' => words.push(String::new()),
            'A'..='Z' if words.last().is_some_and(|word| word.ends_with(|c: char| c.is_ascii_lowercase())) => {
                words.push(letter.to_ascii_lowercase().to_string());
            }
            letter if letter.is_ascii_alphanumeric() => words.last_mut()?.push(letter.to_ascii_lowercase()),
            _ => return None,
        }
    }
    words.retain(|word| !word.is_empty());
    (!words.is_empty()).then_some(words)
}

pub(super) fn own_name(node: &Node) -> &str {
    node.path.rsplit('/').next().unwrap_or_default()
}

/// A name as whoever reads it in letters of any case and in any style has it.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::conformance::document::Place;

    #[test]
    fn relatives_have_a_stem_or_an_end_in_common() {
        let check = |name: &str, style: Style, known: &[&str], want: &[&str]| {
            let node = Node {
                place: Place::Pointer(String::new()),
                path: format!("/items/{name}"),
                text: Some("us-east-1a".to_owned()),
            };
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            let relatives = relatives(&node, style, &known).expect(name);
            let names: Vec<&str> = relatives.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, want, "{name}");
            assert!(relatives.iter().all(|(_, text)| text == "us-east-2a"), "{relatives:?}");
        };
        let zone = ["availabilityZoneId", "availabilityZoneName", "previousAvailabilityZone", "requesterZone"];
        check("availabilityZone", Style::Camel, &["availabilityzone"], &zone);
        check("ownerId", Style::Camel, &["ownerid"], &["owner", "ownerName", "previousOwnerId", "requesterId"]);
        check(
            "size_slug",
            Style::Snake,
            &["sizeslug", "sizeslugid"],
            &["previous_size_slug", "requester_slug", "size_slug_name"],
        );
        check("id", Style::Snake, &["id", "requesterid"], &["previous_id"]);
    }

    #[test]
    fn a_provider_has_one_style_for_names() {
        assert_eq!(Style::of(["id", "size_slug"].into_iter()), Style::Snake);
        assert_eq!(Style::of(["id", "size-slug"].into_iter()), Style::Kebab);
        assert_eq!(Style::of(["id", "sizeSlug"].into_iter()), Style::Camel);
    }
}
