//! The same accounts with a different kind of secret that the driver accepts. The cassettes need not contain the
//! requests for it, but the driver lists nothing else. If the cassettes show that one kind is sent differently, it is
//! sent that way.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::driver::secrets::PASSWORD;
use crate::driver::{CallError, CallFailure, SecretKind};
use crate::kit::cassette::{Cassette, FAKE_KEY};
use crate::kit::conformance::checks::secrets::placeholders;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::{Run, difference};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

/// For how long an access token is good, where there was none.
const LIFE: Duration = Duration::from_secs(3_600);

/// Where the password, or what is computed with it, stands in requests, and in which form.
type Ways = BTreeSet<(String, String)>;

/// Tries each list with each other kind; says how many were tried.
pub(super) async fn changed(suite: &Suite, verdict: &mut Verdict) -> usize {
    let kinds = suite.stand.driver.info().secret_kinds();
    let ways_of = |kind: &SecretKind| -> Ways {
        let of_kind = suite.good().filter(|case| case.cassette.account.secret == *kind);
        of_kind.flat_map(|case| ways(case, &case.run)).collect()
    };
    let shown: Vec<(SecretKind, Ways)> = kinds.iter().map(|kind| (*kind, ways_of(kind))).collect();
    let mut tried = 0;
    for case in suite.good() {
        let own = case.cassette.account.secret;
        let of_own = shown.iter().find(|(kind, _)| *kind == own).map(|(_, ways)| ways);
        for (kind, of_kind) in shown.iter().filter(|(kind, _)| *kind != own) {
            tried += 1;
            let cassette = with_secret(&case.cassette, *kind);
            let run = suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette).rearranged()).await;
            let is_sent_as_own = of_own.is_some_and(|of_own| {
                let is_told_apart = !of_kind.is_empty() && of_own.is_disjoint(of_kind);
                is_told_apart && !of_own.is_disjoint(&ways(case, &run))
            });
            let sent = is_sent_as_own.then(|| format!("it sends the secret as one of the kind {own}"));
            if let Some(why) = fault(case, &run).or(sent) {
                verdict.find(case.finding(
                    format!("for an account whose secret is of the kind {kind}, {why}"),
                    "see by `account.secret` what the secret is, and by nothing else; take a kind that you can't use out of \
                     `secrets` of `describe`",
                ));
            }
        }
    }
    tried
}

/// The same cassette, of an account with a secret of this kind.
fn with_secret(cassette: &Cassette, kind: SecretKind) -> Cassette {
    let mut changed = cassette.clone();
    let account = &mut changed.account;
    if account.secret == SecretKind::PrivateKey {
        account.fakes.remove(PASSWORD);
    }
    if kind == SecretKind::PrivateKey {
        account.fakes.insert(PASSWORD.to_owned(), FAKE_KEY.to_owned());
    }
    account.secret = kind;
    account.secret_expires = kind.may_end().then(|| cassette.at.after(LIFE));
    changed
}

/// What is wrong with what came. What is not recorded is not answered, and an option may be missing.
fn fault(case: &Case, run: &Run) -> Option<String> {
    if let Some(refused) = run.refused.first() {
        return Some(format!("it asked for something that it may not: {refused}"));
    }
    match &run.outcome {
        Ok(_) if run.is_same(&case.run) => None,
        Ok(listing) => Some(format!("another list came: {}", difference(case.run.resources(), &listing.resources))),
        Err(CallFailure { error, .. }) => match error {
            CallError::Unavailable(_) | CallError::InvalidAccount(_) | CallError::UnexpectedAnswer(_) => None,
            _ => Some(run.came()),
        },
    }
}

fn ways(case: &Case, run: &Run) -> Ways {
    let mut ways = Ways::new();
    let mut look = |place: &str, text: &str| {
        for placed in placeholders(text) {
            if !case.cassette.account.secrets.iter().any(|other| other == placed.what) {
                ways.insert((place.to_owned(), format!("{} as {}", placed.what, placed.encoding)));
            }
        }
    };
    for asked in &run.asked {
        for (name, value) in &asked.headers {
            look(name.as_str(), value.to_str().unwrap_or_default());
        }
        let query = asked.url.query().unwrap_or_default();
        look("the query", &percent_encoding::percent_decode_str(query).decode_utf8_lossy());
        look("the body", &String::from_utf8_lossy(&asked.body));
    }
    ways
}
