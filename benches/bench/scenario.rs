//! A list of a thousand instances for a driver, made of its cassettes and written into a folder: a provider serves its answers to
//! the driver's component, and the driver's native code reads the same files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use tracker::driver::wire::Answered;
use tracker::kit::cassette::{Answer, Body, Cassette, Cassettes, Outcome};
use tracker::kit::conformance::{Thousand, thousand};

use crate::host::{DRIVERS, root};

pub(crate) struct Scenario {
    pub(crate) thousand: Thousand,
    pub(crate) form: Form,
    /// The file that tells of it all.
    pub(crate) file: PathBuf,
    _folder: tempfile::TempDir,
}

/// What the answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Xml,
    /// The driver asks no provider.
    None,
}

impl Scenario {
    pub(crate) async fn of(driver: &str) -> Scenario {
        let cassettes = root().join("drivers").join(driver).join("cassettes");
        let cassettes = Cassettes::read_dir(&cassettes).expect("cassettes").into_iter().map(in_the_clear);
        let component = root().join(DRIVERS).join(driver).with_extension("wasm");
        let made = thousand(&component, cassettes).await;
        let made = made.unwrap_or_else(|error| panic!("{driver}: {error}: run `make drivers`"));
        let thousand = made.unwrap_or_else(|| {
            panic!(
                "{driver}: no list of a thousand instances can be made of its cassettes: add a cassette that has one"
            )
        });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("scenario.json");
        fs::write(&file, written(&thousand, folder.path()).to_string()).expect("written");
        Scenario { form: form(driver, &thousand), thousand, file, _folder: folder }
    }
}

/// By the media type of the largest answer.
fn form(driver: &str, thousand: &Thousand) -> Form {
    let Some(largest) = thousand.again.iter().max_by_key(|answered| answered.body.len()) else { return Form::None };
    let media_type = largest.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media_type.split(';').next().unwrap_or_default().trim() {
        json if json.ends_with("json") => Form::Json,
        xml if xml.ends_with("xml") => Form::Xml,
        other => panic!("{driver}: the largest answer of {:?} is of type {other:?}", thousand.cassette.name),
    }
}

/// The same with http in place of https: the provider is a proxy, which cannot read requests over TLS.
fn in_the_clear(mut cassette: Cassette) -> Cassette {
    let account = &mut cassette.account;
    for text in account.endpoints.values_mut().chain(account.options.values_mut()).chain([&mut account.endpoint]) {
        *text = clear(text);
    }
    for exchange in &mut cassette.exchanges {
        let request = &mut exchange.request;
        request.url = clear(request.url.as_str()).parse().expect("a URL, as before");
        request.body = request.body.take().map(clear_body);
        if let Outcome::Answer(Answer { headers, body, .. }) = &mut exchange.outcome {
            *body = clear_body(body.clone());
            for (_, value) in headers.iter_mut() {
                if let Ok(text) = value.to_str() {
                    *value = clear(text).parse().expect("a value, as before");
                }
            }
        }
    }
    cassette
}

fn clear(text: &str) -> String {
    text.replace("https://", "http://")
}

fn clear_body(body: Body) -> Body {
    match body {
        Body::Text(text) => Body::Text(clear(&text)),
        Body::Json(value) => Body::Json(serde_json::from_str(&clear(&value.to_string())).expect("JSON, as before")),
        Body::File { name, content } => match std::str::from_utf8(&content) {
            Ok(text) => Body::File { name, content: clear(text).into() },
            Err(_) => Body::File { name, content },
        },
        bytes @ Body::Bytes(_) => bytes,
    }
}

/// Writes the answers' bodies beside it.
fn written(thousand: &Thousand, folder: &Path) -> Value {
    let Thousand { cassette, first, again, .. } = thousand;
    let account = &cassette.account;
    let names = account.secrets.iter().map(String::as_str).chain(["password"]);
    // As `Cassette::target` has them.
    let secret = |name: &str| account.fakes.get(name).cloned().unwrap_or_else(|| format!("cassette-{name}"));
    let secrets: Vec<(&str, String)> = names.map(|name| (name, secret(name))).collect();
    let answers = |list: &str, answers: &[Answered]| -> Vec<Value> {
        let answers = answers.iter().enumerate();
        answers.map(|(at, answered)| answer(answered, &folder.join(format!("{list}-{at}")))).collect()
    };
    json!({
        "account": {
            "provider": account.provider,
            "endpoint": account.endpoint,
            "endpoints": account.endpoints,
            "user": account.user,
            "secret": account.secret,
            "secret_expires": account.secret_expires.map(|ends| ends.as_millis()),
            "options": account.options,
        },
        "secrets": secrets,
        "at": cassette.at.as_millis(),
        "first": answers("first", first),
        "again": answers("again", again),
    })
}

fn answer(answered: &Answered, file: &Path) -> Value {
    assert!(!answered.broken, "an answer of a whole list is whole");
    fs::write(file, &answered.body).expect("written");
    // The host removes the length before a driver sees it.
    let headers = answered.headers.iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH);
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
    json!({ "status": answered.status.as_u16(), "headers": headers.collect::<Vec<_>>(), "body": file })
}
