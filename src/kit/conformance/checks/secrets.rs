//! Secrets in requests: each is used, each has the encoding of its place, and signatures are correct.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header;
use secrecy::{ExposeSecret as _, SecretString};

use super::accounts;
use super::keeping::disguised;
use crate::driver::secrets::{PASSWORD, WORD_PREFIX};
use crate::driver::wire::Asked;
use crate::driver::{SecretKind, Target};
use crate::kit::conformance::chain::{Cursors, Link, Shape, operation};
use crate::kit::conformance::report::count;
use crate::kit::conformance::signature::{self, Credentials};
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::{Run, StandError};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::Timestamp;

/// Another secret of the same make where it may be anything.
const OTHER: &str = "suite-other-secret";

pub(super) async fn used(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests"));
    }
    let mut verdict = Verdict::default();
    let (mut tried, mut signatures) = (0, 0);
    accounts::unshown_secrets(suite).into_iter().for_each(|finding| verdict.find(finding));
    for case in suite.richest_by_secret().into_iter().filter(|case| !case.cassette.exchanges.is_empty()) {
        let options =
            suite.stand.driver.info().options.iter().filter(|option| option.secret).map(|option| &option.name);
        // As one who has every secret that there may be, and as the cassette's own.
        let own = suite.blank.stranger(&case.cassette);
        let mut full = suite.blank.stranger(&case.cassette);
        for name in options {
            let value = SecretString::from(format!("suite-{name}"));
            full.secrets.entry(name.clone()).or_insert(value);
        }
        let mut targets = vec![own];
        if full.secrets.len() > targets[0].secrets.len() {
            targets.push(full);
        }
        for (turn, target) in targets.into_iter().enumerate() {
            let run = list(suite, case, &target).await;
            if run.outcome.is_err() {
                // A key has to be one: what is made up does not do.
                continue;
            }
            tried += 1;
            let names = std::iter::once(PASSWORD.to_owned()).chain(target.secrets.keys().cloned());
            for name in names.filter(|name| turn == 0 || !case.cassette.account.secrets.contains(name)) {
                if !is_used(suite, case, &target, (&name, &run)).await {
                    verdict.find(case.finding(
                        format!("nothing that it sends has to do with the secret {name:?}"),
                        "send it, or sign with it; take an option that nothing needs out of `describe`",
                    ));
                }
            }
            signatures += verify(case, &target, &run, &mut verdict);
            revealed(case, &run, &mut verdict);
            placed(case, &run, &mut verdict);
            if turn == 0 {
                listed(case, &run, &mut verdict);
            }
            alike(case, &run, &mut verdict);
        }
        // Cursors with everything in them that a signature has to encode.
        if let Some(link) = Link::of(case).filter(Link::has_free_cursors) {
            let shape = Shape { pages: 5, cursors: Cursors::Odd, has_empty_pages: false, entries: 0, blanks: 0 };
            let target = suite.blank.stranger(&case.cassette);
            let run = suite.stand.list_as(target.clone(), &case.cassette, link.chain(case, shape).chain as _).await;
            signatures += verify(case, &target, &run, &mut verdict);
        }
    }
    // What an option changes in a signature, only its own cassette shows.
    for case in &suite.cases {
        let target = suite.blank.stranger(&case.cassette);
        signatures += verify(case, &target, &case.run, &mut verdict);
        revealed(case, &case.run, &mut verdict);
    }
    verdict.tried = format!("{}; signatures held against their algorithm: {signatures}", count(tried, "list"));
    Ok(verdict)
}

async fn list(suite: &Suite, case: &Case, target: &Target) -> Run {
    let mut target = target.clone();
    target.key.driver = suite.blank.stranger(&case.cassette).key.driver;
    suite.stand.list_as(target, &case.cassette, Arc::new(Stage::of(&case.cassette).rearranged())).await
}

/// Whether what is sent differs where a secret does.
async fn is_used(suite: &Suite, case: &Case, target: &Target, (name, run): (&str, &Run)) -> bool {
    let word = format!("{{{{{name} ");
    let has_word = |asked: &Asked| {
        let within = |bytes: &[u8]| memchr::memmem::find(bytes, word.as_bytes()).is_some();
        let query = asked.url.query().unwrap_or_default();
        let query = percent_encoding::percent_decode_str(query).collect::<Vec<u8>>();
        asked.headers.values().any(|value| within(value.as_bytes())) || within(&asked.body) || within(&query)
    };
    if run.asked.iter().any(has_word) {
        return true;
    }
    let mut other = target.clone();
    let is_key = |secret: &SecretString| secret.expose_secret().contains("PRIVATE KEY-----");
    if name == PASSWORD {
        // A key in the place of another would have to be made; what is signed with it is verified.
        if target.secret == SecretKind::PrivateKey || is_key(&target.password) {
            return true;
        }
        if case.cassette.account.fakes.contains_key(PASSWORD) {
            return true;
        }
        other.password = SecretString::from(OTHER);
    } else {
        match target.secrets.get(name) {
            Some(secret) if is_key(secret) => return true,
            _ => drop(other.secrets.insert(name.to_owned(), SecretString::from(OTHER))),
        }
    }
    let changed = list(suite, case, &other).await;
    let written = |run: &Run| {
        let one = |asked: &Asked| format!("{} {:?} {:?}", asked.url, asked.headers, asked.body);
        run.sent.iter().map(one).collect::<Vec<_>>()
    };
    written(run) != written(&changed)
}

/// Holds every signature that is known against its algorithm; says how many there were.
fn verify(case: &Case, target: &Target, run: &Run, verdict: &mut Verdict) -> usize {
    let (found, wrong) = signatures(run, target, |_| case.cassette.at);
    if let Some(why) = wrong {
        verdict.find(case.finding(why, "sign what is sent, as it is sent, with the account's own secret"));
    }
    found
}

/// What is wrong with the first signature that is.
pub(super) fn wrong_signature(run: &Run, target: &Target, at: Timestamp) -> Option<String> {
    signatures(run, target, |_| at).1
}

/// The same where each request was made so long after the one before.
pub(super) fn wrong_signature_by_then(run: &Run, target: &Target, at: Timestamp, step: Duration) -> Option<String> {
    let made_at = |request: usize| at.after(step.saturating_mul(u32::try_from(request).unwrap_or(u32::MAX)));
    signatures(run, target, made_at).1
}

/// How many signatures there are up to the first that is wrong, and what is wrong with that.
fn signatures(run: &Run, target: &Target, made_at: impl Fn(usize) -> Timestamp) -> (usize, Option<String>) {
    let secrets = std::iter::once(&target.password).chain(target.secrets.values());
    let mut credentials = Credentials {
        user: &target.key.user,
        secrets: secrets.map(|secret| secret.expose_secret()).collect(),
        options: target.options.values().map(String::as_str).collect(),
        region: target.options.get("region").map(String::as_str),
        provider: &target.key.provider,
        at: made_at(0),
    };
    let mut found = 0;
    for (request, sent) in run.sent.iter().enumerate() {
        credentials.at = made_at(request);
        let Some(verified) = signature::verify(sent, &credentials) else { continue };
        found += 1;
        if let Err(why) = verified {
            let wrong = format!("no cloud would take the signature of {} {}: {why}", sent.method, sent.url.path());
            return (found, Some(wrong));
        }
    }
    (found, None)
}

/// A placeholder in a request, with how it is encoded.
pub(super) struct Placed<'a> {
    before: &'a str,
    pub(super) encoding: &'a str,
    pub(super) what: &'a str,
}

pub(super) fn placeholders(text: &str) -> Vec<Placed<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("{{").map(|at| from + at) {
        let Some(end) = text[start..].find("}}").map(|at| start + at) else { break };
        let inner = &text[start + 2..end];
        if let Some((what, encoding)) = inner.split_once(" as ") {
            found.push(Placed { before: &text[..start], encoding, what });
        }
        from = end + 2;
    }
    found
}

/// Whether a secret or a computed value went out in the place of each placeholder: one that stands where none is replaced,
/// or that the driver changed, is sent as it is.
fn revealed(case: &Case, run: &Run, verdict: &mut Verdict) {
    for sent in &run.sent {
        if let Some(place) = left_in(sent) {
            verdict.find(case.finding(
                format!("a placeholder goes out as it is, in {place} of {} {}", sent.method, sent.url.path()),
                "in a query, ask for the encoding `query`, or for a computed value in hex, base64url or base64-query; \
                 put no placeholder into a path, and use each one in the poll that it was made in, as it is",
            ));
            return;
        }
    }
}

/// Where a placeholder is left in a request.
fn left_in(sent: &Asked) -> Option<String> {
    if has_placeholder(sent.url.path().as_bytes()) {
        return Some("the path".into());
    }
    if has_placeholder(sent.url.query().unwrap_or_default().as_bytes()) {
        return Some("the query".into());
    }
    if let Some((name, _)) = sent.headers.iter().find(|(_, value)| has_placeholder(value.as_bytes())) {
        return Some(format!("the header {name}"));
    }
    has_placeholder(&sent.body).then(|| "the body".into())
}

/// Whether the beginning of a placeholder is in a text, as it is or disguised.
fn has_placeholder(text: &[u8]) -> bool {
    static FORMS: LazyLock<Vec<String>> =
        LazyLock::new(|| std::iter::once(WORD_PREFIX.to_owned()).chain(disguised()).collect());
    FORMS.iter().any(|form| memchr::memmem::find(text, form.as_bytes()).is_some())
}

/// Whether each placeholder is in the encoding of where it stands.
fn placed(case: &Case, run: &Run, verdict: &mut Verdict) {
    for asked in &run.asked {
        let mut wrong = Vec::new();
        for (name, value) in &asked.headers {
            for Placed { before, encoding, what } in placeholders(value.to_str().unwrap_or_default()) {
                let basic = before.trim_end().to_ascii_lowercase().ends_with("basic");
                let fits = match encoding {
                    "basic" => basic,
                    "raw" => !basic,
                    "json" | "form" | "xml" | "query" => false,
                    _ => true,
                };
                if !fits {
                    wrong.push(format!("{what} stands as {encoding} in the header {name}"));
                }
            }
        }
        let kind = asked.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let body = String::from_utf8_lossy(&asked.body);
        let fitting: &[&str] = match body.trim_start().chars().next() {
            _ if kind.contains("x-www-form-urlencoded") => &["form", "query", "hex", "base64url", "base64-query"],
            _ if kind.contains("json") => &["json", "hex", "base64", "base64url"],
            _ if kind.contains("xml") => &["xml", "hex", "base64", "base64url"],
            Some('{' | '[') => &["json", "hex", "base64", "base64url"],
            Some('<') => &["xml", "hex", "base64", "base64url"],
            _ => continue,
        };
        for Placed { encoding, what, .. } in placeholders(&body) {
            if !fitting.contains(&encoding) {
                wrong.push(format!("{what} stands as {encoding} in a body of the type {kind:?}"));
            }
        }
        if let Some(wrong) = wrong.into_iter().next() {
            verdict.find(case.finding(
                wrong,
                "ask for the placeholder in the encoding of where it stands: a secret with a quote or an ampersand in it \
                 would break the request",
            ));
            return;
        }
    }
}

/// Whether each secret that stands in a header stands there in the cassette, too: a secret that goes out where nobody
/// expects it is a secret given away.
fn listed(case: &Case, run: &Run, verdict: &mut Verdict) {
    for asked in &run.asked {
        for (name, value) in &asked.headers {
            let value = value.to_str().unwrap_or_default();
            // What is computed is never the same, so that cassettes do not list it.
            let is_secret = |placed: &Placed<'_>| matches!(placed.encoding, "raw" | "basic");
            let Some(placed) = placeholders(value).into_iter().find(is_secret) else { continue };
            let is_listed = case.cassette.exchanges.iter().any(|exchange| {
                let request = &exchange.request;
                let listed = request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
                request.fits(asked) && listed.contains(&format!("{{{{{} as ", placed.what))
            });
            if !is_listed {
                verdict.find(case.finding(
                    format!(
                        "the secret {:?} is in the header {name} of {} {}, and no cassette has it there",
                        placed.what,
                        asked.method,
                        asked.url.path()
                    ),
                    "send each secret where the provider asks for it and nowhere else, and list that header in the \
                     cassette's requests",
                ));
                return;
            }
        }
    }
}

/// Whether the requests for the pages of a list have the same headers: one without credentials is turned away.
fn alike(case: &Case, run: &Run, verdict: &mut Verdict) {
    let mut names: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for asked in &run.asked {
        let own: BTreeSet<&str> = asked.headers.keys().map(header::HeaderName::as_str).collect();
        let place = (asked.method.to_string(), asked.url.path().to_owned(), operation(asked));
        let before = names.entry(place).or_insert_with(|| own.clone());
        if let Some(other) = before.symmetric_difference(&own).find(|name| !name.starts_with("content-")) {
            verdict.find(case.finding(
                format!(
                    "{} {} is asked once with the header {other}, and once without",
                    asked.method,
                    asked.url.path()
                ),
                "make all requests of a list in one way",
            ));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_placeholder_is_found_however_it_was_changed() {
        let word = format!("{WORD_PREFIX}00112233445566778899aabbccddeeff");
        for before in 0..7 {
            let text = format!("{}{word}", &"demo:x:"[..before]);
            for changed in [
                text.clone(),
                text.to_uppercase(),
                text.bytes().map(|byte| format!("{byte:02X}")).collect(),
                STANDARD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
            ] {
                assert!(has_placeholder(format!("Basic {changed}").as_bytes()), "{changed}");
            }
        }
        for other in ["", "tracker", "Basic ZGVtbzpwYXNzd29yZA==", "placeholder-tracker"] {
            assert!(!has_placeholder(other.as_bytes()), "{other}");
        }
    }
}
