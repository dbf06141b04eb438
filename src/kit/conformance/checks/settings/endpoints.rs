//! Moved endpoints of an account: its own endpoint, the endpoint of each role alone, and all together. So no endpoint
//! can be derived from a different one.

use super::variation::{Exchanged, Variation, moved};
use crate::driver::Contract;
use crate::kit::cassette::Account;
use crate::kit::conformance::suite::{Case, Suite};

pub(super) const OTHER_ENDPOINT: &str = "https://suite-endpoint.example:8443";
/// Behind a gateway, without encryption, and where an address stands for the name.
const ODD_ENDPOINTS: [&str; 4] = [
    "https://suite-endpoint.example/suite~path/v9.1",
    "http://suite-endpoint.example:8080/cloud",
    "https://[2001:db8::7]:8443",
    "http://198.51.100.7:8774",
];

pub(super) fn elsewhere(suite: &Suite, case: &Case) -> Vec<Variation> {
    let account = &case.cassette.account;
    let at = |what: String, exchanged: Vec<Exchanged>| {
        Variation { what, exchanged, ..Variation::of(&case.cassette) }.played()
    };
    let mut all = Vec::new();
    // An endpoint of contract 0.1 has no path.
    let has_path = |endpoint: &str| endpoint.matches('/').count() > 2;
    let takes_paths = suite.stand.driver.contract() != Contract::V0_1;
    let endpoints = [OTHER_ENDPOINT].into_iter().chain(ODD_ENDPOINTS);
    for endpoint in endpoints.filter(|endpoint| takes_paths || !has_path(endpoint)) {
        all.push(at(format!("at the endpoint {endpoint}"), moved(account, &[(&account.endpoint, endpoint)])));
    }
    for (role, own) in &account.endpoints {
        for place in places(role) {
            all.push(at(format!("at the endpoint {place} for the role {role}"), moved(account, &[(own, &place)])));
        }
    }
    if !account.endpoints.is_empty() {
        let what = "at other endpoints for itself and for each role".to_owned();
        all.push(at(what, all_moved(account, OTHER_ENDPOINT)));
    }
    all
}

/// Where a role's endpoint may be instead.
fn places(role: &str) -> [String; 3] {
    [format!("https://suite-{role}.example:8443"), below_a_path(role), "http://198.51.100.8:8774".to_owned()]
}

fn below_a_path(role: &str) -> String {
    format!("https://suite-{role}.example/suite~path/v9.1")
}

/// The account's own endpoint moved to this one, and that of each role to one that no other has.
pub(super) fn all_moved(account: &Account, endpoint: &str) -> Vec<Exchanged> {
    let roles: Vec<(&str, String)> =
        account.endpoints.iter().map(|(role, own)| (own.as_str(), below_a_path(role))).collect();
    let mut pairs = vec![(account.endpoint.as_str(), endpoint)];
    pairs.extend(roles.iter().map(|(own, new)| (*own, new.as_str())));
    moved(account, &pairs)
}
