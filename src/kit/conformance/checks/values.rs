//! The values of a list's fields: what cassettes expect, and what is plausible for a value alone.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::driver::Coverage;
use crate::kit::cassette::{Expect, ExpectedWait, Row};
use crate::kit::conformance::document::Document;
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::recorded;
use crate::kit::conformance::stand::{StandError, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::times;
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Address, AddressKind, Instance, Kind, Resource, Timestamp};

/// How many cassettes hold everything that can be expected.
pub(super) async fn expected(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let (mut rows, mut lists) = (0, 0);
    for case in &suite.cases {
        let expect = &case.cassette.expect;
        let Ok(listing) = &case.run.outcome else {
            let came = Expect::of(case.run.outcome.as_ref().map_err(|failure| &failure.error));
            if let (Some(_), Some(wait), None) = (&expect.error, came.retry_after, expect.retry_after) {
                let member = match wait {
                    ExpectedWait::Seconds(seconds) => seconds.to_string(),
                    ExpectedWait::Unsaid => "null".to_owned(),
                };
                verdict.find(case.finding(
                    format!("its provider throttles with {wait}, and `expect` has no `retry_after`"),
                    format!("say how long it is in seconds, or that it says nothing: \"retry_after\": {member}"),
                ));
            }
            continue;
        };
        if expect.error.is_some() {
            continue;
        }
        lists += 1;
        rows += expect.resources.len();
        let is_short = listing.resources.len() <= Expect::MOST_ROWS;
        let is_delta = matches!(&listing.coverage, Coverage::Delta(gone) if gone.len() <= Expect::MOST_ROWS);
        for (name, is_missing) in [
            ("count", expect.count.is_none()),
            ("coverage", expect.coverage.is_none()),
            ("ids", is_short && expect.ids.is_none()),
            ("gone", is_delta && expect.gone.is_none()),
        ] {
            if is_missing {
                verdict.find(case.finding(
                    format!("its `expect` has no `{name}`"),
                    "say what is right, not what the driver gives: what is not expected is not looked at",
                ));
            }
        }
        let unexpected = |resource: &&Resource| !expect.resources.iter().any(|row| row.id == resource.id().as_str());
        for resource in listing.resources.iter().filter(|_| is_short).filter(unexpected) {
            verdict.find(case.finding(
                format!("its `expect.resources` does not have {}", resource.id()),
                format!(
                    "hold this against the provider's answer, field by field, and add it if it is right: {}",
                    Row::of(resource)
                ),
            ));
        }
    }
    verdict.tried = format!("{} with {} to the last field", count(lists, "list"), count(rows, "resource"));
    Ok(verdict)
}

pub(super) async fn plausible(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let mut tried = 0;
    for case in suite.lists() {
        let realms = realms_of(suite, case);
        let answers = Answers::of(case);
        for resource in case.run.resources() {
            let Resource::Instance(instance) = resource else { continue };
            tried += 1;
            let values = answers.of_entry(instance.id.as_str());
            for why in [
                in_the_wrong_list(instance),
                no_address(instance),
                twice(instance),
                unlisted_address(instance, &values),
                wrong_time(instance, &values, case.cassette.at),
                unknown_realm(instance, &realms),
            ]
            .into_iter()
            .flatten()
            {
                verdict.find(case.finding(
                    format!("{}: {why}", instance.id),
                    "see where the field comes from; where the provider means it so, and the answer shows it, correct the \
                     cassette",
                ));
            }
        }
    }
    verdict.tried = format!("addresses, times and realms of {}", count(tried, "instance"));
    Ok(verdict)
}

/// The texts of a case's entries.
struct Answers {
    entries: Vec<BTreeSet<String>>,
}

impl Answers {
    fn of(case: &Case) -> Answers {
        let ids = ids(case.run.resources());
        let mut entries = Vec::new();
        for exchange in &case.cassette.exchanges {
            let document = recorded(exchange).ok().and_then(|answered| Document::read(&answered.body));
            let Some(document) = document else { continue };
            for place in document.entries(&ids) {
                let texts: BTreeSet<String> =
                    document.nodes_in(&place).into_iter().filter_map(|node| node.text).collect();
                // What holds several does not say of which it speaks.
                if texts.iter().filter(|text| ids.contains(text.as_str())).count() == 1 {
                    entries.push(texts);
                }
            }
        }
        Answers { entries }
    }

    fn of_entry(&self, id: &str) -> Vec<&str> {
        let entries = self.entries.iter().filter(|texts| texts.contains(id));
        entries.flatten().map(String::as_str).collect()
    }
}

/// The ids of the realms of a case's provider, where a cassette lists them.
fn realms_of(suite: &Suite, case: &Case) -> BTreeSet<String> {
    let account = |case: &Case| (case.cassette.account.provider.clone(), case.cassette.account.endpoint.clone());
    let lists = suite.lists().filter(|other| other.cassette.list == Kind::Realm && account(other) == account(case));
    lists.flat_map(|other| other.run.resources()).map(|realm| realm.id().to_string()).collect()
}

/// What an address is for, by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Public,
    Private,
    /// For documentation, say: nobody can tell.
    Either,
}

fn use_of(address: IpAddr) -> Use {
    match address {
        IpAddr::V4(address) => use_of_ipv4(address),
        IpAddr::V6(address) => use_of_ipv6(address),
    }
}

fn use_of_ipv4(address: Ipv4Addr) -> Use {
    let [first, second, ..] = address.octets();
    if address.is_private() || address.is_link_local() || address.is_loopback() || (first == 100 && second & 0xc0 == 64)
    {
        return Use::Private;
    }
    let is_other = address.is_documentation() || address.is_unspecified() || first >= 224 || first == 0;
    match is_other || (first == 198 && second & 0xfe == 18) {
        true => Use::Either,
        false => Use::Public,
    }
}

fn use_of_ipv6(address: Ipv6Addr) -> Use {
    let first = address.segments()[0];
    // A global address of a private network is as common as one of a public.
    match address.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 {
        true => Use::Private,
        false => Use::Either,
    }
}

fn ips(addresses: &[Address]) -> impl Iterator<Item = IpAddr> {
    addresses.iter().filter_map(|address| address.value.split('%').next()?.parse().ok())
}

fn in_the_wrong_list(instance: &Instance) -> Option<String> {
    if let Some(address) = ips(&instance.private_addresses).find(|address| use_of(*address) == Use::Public) {
        return Some(format!("{address} is among its private addresses, and it is a public one"));
    }
    if let Some(address) = ips(&instance.public_addresses).find(|address| use_of(*address) == Use::Private) {
        return Some(format!("{address} is among its public addresses, and it is a private one"));
    }
    let misnamed =
        |address: &&Address| address.kind == AddressKind::Hostname && address.value.parse::<IpAddr>().is_ok();
    all_addresses(instance)
        .find(misnamed)
        .map(|address| format!("{} is listed as a hostname, and it is an IP address", address.value))
}

/// A hostname that no host can have: a network, or an address with a port.
fn no_address(instance: &Instance) -> Option<String> {
    let all = ips(&instance.public_addresses).chain(ips(&instance.private_addresses));
    if let Some(none) = all.into_iter().find(IpAddr::is_unspecified) {
        return Some(format!("{none} is listed as an address, and stands where there is none"));
    }
    let mut hostnames = all_addresses(instance).filter(|address| address.kind == AddressKind::Hostname);
    let odd =
        hostnames.find(|address| address.value.contains(['/', ':']) && address.value.parse::<IpAddr>().is_err())?;
    Some(format!("{} is listed as a hostname, and no hostname has such a sign in it", odd.value))
}

/// An address that it has two times.
fn twice(instance: &Instance) -> Option<String> {
    let mut seen = BTreeSet::new();
    let same = |address: &&Address| {
        let value = address.value.to_ascii_lowercase();
        !seen.insert(value.parse::<IpAddr>().map_or(value, |address| address.to_string().into()))
    };
    all_addresses(instance).find(same).map(|address| format!("{} stands twice among its addresses", address.value))
}

fn all_addresses(instance: &Instance) -> impl Iterator<Item = &Address> {
    instance.public_addresses.iter().chain(&instance.private_addresses)
}

/// An address of the entry, where the instance has none like it.
fn unlisted_address(instance: &Instance, values: &[&str]) -> Option<String> {
    let listed: Vec<IpAddr> = ips(&instance.public_addresses).chain(ips(&instance.private_addresses)).collect();
    let in_entry = || values.iter().filter_map(|value| value.parse::<IpAddr>().ok());
    let is_wanted = |address: &IpAddr| match address {
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unspecified() && address.segments()[0] & 0xffc0 != 0xfe80
        }
        IpAddr::V4(_) => use_of(*address) == Use::Public,
    };
    let is_like = |address: &IpAddr, other: &IpAddr| match (address, other) {
        (IpAddr::V6(_), IpAddr::V6(_)) => true,
        (IpAddr::V4(_), IpAddr::V4(_)) => use_of(*other) == Use::Public,
        _ => false,
    };
    let missing = in_entry().filter(is_wanted).find(|address| !listed.iter().any(|other| is_like(address, other)))?;
    let kind = if missing.is_ipv6() { "IPv6" } else { "public IPv4" };
    Some(format!("its entry has {missing}, and it is listed without any {kind} address"))
}

/// How far zones are apart, and how many there are on either side, in milliseconds.
const ZONE_STEP: i64 = 15 * 60 * 1000;
const WIDEST_ZONE: i64 = 14 * 60 * 60 * 1000;
/// What clocks may differ by.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

fn wrong_time(instance: &Instance, values: &[&str], at: Timestamp) -> Option<String> {
    let launched = instance.launched_at?;
    if launched < times::FIRST_CLOUD || launched > at.after(DAY) {
        return Some(format!("it was launched at {launched}, and the cassette is of {at}"));
    }
    let times: Vec<Timestamp> = values.iter().flat_map(|value| times::read(value)).collect();
    let near = |time: &&Timestamp| launched.as_millis() / 1000 == time.as_millis() / 1000;
    if times.is_empty() || times.iter().any(|time| near(&time)) {
        return None;
    }
    let in_zone = |time: &&Timestamp| {
        let apart = launched.as_seconds() * 1000 - time.as_seconds() * 1000;
        apart.abs() <= WIDEST_ZONE && apart % ZONE_STEP == 0
    };
    let meant = times.iter().find(in_zone)?;
    Some(format!("it was launched at {launched}, and its entry has {meant}: that is another zone"))
}

fn unknown_realm(instance: &Instance, realms: &BTreeSet<String>) -> Option<String> {
    let realm = instance.realm.as_deref()?;
    let is_unknown = !realms.is_empty() && !realms.contains(realm);
    is_unknown.then(|| format!("it is in the realm {realm:?}, and no realm of that id is listed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_is_for_is_told_by_its_value() {
        let check = |text: &str, want: Use| assert_eq!(use_of(text.parse().expect(text)), want, "{text}");
        for text in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.0.1", "100.64.0.1", "fd00::1", "fe80::1"] {
            check(text, Use::Private);
        }
        for text in ["54.1.2.3", "100.128.0.1", "172.32.0.1", "198.20.0.1"] {
            check(text, Use::Public);
        }
        for text in ["192.0.2.1", "203.0.113.9", "198.18.0.1", "255.255.255.0", "2001:db8::1", "2600::1"] {
            check(text, Use::Either);
        }
    }
}
