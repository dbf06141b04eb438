//! The accounts of cassettes: whether a host would accept them for the driver, and whether they cover each role and
//! each kind of secret in `describe`. The suite tests only what a cassette shows.

use url::Url;

use crate::driver::SecretKind;
use crate::kit::cassette::Account;
use crate::kit::conformance::report::Finding;
use crate::kit::conformance::suite::{Case, Suite};
use crate::supply::grants::Endpoint;

/// What a host would not take in a case's account: options, roles and kinds of secrets that `describe` does not have, options that
/// it has as secrets, or has not as secrets, and roles that it requires and that are not set.
pub(super) fn undeclared(suite: &Suite, case: &Case) -> Vec<(String, &'static str)> {
    let account = &case.cassette.account;
    let info = suite.stand.driver.info();
    let is_known =
        |name: &str, secret: bool| info.options.iter().any(|option| option.name == name && option.secret == secret);
    let options = account.options.keys().filter(|name| !is_known(name, false)).map(|name| {
        (
            format!("its account has the option {name:?}, and `describe` has none of that name that is no secret"),
            "name each option in `describe`; what is a secret stands among `secrets`, with its value under `fakes`",
        )
    });
    let secrets = account.secrets.iter().filter(|name| !is_known(name, true)).map(|name| {
        (
            format!("its account has the secret option {name:?}, and `describe` has no secret one of that name"),
            "say in `describe` that it is a secret: what is none is told to the driver, and shown to whoever sees the account",
        )
    });
    let is_role = |name: &str| info.roles.iter().any(|role| role.name == name);
    let roles = account.endpoints.keys().filter(|name| !is_role(name)).map(|name| {
        (
            format!("its account has an endpoint for {name:?}, and `describe` has no role of that name"),
            "name each role in `describe`: a host takes an endpoint for these and for nothing else",
        )
    });
    let is_missing = |name: &str| !account.endpoints.contains_key(name);
    let required = info.roles.iter().filter(|role| role.required && is_missing(&role.name)).map(|role| {
        (
            format!("its account has no endpoint for {:?}, which `describe` requires", role.name),
            "add it to `endpoints` of the cassette's account; if the driver can do without, `describe` does not require it",
        )
    });
    let kind = (!info.secret_kinds().contains(&account.secret)).then(|| {
        (
            format!("its account's secret is of the kind {}, and `describe` does not take that kind", account.secret),
            "name each kind in `secrets` of `describe`, and give the one that it is as `secret` of the cassette's account",
        )
    });
    options.chain(secrets).chain(roles).chain(required).chain(kind).collect()
}

/// The cassettes that show a list, or single instances, whatever the driver makes of them.
fn good(suite: &Suite) -> impl Iterator<Item = &Case> {
    suite.cases.iter().filter(|case| case.cassette.expect.error.is_none())
}

/// The roles at whose endpoints no cassette has a request.
pub(super) fn unshown_roles(suite: &Suite) -> Vec<Finding> {
    let roles = suite.stand.driver.info().roles.iter();
    let unshown = roles.filter(|role| !good(suite).any(|case| shows_role(case, &role.name)));
    let finding = |name: &str| Finding {
        cassette: None,
        why: format!("no cassette shows what it asks for at the endpoint of the role {name:?}"),
        what_to_do:
            "record an account whose provider has an endpoint for that role alone (`endpoints` of the cassette's \
                     account), or take the role out of `describe`"
                .into(),
    };
    unshown.map(|role| finding(&role.name)).collect()
}

fn shows_role(case: &Case, role: &str) -> bool {
    let account = &case.cassette.account;
    let Some(endpoint) = account.endpoints.get(role) else { return false };
    // One that is another's, too, does not say whose a request is.
    let is_alone = account.all_endpoints().filter(|other| other == endpoint).count() == 1;
    let mut requests = case.cassette.exchanges.iter().map(|exchange| &exchange.request.url);
    is_alone && requests.any(|url| endpoint_of(account, url) == Some(endpoint.as_str()))
}

/// The endpoint of an account that a URL is of: of two that hold it, the longer one.
fn endpoint_of<'a>(account: &'a Account, url: &Url) -> Option<&'a str> {
    let holds = |endpoint: &&str| Endpoint::parse(endpoint).is_ok_and(|endpoint| endpoint.holds(url));
    account.all_endpoints().filter(holds).max_by_key(|endpoint| endpoint.len())
}

/// The kinds of secrets that no cassette's account has.
pub(super) fn unshown_secrets(suite: &Suite) -> Vec<Finding> {
    let kinds = suite.stand.driver.info().secret_kinds();
    if kinds.len() < 2 {
        // The account of every cassette has it.
        return Vec::new();
    }
    let unshown = kinds.iter().filter(|kind| !good(suite).any(|case| case.cassette.account.secret == **kind));
    let finding = |kind: &SecretKind| Finding {
        cassette: None,
        why: format!("no cassette shows a list for an account whose secret is of the kind {kind}"),
        what_to_do: format!(
            "record one (tracker driver record --password-kind {kind}), or take the kind out of `secrets` of `describe`"
        ),
    };
    unshown.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_of_the_longest_endpoint_that_holds_it() {
        let own = "https://cloud.example".to_owned();
        let roles = [("identity", "https://cloud.example/v3"), ("image", "https://cloud.example:9292")];
        let endpoints = roles.map(|(role, endpoint)| (role.to_owned(), endpoint.to_owned())).into();
        let account = Account { endpoint: own, endpoints, ..Account::default() };
        let check = |url: &str, want: Option<&str>| {
            assert_eq!(endpoint_of(&account, &Url::parse(url).expect(url)), want, "{url}");
        };
        check("https://cloud.example/servers", Some("https://cloud.example"));
        check("https://cloud.example/v3/auth/tokens", Some("https://cloud.example/v3"));
        check("https://cloud.example/v35", Some("https://cloud.example"));
        check("https://cloud.example:9292/images", Some("https://cloud.example:9292"));
        check("https://other.example/", None);
    }
}
