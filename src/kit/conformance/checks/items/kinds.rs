//! Words that say what a neighbouring value is: the kind of an address, the key of a label, the state of a realm. The
//! suite finds them by exchanging words. If a recorded word takes a value away, an unknown word and no word have to
//! take it away, too.

use std::collections::BTreeSet;

use super::page::{Page, UNREADABLE, play};
use crate::driver::Coverage;
use crate::kit::conformance::document::{Edit, Node};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::model::{Address, RealmState, Resource};

/// How many of the recorded words are put in the place of one.
const MOST_WORDS: usize = 3;

/// Something that is said of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) value: String,
}

/// What is said of the resources with these ids; none of a list that is partial, and where none came.
pub(super) fn said(run: &Run, ids: &BTreeSet<String>) -> Option<BTreeSet<Said>> {
    let listing = run.outcome.as_ref().ok()?;
    (!matches!(listing.coverage, Coverage::Partial(_))).then(|| {
        let own = listing.resources.iter().filter(|resource| ids.contains(resource.id().as_str()));
        own.flat_map(of).collect()
    })
}

/// What is wrong with what is made of an entry when a word in it is another one, or away. `words` are those that stand there
/// in other entries.
pub(super) async fn fault(
    suite: &Suite,
    page: &Page<'_>,
    (entry, node): (usize, &Node),
    words: &BTreeSet<&str>,
    is_spared: bool,
) -> Option<String> {
    let text = node.text.as_deref().filter(|text| !text.is_empty())?;
    let entry = &page.entries[entry];
    // What holds several does not say of which it speaks.
    if entry.ids.len() != 1 || entry.ids.contains(text) {
        return None;
    }
    let before = said(&page.case.run, &entry.ids)?;
    let with = async |edit: Edit| said(&play(suite, page, &[(node.place.clone(), edit)]).await, &entry.ids);
    let mut taken_away = BTreeSet::new();
    let others = words.iter().filter(|word| **word != text && !word.is_empty()).take(MOST_WORDS);
    for word in others.copied().chain([UNREADABLE]) {
        if let Some(now) = with(Edit::Text(word.to_owned())).await {
            // A value that stands there itself goes with its text.
            let gone = before.difference(&now).filter(|said| said.value != text);
            taken_away.extend(gone.cloned());
        }
    }
    let mut edits = vec![(Edit::Text(UNREADABLE.to_owned()), "a word that nobody knows")];
    if !is_spared {
        edits.extend([(Edit::Remove, "missing"), (Edit::Null, "empty"), (Edit::OtherType, "of another type")]);
    }
    for (edit, how) in edits {
        if taken_away.is_empty() {
            break;
        }
        let Some(now) = with(edit).await else { continue };
        let is_left = |gone: &&Said| now.iter().any(|said| said.is_same(gone));
        if let Some(Said { id, what, value }) = taken_away.iter().find(is_left) {
            return Some(format!(
                "is {how}, {value} of {id} is still listed, and {what} is what another word there takes away"
            ));
        }
    }
    None
}

const PUBLIC: &str = "a public address";
const PRIVATE: &str = "a private address";

impl Said {
    pub(super) fn is_address(&self) -> bool {
        self.what == PUBLIC || self.what == PRIVATE
    }

    /// Whether it says the same. An address is the same in either list.
    pub(super) fn is_same(&self, other: &Said) -> bool {
        self == other || self.is_address() && other.is_address() && (&self.id, &self.value) == (&other.id, &other.value)
    }
}

fn of(resource: &Resource) -> Vec<Said> {
    let id = resource.id().to_string();
    let mut all = Vec::new();
    let mut say = |what: &str, value: &str| {
        all.push(Said { id: id.clone(), what: what.to_owned(), value: value.to_owned() });
    };
    match resource {
        Resource::Realm(realm) => {
            if realm.state == RealmState::Available {
                say("its state", "AVAILABLE");
            }
        }
        Resource::Instance(instance) => {
            let mut addresses = |what: &str, addresses: &[Address]| {
                addresses.iter().for_each(|address| say(what, &address.value));
            };
            addresses(PUBLIC, &instance.public_addresses);
            addresses(PRIVATE, &instance.private_addresses);
            for (what, value) in [
                ("its name", instance.name.as_deref()),
                ("its owner", instance.owner.as_deref()),
                ("its realm", instance.realm.as_deref()),
                ("its image", instance.image.as_deref()),
                ("its hardware profile", instance.hardware_profile.as_deref()),
            ] {
                value.into_iter().for_each(|value| say(what, value));
            }
            for (key, value) in &instance.labels {
                say(&format!("its label {key:?}"), value);
            }
        }
    }
    all
}
