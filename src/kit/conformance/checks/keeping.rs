//! Whether a driver keeps secrets, and stays within its endpoints.

mod logged;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::failing::{faulted, positions};
use crate::driver::secrets::WORD_PREFIX;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::{Stage, answer, recorded, with_body};
use crate::kit::conformance::stand::{Run, StandError};
use crate::kit::conformance::suite::{Case, Faulted, Suite};
use crate::kit::conformance::verdict::Verdict;
use logged::SHORTEST;

pub(super) async fn inside(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let mut requests = 0;
    let mut look = |verdict: &mut Verdict, case: &Case, run: &Run, when: &str| {
        requests += run.usage().requests;
        if let Some(refused) = run.refused.first() {
            verdict.find(case.finding(
                format!("{when}it asked for something that it does not declare: {refused}"),
                "declare in `describe` what it needs, and ask for nothing else; follow no redirect and no address \
                 of an answer's to another host",
            ));
        }
    };
    for case in &suite.cases {
        look(&mut verdict, case, &case.run, "");
    }
    // What a driver does when it is turned away is where it may stray.
    for Faulted { case, at, fault, run } in faulted(suite).await {
        let when = format!("where the answer to exchange {} is {}, ", at + 1, fault.what);
        look(&mut verdict, &suite.cases[*case], run, &when);
    }
    for case in suite.richest() {
        if let Some(stage) = elsewhere(case) {
            let run = suite.list(case, stage).await;
            look(&mut verdict, case, &run, &format!("where its answers have links to {OTHER_HOST}, "));
        }
    }
    verdict.tried = match requests {
        0 => "nothing to check: it makes no requests".into(),
        _ => format!("{requests} requests, well answered and not"),
    };
    Ok(verdict)
}

const OTHER_HOST: &str = "https://suite-link.invalid";

/// The provider with every link to an endpoint of the account leading to another host; none where it gives no links.
fn elsewhere(case: &Case) -> Option<Stage> {
    let endpoints: Vec<&str> = case.cassette.account.all_endpoints().filter(|endpoint| !endpoint.is_empty()).collect();
    let exchanged = |text: &str| {
        let changed = endpoints.iter().fold(text.to_owned(), |text, endpoint| text.replace(endpoint, OTHER_HOST));
        (changed != text).then_some(changed)
    };
    let mut stage = Stage::of(&case.cassette);
    let mut has_links = false;
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(mut answered) = recorded(exchange) else { continue };
        let document = Document::read(&answered.body);
        let body = document.and_then(|document| document.with_values(&mut |text| exchanged(text)));
        let mut changed = body.is_some();
        for value in answered.headers.values_mut() {
            let new = value.to_str().ok().and_then(exchanged).and_then(|new| HeaderValue::from_str(&new).ok());
            if let Some(new) = new {
                *value = new;
                changed = true;
            }
        }
        if changed {
            let answered = body.map_or(answered.clone(), |body| with_body(&answered, body));
            stage = stage.with(at, Ok(answered));
            has_links = true;
        }
    }
    has_links.then_some(stage)
}

pub(super) async fn secrets(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::default();
    let mut tried = 0;
    let words = logged::words_of(suite);
    for case in &suite.cases {
        tried += 1;
        let hidden = [secrets_of(case), tokens_of(case)].concat();
        look(&mut verdict, case, &case.run, &hidden, "");
        if let Some(why) = logged::tells(case, &words) {
            verdict.find(case.finding(why, NO_ANSWERS));
        }
    }
    for case in suite.richest_by_secret() {
        let (secrets, tokens) = (secrets_of(case), tokens_of(case));
        for form in &secrets {
            for (stage, when) in echoes(case, form) {
                tried += 1;
                let run = suite.list(case, stage).await;
                look(&mut verdict, case, &run, &[&secrets[..], &tokens].concat(), when);
            }
        }
    }
    for case in suite.richest() {
        tried += leaks(suite, case, &mut verdict).await;
    }
    // What a driver says when something goes wrong is where it may say too much.
    for Faulted { case, at, fault, run } in faulted(suite).await {
        let case = &suite.cases[*case];
        // A login that failed gives no token, and the beginning of what came may be quoted.
        let hidden = secrets_of(case);
        let when = format!("where the answer to exchange {} is {}, ", at + 1, fault.what);
        look(&mut verdict, case, run, &hidden, &when);
    }
    verdict.tried = format!("{}, some by a provider that echoes what it is sent", count(tried, "list"));
    Ok(verdict)
}

/// What a driver may quote of an answer that it does not understand, in bytes.
const QUOTED: usize = 1_024;
/// What a log line may have of an answer, in bytes in a row.
const LOGGED: usize = 100;
/// In a header of each answer.
const MARK: &str = "suite-header-5d1f0c";

/// Answers that would be known again, wherever they stand.
async fn leaks(suite: &Suite, case: &Case, verdict: &mut Verdict) -> usize {
    let mut marked = Stage::of(&case.cassette);
    let mut bodies = Vec::new();
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(mut answered) = recorded(exchange) else { continue };
        for name in ["set-cookie", "x-suite", "x-auth-token", "x-request-id", "x-amzn-requestid", "x-correlation-id"] {
            answered.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(MARK));
        }
        bodies.push(answered.body.clone());
        marked = marked.with(at, Ok(answered));
    }
    let run = suite.list(case, marked).await;
    if run.said().contains(MARK) {
        verdict.find(case.finding(
            "a header of an answer is in a list, in an error, in a log line or in what it prints",
            "keep headers of answers to yourself: cookies and tokens are among them",
        ));
    }
    if let Some(why) = quotes(&run, &bodies) {
        verdict.find(case.finding(why, NO_ANSWERS));
    }
    let mut tried = 1;
    for Faulted { case: place, at, fault, run } in faulted(suite).await {
        if !std::ptr::eq(&suite.cases[*place], case) {
            continue;
        }
        tried += 1;
        let broken = fault.outcome.as_ref().ok().map(|answered| answered.body.clone());
        let came: Vec<Bytes> = bodies.iter().cloned().chain(broken).collect();
        if let Some(why) = quotes(run, &came) {
            let why = format!("where the answer to exchange {} is {}, {why}", at + 1, fault.what);
            verdict.find(case.finding(why, NO_ANSWERS));
            break;
        }
    }
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR] {
        for at in positions(case.cassette.exchanges.len()) {
            tried += 1;
            let words: String = (0..1_000).map(|number| format!("suite-word-{number:04} ")).collect();
            let mut long = answer(status, "text/plain", words);
            long.headers.insert(HeaderName::from_static("set-cookie"), HeaderValue::from_static(MARK));
            let run = suite.list(case, Stage::of(&case.cassette).with(at, Ok(long))).await;
            let said = run.said();
            let quoted = said.matches("suite-word-").count() * "suite-word-0000 ".len();
            if quoted > QUOTED || said.contains(MARK) {
                verdict.find(case.finding(
                    format!(
                        "where exchange {} is answered with {} and a long text, {} of it are in an error or in log lines",
                        at + 1,
                        status.as_u16(),
                        if quoted > QUOTED { format!("{quoted} bytes") } else { "headers".to_owned() }
                    ),
                    format!("quote no more than the beginning, {QUOTED} bytes at most, and no header"),
                ));
            }
        }
    }
    tried
}

const NO_ANSWERS: &str =
    "log and print what happened, and not what came: answers hold what their owners let nobody else see";

/// What of an answer is in a log line, or more than a little of it in an error.
fn quotes(run: &Run, bodies: &[Bytes]) -> Option<String> {
    let has = |text: &str, length: usize| {
        let mut parts = text.as_bytes().windows(length).step_by(length / 4);
        parts.any(|part| bodies.iter().any(|body| memchr::memmem::find(body, part).is_some()))
    };
    if let Some(line) = run.logged.iter().find(|line| has(line, LOGGED)) {
        let start: String = line.chars().take(60).collect();
        return Some(format!("a log line, or what it prints, has a part of an answer in it: {start:?}..."));
    }
    let error = run.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    has(&error, QUOTED).then(|| format!("an error has more than {QUOTED} bytes of an answer in it"))
}

/// Each secret of a case, in each form in which it may be written.
fn secrets_of(case: &Case) -> Vec<String> {
    let target = case.cassette.target();
    let forms = |secret: &secrecy::SecretString| {
        let secret = secret.expose_secret();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let basic = BASE64.encode(format!("{}:{secret}", target.key.user));
        [secret.to_owned(), form, basic, BASE64.encode(secret)]
    };
    let mut forms: Vec<String> =
        std::iter::once(&target.password).chain(target.secrets.values()).flat_map(forms).collect();
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort();
    forms.dedup();
    forms
}

/// The tokens that a case's logins gave.
fn tokens_of(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    for exchange in &case.cassette.exchanges {
        if let Ok(answered) = recorded(exchange)
            && let Some(Document::Json(value)) = Document::read(&answered.body)
        {
            tokens(&value, &mut found);
        }
    }
    found.retain(|token| token.len() >= SHORTEST);
    found
}

/// The values of members that are known to hold tokens.
fn tokens(value: &Value, found: &mut Vec<String>) {
    const NAMES: &[&str] = &[
        "access_token",
        "accesstoken",
        "auth_token",
        "id_token",
        "jwt",
        "refresh_token",
        "secret",
        "session_token",
        "token",
    ];
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| tokens(entry, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if NAMES.contains(&name.to_ascii_lowercase().as_str()) => {
                        found.push(text.clone());
                    }
                    _ => tokens(member, found),
                }
            }
        }
        _ => {}
    }
}

/// The provider with something that it was sent in its answers: in the place of names, and in an error.
fn echoes(case: &Case, form: &str) -> Vec<(Stage, &'static str)> {
    let names: Vec<&str> = case.run.resources().iter().filter_map(|resource| resource.name()).collect();
    let mut named = Stage::of(&case.cassette);
    let mut failed = Stage::of(&case.cassette);
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let changed = Document::read(&answered.body)
            .and_then(|document| document.with_values(&mut |value| names.contains(&value).then(|| form.to_owned())));
        if let Some(body) = changed {
            named = named.with(at, Ok(with_body(&answered, body)));
        }
        let refusal = format!("{{\"error\": \"{form} is wrong\"}}");
        failed = failed.with(at, Ok(answer(StatusCode::BAD_REQUEST, "application/json", refusal)));
    }
    match case.cassette.exchanges.is_empty() {
        true => Vec::new(),
        false => vec![
            (named, "where the provider gives back a secret for a name, "),
            (failed, "where the provider gives back a secret in an error, "),
        ],
    }
}

/// The beginning of a placeholder in encodings that a driver may put it into.
pub(super) fn disguised() -> Vec<String> {
    let word = WORD_PREFIX.as_bytes();
    let hex = hex::encode(word);
    // What stands before it in what is encoded moves it by up to two bytes; what its ends share with others is left out.
    let base64 = (0..3).map(|before| {
        let text = BASE64.encode([&b"\0\0"[..before], word].concat());
        let whole = 4 * ((before + word.len()) / 3);
        text[(before * 4).div_ceil(3).next_multiple_of(4).min(whole)..whole].to_owned()
    });
    let reversed = WORD_PREFIX.chars().rev().collect();
    base64.chain([hex.to_uppercase(), hex, reversed, WORD_PREFIX.to_uppercase()]).collect()
}

fn look(verdict: &mut Verdict, case: &Case, run: &Run, hidden: &[String], when: &str) {
    let said = run.said();
    if hidden.iter().any(|text| said.contains(text.as_str())) {
        verdict.find(case.finding(
            format!("{when}a secret, or a token that a login gave, is in a list, in an error, in a log line or in what it prints"),
            "keep what a login answers out of logs and errors, and let no field of a list be taken from it",
        ));
    }
    if said.contains(WORD_PREFIX) {
        verdict.find(case.finding(
            format!(
                "{when}a word that stands for a secret is in a list, in an error, in a log line or in what it prints"
            ),
            "write placeholders into requests and nowhere else: each poll has other ones",
        ));
    }
    let is_masked = |text: &str| ["[signature]", "[secret]"].iter().any(|mask| text.contains(mask));
    let answered = case.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
    let was_there = answered.into_iter().any(|answered| is_masked(&String::from_utf8_lossy(&answered.body)));
    if when.is_empty() && !was_there && is_masked(&said) {
        verdict.find(case.finding(
            "something that was computed with a secret is in a list, in an error, in a log line or in what it prints",
            "signatures go into the request that they sign, and nowhere else",
        ));
    }
    if let Some(form) = disguised().iter().find(|form| said.contains(form.as_str())) {
        verdict.find(case.finding(
            format!("{when}a word that stands for a secret is in a list, in an error, in a log line or in what it prints, as {form:?}"),
            "write placeholders into requests and nowhere else, in no encoding",
        ));
    }
    let hides = |text: &str| text.contains(WORD_PREFIX) || hidden.iter().any(|hidden| text.contains(hidden.as_str()));
    if let Some(asked) = run.asked.iter().find(|asked| hides(asked.url.as_str())) {
        verdict.find(case.finding(
            format!(
                "{when}a secret, or the word for one, is in the address of a request ({} {})",
                asked.method,
                asked.url.path()
            ),
            "send secrets in a header or in a body: addresses are written into every log on the way",
        ));
    }
}
