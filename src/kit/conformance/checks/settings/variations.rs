//! The circumstances in which a list is repeated: places, accounts and times.

use std::time::Duration;

use super::endpoints::{self, OTHER_ENDPOINT};
use super::expiry;
use super::variation::{Exchanged, Variation, exchanged, moved};
use crate::driver::KnownProvider;
use crate::driver::secrets::PASSWORD;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::stage::recorded;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::times;
use crate::model::{Resource, Timestamp};

const OTHER_USER: &str = "Suite-Other_User.7";
/// With what has a meaning in JSON, forms, XML, URLs and headers.
const OTHER_PASSWORD: &str = "other-pass \"w\\rd\" <&>'%41+=/?#;{}";
/// As others name theirs: an address of mail.
const ODD_USER: &str = "suite.user+7@other-user.example";
/// How many of the providers that a driver knows are tried.
const MOST_KNOWN: usize = 60;
const OTHER_PROVIDER: &str = "suite-provider-7";
/// A year and some months later, at another time of day.
const LATER: Duration = Duration::from_secs(401 * 86_400 + 7 * 3_600 + 13 * 60 + 21);
/// A day that most years do not have, the turn of a year, and a second that 32 bits do not count to.
const ODD_TIMES: [&str; 3] = ["2028-02-29T23:59:59.999Z", "2035-12-31T00:00:00Z", "2041-01-01T09:05:03Z"];
/// More than zones and clocks differ by.
const EARLIER: Duration = Duration::from_secs(3 * 86_400 + 5 * 3_600 + 17);
/// Longer than a poll takes, so that it shows.
const STEP: Duration = Duration::from_secs(61);

pub(super) fn variations(suite: &Suite, case: &Case) -> Vec<Variation> {
    let base = || Variation::of(&case.cassette);
    let account = &case.cassette.account;
    let mut all = Vec::new();
    if !account.fakes.contains_key(PASSWORD) {
        all.push(Variation { what: "with another password".into(), password: Some(OTHER_PASSWORD), ..base() });
    }
    if account.user.len() >= 3 {
        all.push(
            Variation {
                what: "for another user".into(),
                exchanged: exchanged(&[(&account.user, OTHER_USER)]),
                ..base()
            }
            .played(),
        );
        let exchanged = exchanged(&[(&account.user, ODD_USER)]);
        all.push(
            Variation { what: format!("for the user {ODD_USER}"), exchanged, may_be_refused: true, ..base() }.played(),
        );
    }
    let exchanges = |pairs: &[(&str, &str)]| exchanged(pairs);
    all.extend(endpoints::elsewhere(suite, case));
    let known = &suite.stand.driver.info().providers;
    let is_own = |known: &&KnownProvider| {
        (&known.name, &known.endpoint, &known.endpoints) == (&account.provider, &account.endpoint, &account.endpoints)
    };
    let own = known.iter().find(is_own);
    // One with other parts is asked in another way.
    let has_same_roles = |other: &&KnownProvider| other.endpoints.keys().eq(account.endpoints.keys());
    let is_other = |other: &&KnownProvider| {
        other.name != account.provider && other.endpoint != account.endpoint && has_same_roles(other)
    };
    let of_provider = |other: &KnownProvider| -> Vec<Exchanged> {
        let roles = account.endpoints.iter().map(|(role, own)| (own.as_str(), other.endpoints[role].as_str()));
        let pairs: Vec<(&str, &str)> = roles.chain([(account.endpoint.as_str(), other.endpoint.as_str())]).collect();
        moved(account, &pairs).into_iter().chain(exchanges(&[(&account.provider, &other.name)])).collect()
    };
    if let (Some(own), Some(other)) = (own, known.iter().find(is_other)) {
        let what = format!("of the provider {}", other.name);
        all.push(Variation { what: what.clone(), exchanged: of_provider(other), ..base() }.played());
        // As behind a proxy: what names the region is the provider, and not where it is reached.
        let mut exchanged = endpoints::all_moved(account, OTHER_ENDPOINT);
        exchanged.extend(exchanges(&[(&own.name, &other.name)]));
        all.push(Variation { what: format!("{what} at the endpoint {OTHER_ENDPOINT}"), exchanged, ..base() }.played());
    }
    // Every provider that it knows by name, in one list of each kind.
    if own.is_some() && suite.richest().into_iter().any(|richest| std::ptr::eq(richest, case)) {
        let others = known.iter().filter(is_other);
        for other in others.filter(|other| !other.endpoint.is_empty()).skip(1).take(MOST_KNOWN) {
            let what = format!("of the provider {}", other.name);
            all.push(Variation { what, exchanged: of_provider(other), ..base() }.played());
        }
    }
    let exchanged = exchanges(&[(&account.provider, OTHER_PROVIDER)]);
    all.push(
        Variation { what: format!("of a provider that is called {OTHER_PROVIDER}"), exchanged, ..base() }.played(),
    );
    // Those that requests have in them.
    let is_sent = |value: &str| {
        let sent = Exchanged::new(value, "");
        value.len() >= 3 && case.run.asked.iter().any(|asked| sent.is_in(asked))
    };
    for (name, value) in account.options.iter().filter(|(_, value)| is_sent(value)) {
        let new = other_value(value);
        let mut other = base();
        other.cassette.account.options.insert(name.clone(), new.clone());
        let what = format!("with {new:?} for the option {name:?}");
        all.push(Variation { what, exchanged: exchanges(&[(value, &new)]), may_be_refused: true, ..other }.played());
    }
    all.extend(expiry::variations(case));
    if case.cassette.since.is_none() {
        let written = case.cassette.at.to_string();
        let outdated = vec![written[..10].to_owned(), written[..10].replace('-', "")];
        let odd = ODD_TIMES.iter().filter_map(|time| times::instant(time)).filter(|at| *at > case.cassette.at);
        for at in std::iter::once(case.cassette.at.after(LATER)).chain(odd) {
            let later = Variation { what: format!("at {at}"), outdated: outdated.clone(), ..base() };
            all.push(expiry::at(later, at));
        }
        // As by a host whose clock is wrong: what is listed is the provider's to say.
        let mut earlier = base();
        earlier.cassette.at = first_time(case).before(EARLIER);
        let what = format!("at {}, before all that its answers tell of", earlier.cassette.at);
        all.push(Variation { what, ..earlier });
    }
    all.push(Variation { what: "by a clock that goes on".into(), step: STEP, ..base() });
    all
}

/// The first of all times that a case tells of.
fn first_time(case: &Case) -> Timestamp {
    let answers = case.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
    let nodes = answers.filter_map(|answered| Document::read(&answered.body)).flat_map(|document| document.nodes());
    let written = nodes.filter_map(|node| times::instant(node.text.as_deref()?));
    let launched = case.run.resources().iter().filter_map(|resource| match resource {
        Resource::Instance(instance) => instance.launched_at,
        Resource::Realm(_) => None,
    });
    let plausible = written.chain(launched).filter(|at| *at >= times::FIRST_CLOUD);
    plausible.chain([case.cassette.at]).min().unwrap_or(case.cassette.at)
}

/// Another text of the same make.
fn other_value(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if let Some(last) = letters.iter_mut().rev().find(|letter| letter.is_ascii_alphanumeric()) {
        *last = match last {
            '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from_u32(u32::from(*last) + 1).unwrap_or('x'),
            '9' => '8',
            _ => 'x',
        };
    }
    letters.into_iter().collect()
}
