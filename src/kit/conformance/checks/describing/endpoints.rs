//! Whether the endpoints of a description match its patterns, the cassettes and each other, and are encrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use url::Url;

use crate::driver::{DriverInfo, KnownProvider};
use crate::kit::cassette::Account;
use crate::kit::conformance::suite::Suite;
use crate::supply::grants::{Endpoint, Pattern};

/// What is wrong, each with what to do.
pub(super) fn faults(suite: &Suite, info: &DriverInfo) -> Vec<(String, &'static str)> {
    let mut faults = Vec::new();
    for (provider, endpoint) in uncovered(info) {
        faults.push((
            format!("its provider {provider} is reached at {endpoint}, and none of its `endpoints` covers that"),
            "name a pattern for the endpoint of every provider in `describe`: no account reaches another one",
        ));
    }
    let all = endpoints_of(info).map(|(_, endpoint)| endpoint).chain(info.asks_for.iter().map(String::as_str));
    for endpoint in all.filter(|endpoint| is_readable_on_the_way(endpoint)) {
        faults.push((
            format!("`describe` has {endpoint}, where whoever is on the way reads the account's secret"),
            "describe endpoints with https; one that an operator runs without it is the operator's to configure",
        ));
    }
    for pattern in unused(suite, info) {
        faults.push((
            format!("its pattern {pattern} covers no provider that it describes, and nothing that a cassette asks for"),
            "ask for what the driver reaches and no more: take the pattern away, or see at which endpoint the provider that it \
             is there for is reached",
        ));
    }
    for case in &suite.cases {
        let account = &case.cassette.account;
        let known = info.providers.iter().find(|provider| provider.name == account.provider);
        if let Some(known) = known.filter(|known| !known.endpoint.is_empty() && known.endpoint != account.endpoint) {
            faults.push((
                format!(
                    "its provider {} is reached at {}, and the cassette {} has {} for it",
                    known.name,
                    known.endpoint,
                    case.name(),
                    account.endpoint
                ),
                "see which of them is right; a cassette of another installation names another provider",
            ));
        }
        for (role, known, given) in known.into_iter().flat_map(|known| of_other_roles(known, account)) {
            faults.push((
                format!(
                    "its provider {} has {known} for the role {role}, and the cassette {} has {given}",
                    account.provider,
                    case.name()
                ),
                "see which of them is right; a cassette of another installation names another provider",
            ));
        }
    }
    faults
}

/// The roles for which a provider and an account of it have different endpoints, with both.
fn of_other_roles<'a>(known: &'a KnownProvider, account: &'a Account) -> Vec<(&'a str, &'a str, &'a str)> {
    let roles: BTreeSet<&String> = known.endpoints.keys().chain(account.endpoints.keys()).collect();
    let endpoint = |of: &'a BTreeMap<String, String>, role| of.get(role).map_or("none", String::as_str);
    let both = roles
        .into_iter()
        .map(|role| (role.as_str(), endpoint(&known.endpoints, role), endpoint(&account.endpoints, role)));
    both.filter(|(_, known, given)| known != given).collect()
}

/// The endpoints of the providers that it describes, those of their roles among them.
fn endpoints_of(info: &DriverInfo) -> impl Iterator<Item = (&str, &str)> {
    let endpoints = info.providers.iter().flat_map(|provider| {
        let own = std::iter::once(&provider.endpoint).chain(provider.endpoints.values());
        own.map(|endpoint| (provider.name.as_str(), endpoint.as_str()))
    });
    endpoints.filter(|(_, endpoint)| !endpoint.is_empty())
}

/// The providers that it describes and may not reach, each with its endpoint.
fn uncovered(info: &DriverInfo) -> Vec<(&str, &str)> {
    let patterns: Vec<Pattern> = info.asks_for.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
    let is_covered = |endpoint: &str| {
        Endpoint::parse(endpoint).is_ok_and(|endpoint| patterns.iter().any(|pattern| pattern.matches(&endpoint)))
    };
    endpoints_of(info).filter(|(_, endpoint)| !is_covered(endpoint)).collect()
}

/// The patterns for several endpoints of which none is known.
fn unused<'a>(suite: &Suite, info: &'a DriverInfo) -> Vec<&'a str> {
    let patterns = info.asks_for.iter().filter_map(|text| Some((text.as_str(), Pattern::parse(text).ok()?)));
    let is_used = |pattern: &Pattern| {
        let mut described = endpoints_of(info).filter_map(|(_, endpoint)| Endpoint::parse(endpoint).ok());
        let mut asked = suite.cases.iter().flat_map(|case| &case.cassette.exchanges);
        described.any(|endpoint| pattern.matches(&endpoint)) || asked.any(|one| pattern.holds(&one.request.url))
    };
    patterns.filter(|(_, pattern)| !pattern.is_literal() && !is_used(pattern)).map(|(text, _)| text).collect()
}

/// Whether what is sent there goes through a network in clear text.
fn is_readable_on_the_way(endpoint: &str) -> bool {
    // A `*` is a label like any other here.
    let Ok(url) = Url::parse(&endpoint.replace('*', "any")) else { return false };
    url.scheme() == "http" && url.host_str().is_some_and(|host| !is_on_this_machine(host))
}

/// What no network carries any further: the machine itself, and what its own hypervisor answers.
fn is_on_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_is_for_the_machine_itself() {
        let check = |endpoint: &str, want: bool| assert_eq!(is_readable_on_the_way(endpoint), want, "{endpoint}");
        check("http://api.cloud.example", true);
        check("http://*.cloud.example", true);
        check("http://10.1.2.3:8774", true);
        check("https://api.cloud.example", false);
        check("http://localhost:5000", false);
        check("http://127.0.0.1:5000", false);
        check("http://[::1]", false);
        check("http://169.254.169.254", false);
    }

    #[test]
    fn an_account_has_the_endpoints_of_its_provider() {
        let endpoints = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(role, endpoint)| ((*role).to_owned(), (*endpoint).to_owned())).collect()
        };
        let known = KnownProvider {
            name: "main".into(),
            endpoint: "https://a.example".into(),
            endpoints: endpoints(&[("identity", "https://i.example"), ("image", "https://m.example")]),
        };
        let check = |given: &[(&str, &str)], want: &[(&str, &str, &str)]| {
            let account = Account { endpoints: endpoints(given), ..Account::default() };
            assert_eq!(of_other_roles(&known, &account), want);
        };
        check(&[("identity", "https://i.example"), ("image", "https://m.example")], &[]);
        let all = [("identity", "https://o.example"), ("volume", "https://v.example")];
        check(
            &all,
            &[
                ("identity", "https://i.example", "https://o.example"),
                ("image", "https://m.example", "none"),
                ("volume", "none", "https://v.example"),
            ],
        );
    }
}
