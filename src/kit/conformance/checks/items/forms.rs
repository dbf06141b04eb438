//! The same value in a different form, which has to come through: a time with a different offset, and a text of the
//! owner with any characters.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use super::page::{Page, play, play_body};
use crate::driver::Coverage;
use crate::kit::conformance::document::{Edit, Node};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::times;
use crate::model::{Address, Instance, Resource, Timestamp};

/// What an owner may well call something: no letter of it may be lost, changed or cut off.
const ODD: &str = "Zw\u{f6}lf <b>&amp; \"Boxk\u{e4}mpfer\"</b> 'jagen' 100%41 Viktor+s, {\"\u{732b}\": [1]} \u{1f408} \
                   \u{dc}ber_den/gro\u{df}en:Deich;a=b\\n|~^`$# 0123456789-0123456789-0123456789-0123456789 END";

/// The same in a number: more than 32 bits.
const ODD_NUMBER: &str = "9007199254740990";

/// What the value of a label may well be besides, letter for letter: an owner who wants blanks at its ends writes them, and two
/// ways to write one letter are two values.
const ODD_LABELS: [&str; 6] = [
    "",
    " \t Suite blanks\u{a0}\t ",
    "\n\nSuite lines\n",
    "Zu\u{308}rich \u{fb01}t \u{212b}\u{2126} \u{1e9e} I\u{307}\u{131}",
    "\"Suite quotes\"",
    "007.50",
];

/// More bytes than letters, and more letters than most owners need.
static LONG: LazyLock<String> = LazyLock::new(|| "\u{957f}\u{540d}".repeat(600));

/// What labels may well be called. Some look like a system's own, which its users look for all the same.
const ODD_NAMES: [&str; 7] = [
    "Suite.Example/Gr\u{f6}\u{df}e_X-9:z",
    " Suite Blanks ",
    "aws:suite:stack-name",
    "kubernetes.io/suite",
    "system:suite",
    "_suite",
    // As long as clouds allow.
    "suite-name-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-end",
];

/// An hour and a half to the east, as no server and no cloud is.
const EAST: i32 = 90 * 60;

/// What a member in another form shows something of, if it does: the entry holds one resource, of which the member is a launch time
/// or a text that stands in it once. What a word says of others is seen elsewhere; what stands twice may be taken from either.
pub(super) fn shows(page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<Vec<&'static str>> {
    let (text, resource) = (node.text.as_deref()?, only_resource(page, entry)?);
    if matches!(resource, Resource::Instance(instance) if is_launch(text, instance)) {
        return Some(vec!["launched_at"]);
    }
    let entry = &page.entries[entry];
    let is_twice = entry.nodes.iter().any(|other| other.place != node.place && other.text.as_deref() == Some(text));
    let fields = texts_of(resource).into_iter().filter(|field| field.value == text).map(|field| match field.what {
        What::Field(name) => name,
        What::State => "provider_state",
        What::Label(_) => "labels",
    });
    let addresses: Vec<&'static str> = match resource {
        Resource::Instance(instance) => {
            let is_in = |addresses: &[Address]| addresses.iter().any(|address| *address.value == *text);
            [("public", is_in(&instance.public_addresses)), ("private", is_in(&instance.private_addresses))]
                .into_iter()
                .filter_map(|(list, is_in)| is_in.then_some(list))
                .collect()
        }
        Resource::Realm(_) => Vec::new(),
    };
    (!entry.ids.contains(text) && !text.is_empty() && !is_twice).then(|| fields.chain(addresses).collect())
}

/// What is wrong with what comes of a member in another form, if anything is.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<String> {
    let text = node.text.as_deref()?;
    let before = only_resource(page, entry)?;
    if let Resource::Instance(instance) = before
        && let Some(written) = elsewhere(text).filter(|_| is_launch(text, instance))
    {
        let now = listed(suite, page, (node, &written), before).await?;
        return match now {
            Err(came) => Some(format!("is written as {written}, a list was expected, and {came} came")),
            Ok(Resource::Instance(now)) if now.launched_at.is_none() || now.launched_at == instance.launched_at => None,
            Ok(now) => Some(format!(
                "is written as {written}, {} came: an offset is a part of a time",
                shown(&now, "launched_at")
            )),
        };
    }
    if let Some(why) = other_address(suite, page, (node, text), before).await {
        return Some(why);
    }
    let fields = texts_of(before);
    let own: Vec<&Field> = fields.iter().filter(|field| field.value == text).collect();
    if own.is_empty() || own.iter().any(|field| matches!(field.what, What::State)) {
        return label_name(suite, page, (node, text), before).await;
    }
    let is_label = own.iter().all(|field| matches!(field.what, What::Label(_)));
    let new = if page.document.is_number(&node.place) { ODD_NUMBER } else { ODD };
    let others = ODD_LABELS.into_iter().filter(|_| is_label);
    let long = Some(LONG.as_str()).filter(|_| !page.document.is_number(&node.place));
    for new in std::iter::once(new).chain(others).chain(long) {
        let now = match listed(suite, page, (node, new), before).await? {
            Err(came) => return Some(format!("is {new:?}, a list was expected, and {came} came")),
            Ok(now) => now,
        };
        let now = texts_of(&now);
        if let Some(lost) = own.iter().find(|field| value_of(&now, &field.what) != Some(new)) {
            let came = value_of(&now, &lost.what).map_or_else(|| "missing".to_owned(), |came| format!("{came:?}"));
            return Some(format!("is {new:?}, {} is {came}", lost.what.name()));
        }
        let is_own = |field: &&Field| own.iter().any(|own| own.what == field.what);
        let other = fields.iter().filter(|field| !is_own(field)).find(|field| {
            let came = value_of(&now, &field.what);
            // Made of both, as an address of its own may be.
            came != Some(&field.value) && !came.is_some_and(|came| !new.is_empty() && came.contains(new))
        });
        if let Some(other) = other.filter(|_| is_label) {
            let came = value_of(&now, &other.what).map_or_else(|| "missing".to_owned(), |came| format!("{came:?}"));
            return Some(format!("is {new:?}, {} is {came}, and was {:?}", other.what.name(), other.value));
        }
    }
    match is_label {
        true => label_name(suite, page, (node, text), before).await,
        false => None,
    }
}

/// The same of an address: where it stands says who reaches it, and not what it begins with.
async fn other_address(
    suite: &Suite,
    page: &Page<'_>,
    (node, text): (&Node, &str),
    before: &Resource,
) -> Option<String> {
    const PUBLIC: [&str; 4] = ["9.9.9.9", "11.0.0.9", "172.32.0.9", "192.169.0.9"];
    // What stands where there is no address yet.
    const NOT_YET: &str = "0.0.0.0";
    const PRIVATE: [&str; 4] = ["10.255.255.9", "172.16.0.9", "172.31.255.9", "192.168.255.9"];
    let lists = |resource: &Resource, address: &str| match resource {
        Resource::Instance(instance) => {
            let is_in = |addresses: &[Address]| addresses.iter().any(|own| *own.value == *address);
            (is_in(&instance.public_addresses), is_in(&instance.private_addresses))
        }
        Resource::Realm(_) => (false, false),
    };
    text.parse::<Ipv4Addr>().ok()?;
    let listed_in = lists(before, text);
    let others = match listed_in {
        (true, false) => PUBLIC,
        (false, true) => PRIVATE,
        _ => return None,
    };
    if let Ok(now) = listed(suite, page, (node, NOT_YET), before).await?
        && lists(&now, NOT_YET) != (false, false)
    {
        return Some(format!("is {NOT_YET}, that is among its addresses, and it is none"));
    }
    for new in others {
        let now = match listed(suite, page, (node, new), before).await? {
            Err(came) => return Some(format!("is {new}, a list was expected, and {came} came")),
            Ok(now) => now,
        };
        if lists(&now, new) != listed_in {
            let list = if listed_in.0 { "public" } else { "private" };
            return Some(format!("is {new}, that is not among its {list} addresses, or not there alone, as {text} is"));
        }
    }
    None
}

/// The same of the name of a label: where it is a text, or the name of a member that the label's value stands under.
async fn label_name(suite: &Suite, page: &Page<'_>, (node, text): (&Node, &str), before: &Resource) -> Option<String> {
    let Resource::Instance(instance) = before else { return None };
    let name = node.path.rsplit('/').next().unwrap_or_default();
    let is_member = instance.labels.iter().any(|(key, value)| **key == *name && **value == *text);
    let is_text = instance.labels.iter().any(|(key, _)| **key == *text);
    let old = match (is_text, is_member) {
        (true, _) => text,
        (false, true) => name,
        (false, false) => return None,
    };
    for new in ODD_NAMES {
        let body = match is_text {
            true => page.document.edited(&[(node.place.clone(), Edit::Text(new.to_owned()))]),
            false => page.document.with_name(&node.place, new)?,
        };
        let run = play_body(suite, page, body).await;
        let now = match found(&run, before)? {
            Err(came) => return Some(format!("is under the name {new:?}, a list was expected, and {came} came")),
            Ok(Resource::Instance(now)) => now,
            Ok(Resource::Realm(_)) => return None,
        };
        if let Some(why) = renamed(instance, &now, new) {
            return Some(format!("is for the label {new:?} in the place of {old:?}, {why}"));
        }
    }
    None
}

/// What is wrong with the labels of an instance of which one has another name.
fn renamed(before: &Instance, now: &Instance, new: &str) -> Option<String> {
    let is_kept = |(key, value): &(_, _)| before.labels.iter().any(|(own, other)| own == key && other == value);
    match now.labels.iter().find(|(key, _)| **key == *new) {
        None => Some("no label has that name".to_owned()),
        Some(_) if now.labels.len() < before.labels.len() => Some("it has fewer labels".to_owned()),
        Some(_) => {
            let other = now.labels.iter().find(|label| *label.0 != *new && !is_kept(label));
            other.map(|(key, value)| format!("it has the label {key:?} with {value:?}"))
        }
    }
}

/// A text of a resource.
struct Field {
    what: What,
    value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Field(&'static str),
    State,
    Label(String),
}

impl What {
    fn name(&self) -> String {
        match self {
            What::Field(name) => format!("its {name}"),
            What::State => "its provider_state".to_owned(),
            What::Label(key) => format!("its label {key:?}"),
        }
    }
}

fn value_of<'a>(fields: &'a [Field], what: &What) -> Option<&'a str> {
    fields.iter().find(|field| field.what == *what).map(|field| field.value.as_str())
}

fn texts_of(resource: &Resource) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut add = |what: What, value: Option<&str>| {
        fields.extend(value.map(|value| Field { what, value: value.to_owned() }));
    };
    match resource {
        Resource::Realm(realm) => add(What::Field("name"), Some(&realm.name)),
        Resource::Instance(instance) => {
            add(What::Field("name"), instance.name.as_deref());
            add(What::Field("owner"), instance.owner.as_deref());
            add(What::Field("realm"), instance.realm.as_deref());
            add(What::Field("image"), instance.image.as_deref());
            add(What::Field("hardware_profile"), instance.hardware_profile.as_deref());
            add(What::State, Some(&instance.provider_state));
            instance.labels.iter().for_each(|(key, value)| add(What::Label(key.to_string()), Some(value)));
        }
    }
    fields
}

fn shown(resource: &Resource, name: &str) -> String {
    match resource {
        Resource::Instance(instance) => {
            format!("{name} {}", instance.launched_at.map_or_else(String::new, |at| at.to_string()))
        }
        Resource::Realm(realm) => format!("the realm {}", realm.id),
    }
}

/// The resource of an entry that holds one alone.
fn only_resource<'a>(page: &'a Page<'_>, entry: usize) -> Option<&'a Resource> {
    let ids = &page.entries[entry].ids;
    let mut found = page.case.run.resources().iter().filter(|resource| ids.contains(resource.id().as_str()));
    match (found.next(), found.next()) {
        (Some(resource), None) => Some(resource),
        _ => None,
    }
}

fn is_launch(text: &str, instance: &Instance) -> bool {
    let seconds = |at: Timestamp| at.as_seconds();
    times::instant(text).is_some_and(|at| instance.launched_at.map(seconds) == Some(seconds(at)))
}

/// The same instant by another clock; none where it is written in another form than RFC 3339's.
fn elsewhere(text: &str) -> Option<String> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(EAST).ok()?);
    Some(at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

/// The resource as it is listed with another text in the place of a node's, or what came in the place of the list. None
/// where the list is partial, or has another resource: that is for others to judge.
async fn listed(
    suite: &Suite,
    page: &Page<'_>,
    (node, text): (&Node, &str),
    before: &Resource,
) -> Option<Result<Resource, String>> {
    found(&play(suite, page, &[(node.place.clone(), Edit::Text(text.to_owned()))]).await, before)
}

fn found(run: &Run, before: &Resource) -> Option<Result<Resource, String>> {
    let Ok(listing) = &run.outcome else { return Some(Err(run.came())) };
    if matches!(listing.coverage, Coverage::Partial(_) | Coverage::Misfit(_)) {
        return None;
    }
    listing.resources.iter().find(|resource| resource.id() == before.id()).cloned().map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_by_another_clock() {
        let check = |text: &str, want: Option<&str>| assert_eq!(elsewhere(text).as_deref(), want, "{text}");
        check("2026-03-14T23:26:50Z", Some("2026-03-15T00:56:50+01:30"));
        check("2026-03-14T09:26:50.25+00:00", Some("2026-03-14T10:56:50.25+01:30"));
        check("1795168800", None);
        check("running", None);
    }
}
