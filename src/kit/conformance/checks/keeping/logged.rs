//! Account data in log lines of a poll without errors: data of the owner, cursors, and request ids of the provider.
//! Logs are read by people who may not see the account.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::Coverage;
use crate::driver::wire::Asked;
use crate::kit::conformance::chain::parameters;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::stage::recorded;
use crate::kit::conformance::suite::{Case, Suite, ids_of};
use crate::kit::conformance::times;
use crate::model::Resource;

/// What is shorter is found in ordinary words.
pub(super) const SHORTEST: usize = 6;
/// How many digits make a text one that stands for something: words have fewer.
const DIGITS: usize = 4;

/// What is in a log line that belongs into none, if something is.
pub(super) fn tells(case: &Case, words: &BTreeSet<&str>) -> Option<String> {
    let listing = case.run.outcome.as_ref().ok().filter(|_| !case.run.logged.is_empty())?;
    let mut values = of_instances(case);
    // What is missing from a list may well be named.
    if !matches!(listing.coverage, Coverage::Partial(_)) {
        values.extend(of_answers(case));
    }
    let own = own_texts(case);
    let is_own = |value: &str| words.contains(value) || own.iter().any(|text| text.contains(value));
    let is_in = |value: &str| case.run.logged.iter().any(|line| line.contains(value));
    let told = values.into_iter().find(|(value, _)| value.len() >= SHORTEST && !is_own(value) && is_in(value))?;
    let (value, whose) = told;
    Some(format!("a log line, or what it prints, has {value:?} {whose} in it, although nothing went wrong"))
}

/// The provider's own words: for states, for what stands in realms, and for what instances are made of. An owner may use one for
/// a name, and a log line that has it may well count states.
pub(super) fn words_of(suite: &Suite) -> BTreeSet<&str> {
    let resources = suite.lists().flat_map(|case| case.run.resources());
    let words = resources.flat_map(|resource| match resource {
        Resource::Instance(instance) => [
            Some(&*instance.provider_state),
            instance.realm.as_deref(),
            instance.image.as_deref(),
            instance.hardware_profile.as_deref(),
        ],
        Resource::Realm(realm) => [Some(&*realm.name), Some(realm.id.as_str()), None, None],
    });
    words.flatten().collect()
}

/// What is an instance's owner's own: a name, an address, a label, the owner.
fn of_instances(case: &Case) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for resource in case.run.resources() {
        let Resource::Instance(instance) = resource else { continue };
        let addresses = instance.public_addresses.iter().chain(&instance.private_addresses);
        let labels = instance.labels.iter().map(|(_, value)| &**value);
        let names = instance.name.as_deref().into_iter().chain(instance.owner.as_deref());
        for value in names.chain(addresses.map(|address| &*address.value)).chain(labels) {
            values.entry(value.to_owned()).or_insert_with(|| format!("of {}", instance.id));
        }
    }
    values
}

/// What stands for something in an answer: a cursor, a request, a disk, a network. Ids of what is listed are for the operator to
/// see.
fn of_answers(case: &Case) -> BTreeMap<String, String> {
    let ids = ids_of(case);
    let mut values = BTreeMap::new();
    let mut answers: Vec<String> = Vec::new();
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let whose = format!("of the answer to exchange {}", at + 1);
        let nodes = Document::read(&answered.body).map(|document| document.nodes()).unwrap_or_default();
        let headers = answered.headers.values().filter_map(|value| value.to_str().ok());
        let texts = nodes.into_iter().filter_map(|node| node.text).chain(headers.map(str::to_owned));
        for text in texts {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            // A driver may say where it asks. What leads there is looked at below.
            let is_address = text.starts_with("http") || text.starts_with('/');
            let is_word = digits < DIGITS || is_address || !times::read(&text).is_empty();
            if !is_word && !ids.contains(text.as_str()) {
                values.entry(text.clone()).or_insert_with(|| whose.clone());
            }
            answers.push(text);
        }
    }
    // A cursor may be a word, or a part of an address.
    let mut requests = case.run.asked.iter();
    let first = requests.next().map(parameters).unwrap_or_default();
    for (name, value) in requests.flat_map(parameters) {
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let is_new = first.get(&name) != Some(&value) && !is_number && !ids.contains(value.as_str());
        if is_new && answers.iter().any(|text| text.contains(&value)) {
            values.entry(value).or_insert_with(|| "of the way to the next page".to_owned());
        }
    }
    values
}

/// What a driver knows before the first answer.
fn own_texts(case: &Case) -> Vec<String> {
    let account = &case.cassette.account;
    let mut own = vec![account.provider.clone(), account.user.clone()];
    own.extend(account.all_endpoints().map(str::to_owned));
    own.extend(account.options.values().cloned());
    if let Some(Asked { url, body, .. }) = case.run.asked.first() {
        own.push(url.to_string());
        own.push(String::from_utf8_lossy(body).into_owned());
    }
    own
}
