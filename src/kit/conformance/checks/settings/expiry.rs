//! An access token that expires at a different time, has expired by the host's clock, or has an unknown expiry. The
//! provider answers the same: only the provider decides whether it accepts a token.

use std::time::Duration;

use super::variation::{Exchanged, Variation};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::suite::Case;
use crate::model::Timestamp;

/// A day and some hours, so that neither the day nor the time of day is the same.
const LATER: Duration = Duration::from_secs(86_400 + 5 * 3_600 + 11 * 60 + 7);
/// By how much one has ended that has.
const AGO: Duration = Duration::from_secs(3_600);

pub(super) fn variations(case: &Case) -> Vec<Variation> {
    let account = &case.cassette.account;
    if !account.secret.may_end() {
        return Vec::new();
    }
    let later = account.secret_expires.unwrap_or(case.cassette.at).after(LATER);
    let ended = case.cassette.at.before(AGO);
    let base = |what: String| Variation { what, ..Variation::of(&case.cassette) };
    let mut all = vec![
        ending(base(format!("with an access token that ends at {later}")), later),
        ending(base(format!("with an access token that ended at {ended} by its clock")), ended),
    ];
    if let Some(recorded) = account.secret_expires {
        all.push(unknown(case, recorded));
    }
    all
}

/// With a token that ends at this time; of a variation in which nothing else is exchanged.
fn ending(mut variation: Variation, expires: Timestamp) -> Variation {
    if let Some(recorded) = variation.cassette.account.secret_expires.replace(expires) {
        let forms = forms(recorded).into_iter().zip(forms(expires));
        variation.exchanged = forms.map(|(old, new)| Exchanged::new(old, new)).collect();
        variation = variation.played();
    }
    variation
}

/// At another time, at which its token is good for as long as it was.
pub(super) fn at(mut variation: Variation, at: Timestamp) -> Variation {
    let passed = at.as_millis().saturating_sub(variation.cassette.at.as_millis());
    variation.cassette.at = at;
    match variation.cassette.account.secret_expires {
        Some(expires) => ending(variation, expires.shifted(passed)),
        None => variation,
    }
}

/// With a token of which it is not known when it ends.
fn unknown(case: &Case, recorded: Timestamp) -> Variation {
    let what = "with an access token of which it is not known when it ends".to_owned();
    let mut unknown = Variation { what, outdated: forms(recorded).into(), ..Variation::of(&case.cassette) };
    unknown.cassette.account.secret_expires = None;
    without(&mut unknown.cassette, &forms(recorded));
    unknown
}

/// How requests write a time.
fn forms(at: Timestamp) -> [String; 4] {
    let precise = at.to_string();
    let whole = precise.replace(".000Z", "Z");
    [at.as_millis().to_string(), at.as_seconds().to_string(), precise, whole]
}

/// Takes parameters with one of these values out of the requests: who does not know a time does not send it.
fn without(cassette: &mut Cassette, values: &[String]) {
    for exchange in &mut cassette.exchanges {
        let url = &mut exchange.request.url;
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let left: Vec<_> = pairs.iter().filter(|(_, value)| !values.contains(value)).collect();
        if left.len() == pairs.len() {
            continue;
        }
        match left.is_empty() {
            true => url.set_query(None),
            false => {
                url.query_pairs_mut().clear().extend_pairs(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_out_of_a_query_in_each_form() {
        const REQUESTS: &str = r#"{ "cassette": 1, "about": "a", "source": "made up", "at": "2026-11-20T10:00:00Z",
            "account": { "provider": "p", "endpoint": "https://a.example", "user": "u" }, "list": "instances",
            "exchanges": [
                { "request": { "method": "GET", "url": "https://a.example/x?until=1795172400&page=1" }, "unanswered": "timeout" },
                { "request": { "method": "GET", "url": "https://a.example/x?until=1795172400000" }, "unanswered": "timeout" },
                { "request": { "method": "GET", "url": "https://a.example/x?t=2026-11-20T11%3A00%3A00Z&q=a%20b" },
                    "unanswered": "timeout" },
                { "request": { "method": "GET", "url": "https://a.example/x?q=a%20b" }, "unanswered": "timeout" } ] }"#;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("requests.json");
        std::fs::write(&path, REQUESTS).expect("written");
        let mut cassette = Cassette::read(&path).expect("a cassette");
        without(&mut cassette, &forms("2026-11-20T11:00:00Z".parse().expect("a time")));
        let urls: Vec<&str> = cassette.exchanges.iter().map(|exchange| exchange.request.url.as_str()).collect();
        let want = ["/x?page=1", "/x", "/x?q=a+b", "/x?q=a%20b"].map(|rest| format!("https://a.example{rest}"));
        assert_eq!(urls, want);
    }
}
