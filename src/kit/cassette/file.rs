//! Reads and writes cassettes, with the files of their bodies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::error::MOST_FILE_BYTES;
use super::form::{
    AccountForm, AnswerForm, BodyForm, ExchangeForm, File, ListForm, RequestForm, Values, Versioned, exchange_form,
};
use super::{Account, Answer, Body, Cassette, CassetteError, Outcome, Recorded, Request, VERSION};
use crate::driver::SecretKind;
use crate::driver::secrets::PASSWORD;
use crate::model::{Kind, MOST_IDS, ResourceId};
use crate::supply::grants::Endpoint;

impl Cassette {
    /// Reads a cassette and the files of its bodies.
    pub fn read(path: &Path) -> Result<Cassette, CassetteError> {
        read(path)
    }

    /// Writes a cassette, and the files of its bodies beside it.
    pub fn write(&self, path: &Path) -> Result<(), CassetteError> {
        write(self, path)
    }

    /// The text of its file, which names the files of bodies.
    pub fn text(&self) -> String {
        text(self)
    }
}

fn read(path: &Path) -> Result<Cassette, CassetteError> {
    let text = bounded(path)?;
    let malformed = |source| CassetteError::Malformed { path: path.to_owned(), source };
    let Versioned { cassette: found } = serde_json::from_slice(&text).map_err(malformed)?;
    if found > VERSION {
        return Err(CassetteError::TooNew { path: path.to_owned(), found });
    }
    let file: File = serde_json::from_slice(&text).map_err(malformed)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let invalid = |what| CassetteError::Invalid { path: path.to_owned(), what };
    check_account(&file.account).map_err(&invalid)?;
    if file.since.is_some() && matches!(file.list, ListForm::Realms) {
        return Err(invalid("since: what changed is asked for of instances only; take it out".into()));
    }
    let ids = ids(&file).map_err(&invalid)?;
    let mut exchanges = Vec::with_capacity(file.exchanges.len());
    for (at, form) in file.exchanges.into_iter().enumerate() {
        exchanges.push(exchange(form, at, folder, &invalid)?);
    }
    let AccountForm { provider, endpoint, endpoints, user, secret, secret_expires, options, secrets, fakes } =
        file.account;
    Ok(Cassette {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        about: file.about,
        source: file.source,
        account: Account { provider, endpoint, endpoints, user, secret, secret_expires, options, secrets, fakes },
        at: file.at,
        list: match file.list {
            ListForm::Instances => Kind::Instance,
            ListForm::Realms => Kind::Realm,
        },
        since: file.since,
        ids,
        exchanges,
        expect: file.expect,
    })
}

/// Whether an account is one, of whichever driver.
fn check_account(account: &AccountForm) -> Result<(), String> {
    let AccountForm { endpoint, endpoints, secret, secret_expires, fakes, .. } = account;
    if !endpoint.is_empty() {
        Endpoint::parse(endpoint).map_err(|error| format!("account.endpoint: {error}"))?;
    }
    for (role, endpoint) in endpoints {
        Endpoint::parse(endpoint).map_err(|error| format!("account.endpoints.{role}: {error}"))?;
    }
    if secret_expires.is_some() && !secret.may_end() {
        return Err(format!(
            "account.secret_expires: a {secret} does not expire; remove it, or add \"secret\": \"{}\"",
            SecretKind::AccessToken
        ));
    }
    if *secret == SecretKind::PrivateKey && !fakes.contains_key(PASSWORD) {
        return Err(format!(
            "account.fakes: {PASSWORD:?} is missing, and nothing is signed with a made-up word; add a private key in PEM \
             that is used nowhere else"
        ));
    }
    Ok(())
}

/// The single instances that are asked for.
fn ids(file: &File) -> Result<Vec<ResourceId>, String> {
    if file.ids.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(file.list, ListForm::Realms) {
        return Err("ids: single ones are asked for of instances only; take it out".into());
    }
    if file.since.is_some() {
        return Err("ids: what changed is asked for of all instances; take it out, or `since`".into());
    }
    if file.ids.len() > MOST_IDS {
        return Err(format!("ids: there are {}, and {MOST_IDS} are asked for at most", file.ids.len()));
    }
    let parse = |id: &String| ResourceId::parse(id.as_str()).map_err(|error| format!("ids: {id:?}: {error}"));
    file.ids.iter().map(parse).collect()
}

/// A file's content, if it is not too large.
fn bounded(path: &Path) -> Result<Vec<u8>, CassetteError> {
    let unreadable = |source| CassetteError::Unreadable { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(unreadable)?.len();
    if found > MOST_FILE_BYTES {
        return Err(CassetteError::TooLarge { path: path.to_owned(), found });
    }
    fs::read(path).map_err(unreadable)
}

fn exchange(
    form: ExchangeForm,
    at: usize,
    folder: &Path,
    invalid: &impl Fn(String) -> CassetteError,
) -> Result<Recorded, CassetteError> {
    let place = |part: &str| format!("exchanges[{at}].{part}");
    let RequestForm { method, url, headers: listed, body, body_json, body_base64, body_file } = form.request;
    let bodies = BodyForm { text: body, json: body_json, base64: body_base64, file: body_file };
    let request = Request {
        method: Method::from_bytes(method.as_bytes())
            .map_err(|_| invalid(format!("{} is no HTTP method: {method:?}", place("request.method"))))?,
        url: Url::parse(&url).map_err(|error| invalid(format!("{}: {url:?}: {error}", place("request.url"))))?,
        headers: headers(listed, &place("request.headers")).map_err(invalid)?,
        body: read_body(bodies, &place("request"), folder, invalid)?,
    };
    let outcome = match (form.answer, form.unanswered) {
        (Some(answer), None) => {
            let AnswerForm { status, headers: listed, body, body_json, body_base64, body_file, broken } = answer;
            let bodies = BodyForm { text: body, json: body_json, base64: body_base64, file: body_file };
            Outcome::Answer(Answer {
                status: StatusCode::from_u16(status)
                    .map_err(|_| invalid(format!("{} is no HTTP status: {status}", place("answer.status"))))?,
                headers: headers(listed, &place("answer.headers")).map_err(invalid)?,
                body: read_body(bodies, &place("answer"), folder, invalid)?.unwrap_or(Body::Text(String::new())),
                broken,
            })
        }
        (None, Some(why)) => Outcome::Unanswered(why.into()),
        _ => {
            let what = "either `answer` or `unanswered` has to be there, and not both";
            return Err(invalid(format!("exchanges[{at}]: {what}")));
        }
    };
    Ok(Recorded { request, outcome })
}

fn headers(form: BTreeMap<String, Values>, place: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in form {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{place}: {name:?} is no name"))?;
        let values = match values {
            Values::One(value) => vec![value],
            Values::Several(values) => values,
        };
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("{place}: the value of {name:?} has characters that no header may have"))?;
            headers.append(&parsed, value);
        }
    }
    Ok(headers)
}

fn read_body(
    form: BodyForm,
    place: &str,
    folder: &Path,
    invalid: &impl Fn(String) -> CassetteError,
) -> Result<Option<Body>, CassetteError> {
    match form {
        BodyForm { text: None, json: None, base64: None, file: None } => Ok(None),
        BodyForm { text: Some(text), json: None, base64: None, file: None } => Ok(Some(Body::Text(text))),
        BodyForm { text: None, json: Some(value), base64: None, file: None } => Ok(Some(Body::Json(value))),
        BodyForm { text: None, json: None, base64: Some(text), file: None } => {
            let bytes = BASE64.decode(text).map_err(|error| invalid(format!("{place}.body_base64: {error}")))?;
            Ok(Some(Body::Bytes(bytes.into())))
        }
        BodyForm { text: None, json: None, base64: None, file: Some(name) } => {
            check_name(&name).map_err(|what| invalid(format!("{place}.body_file: {what}")))?;
            let content = Bytes::from(bounded(&folder.join(&name))?);
            Ok(Some(Body::File { name, content }))
        }
        _ => Err(invalid(format!("{place}: there are several bodies; give one"))),
    }
}

/// A body's file is below the cassette, and not to be taken for a cassette.
fn check_name(name: &str) -> Result<(), String> {
    let path = Path::new(name);
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    if name.is_empty() || !plain {
        return Err(format!("{name:?}: give a path below the cassette's folder, such as page-1.xml"));
    }
    let beside = path.components().count() == 1;
    if beside && path.extension().is_some_and(|extension| extension == "json") {
        return Err(format!("{name:?} would be taken for a cassette: put it into a folder, as bodies/{name}"));
    }
    Ok(())
}

fn text(cassette: &Cassette) -> String {
    let file = File {
        cassette: VERSION,
        about: cassette.about.clone(),
        source: cassette.source.clone(),
        account: AccountForm {
            provider: cassette.account.provider.clone(),
            endpoint: cassette.account.endpoint.clone(),
            endpoints: cassette.account.endpoints.clone(),
            user: cassette.account.user.clone(),
            secret: cassette.account.secret,
            secret_expires: cassette.account.secret_expires,
            options: cassette.account.options.clone(),
            secrets: cassette.account.secrets.clone(),
            fakes: cassette.account.fakes.clone(),
        },
        at: cassette.at,
        list: match cassette.list {
            Kind::Instance => ListForm::Instances,
            Kind::Realm => ListForm::Realms,
        },
        since: cassette.since,
        ids: cassette.ids.iter().map(ToString::to_string).collect(),
        expect: cassette.expect.clone(),
        exchanges: cassette.exchanges.iter().map(exchange_form).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("invariant: texts, numbers and lists can be written");
    text.push('\n');
    text
}

fn write(cassette: &Cassette, path: &Path) -> Result<(), CassetteError> {
    let not_written = |path: &Path, source: io::Error| CassetteError::NotWritten { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|source| not_written(folder, source))?;
    for recorded in &cassette.exchanges {
        let answered = match &recorded.outcome {
            Outcome::Answer(answer) => Some(&answer.body),
            Outcome::Unanswered(_) => None,
        };
        for body in recorded.request.body.iter().chain(answered) {
            let Body::File { name, content } = body else { continue };
            check_name(name).map_err(|what| CassetteError::Invalid { path: path.to_owned(), what })?;
            let file = folder.join(name);
            let parent = file.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|source| not_written(parent, source))?;
            fs::write(&file, content).map_err(|source| not_written(&file, source))?;
        }
    }
    fs::write(path, text(cassette)).map_err(|source| not_written(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{
  "cassette": 1, "about": "one page", "source": "made up",
  "account": { "provider": "nyc", "endpoint": "https://api.example.com", "user": "demo",
    "options": { "region": "x" }, "secrets": ["session-token"], "fakes": { "password": "known" } },
  "at": "2026-11-20T10:00:00Z", "list": "instances",
  "exchanges": [
    { "request": { "method": "POST", "url": "https://api.example.com/login", "headers": { "Accept": "a/b" },
        "body_json": { "password": "{{password as json}}" } },
      "answer": { "status": 200, "headers": { "link": ["<a>", "<b>"] }, "body_file": "bodies/one.json" } },
    { "request": { "method": "GET", "url": "https://api.example.com/x?a=1", "body": "text" },
      "answer": { "status": 500, "body_base64": "/w==", "broken": true } },
    { "request": { "method": "GET", "url": "https://api.example.com/y" }, "unanswered": "no-connection" } ],
  "since": "2026-11-20T09:00:00Z",
  "expect": { "count": 3, "coverage": "partial", "states": { "off": "STOPPED" }, "ids": ["1", "2", "3"], "gone": ["4"] }
}"#;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("bodies")).expect("made");
        fs::write(folder.path().join("bodies/one.json"), "{\"x\": 1}").expect("written");
        folder
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = folder();
        let path = folder.path().join("one-page.json");
        fs::write(&path, WHOLE).expect("written");
        let cassette = Cassette::read(&path).expect("read");
        assert_eq!(cassette.name, "one-page");
        assert_eq!(cassette.exchanges.len(), 3);
        let answer = cassette.answer(0).expect("an answer");
        assert_eq!(answer.body.bytes(), "{\"x\": 1}");
        assert_eq!(answer.headers.get_all("link").iter().count(), 2);
        assert!(cassette.answer(1).expect("an answer").broken);
        assert_eq!(cassette.expect.states["off"].as_str(), "STOPPED");

        let again = tempfile::tempdir().expect("a folder");
        let copy = again.path().join("new/one-page.json");
        cassette.write(&copy).expect("written");
        let read = Cassette::read(&copy).expect("read");
        assert_eq!(read.text(), cassette.text());
        assert_eq!(fs::read_to_string(again.path().join("new/bodies/one.json")).expect("there"), "{\"x\": 1}");

        fs::write(folder.path().join("suite.json"), "{}").expect("written");
        let names: Vec<String> =
            super::super::Cassettes::read_dir(folder.path()).expect("read").into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["one-page"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let folder = folder();
        let path = folder.path().join("a.json");
        let check = |from: &str, to: &str, want: &[&str]| {
            assert!(WHOLE.contains(from), "{from}");
            fs::write(&path, WHOLE.replacen(from, to, 1)).expect("written");
            let error = Cassette::read(&path).expect_err(to).to_string();
            for want in want {
                assert!(error.contains(want), "{error} should say {want}");
            }
        };
        check("\"about\"", "\"abuot\"", &["a.json", "abuot", "line 2"]);
        check("\"Accept\": \"a/b\"", "\"Accept\": 3", &["line 7"]);
        check("\"body_json\"", "\"body-json\"", &["body-json", "line 8"]);
        check("\"count\": 3", "\"counts\": 3", &["counts", "line 14"]);
        check("\"STOPPED\"", "\"OFF\"", &["\"OFF\" is not a state", "line 14"]);
        check("\"coverage\": \"partial\"", "\"error\": \"denied\"", &["denied", "unauthorized", "line 14"]);
        check("\"cassette\": 1", "\"cassette\": 2", &["format 2", "update the host"]);
        check("https://api.example.com\",", "https://api.example.com/v1/\",", &["account.endpoint"]);
        check("\"body\": \"text\"", "\"body\": \"text\", \"body_base64\": \"\"", &["exchanges[1].request", "give one"]);
        check("\"unanswered\": \"no-connection\"", "\"unanswered\": \"lost\"", &["lost", "line 12"]);
        check(", \"unanswered\": \"no-connection\"", "", &["exchanges[2]", "either"]);
        check("bodies/one.json", "one.json", &["exchanges[0].answer.body_file", "bodies/one.json"]);
        check("bodies/one.json", "../one.xml", &["below the cassette's folder"]);
        check("bodies/one.json", "two.xml", &["two.xml"]);
        check("/w==", "/w", &["exchanges[1].answer.body_base64"]);
        check("\"status\": 500", "\"status\": 42", &["exchanges[1].answer.status"]);
        check("\"GET\"", "\"G T\"", &["exchanges[1].request.method"]);
        check("T09:00:00Z", "", &["line 13", "RFC 3339"]);
        check("\"instances\"", "\"realms\"", &["since", "instances only"]);
        check("\"list\"", "\"ids\": [\"1\"], \"list\"", &["ids", "`since`"]);
        let single = WHOLE.replace("\"since\": \"2026-11-20T09:00:00Z\"", "\"ids\": [\"17\", \"18\"]");
        let check = |from: &str, to: &str, want: &str| {
            fs::write(&path, single.replacen(from, to, 1)).expect("written");
            let error = Cassette::read(&path).expect_err(to).to_string();
            assert!(error.contains("ids: ") && error.contains(want), "{error} should say {want}");
        };
        check("\"instances\"", "\"realms\"", "instances only");
        check("\"17\"", "\"\"", "\"\"");
        check("\"17\"", "\"1\", ".repeat(100).trim_end_matches(", "), "100 are asked for at most");
        fs::write(&path, &single).expect("written");
        let read = Cassette::read(&path).expect("read");
        assert_eq!(read.ids.iter().map(ToString::to_string).collect::<Vec<_>>(), ["17", "18"]);
        assert!(read.text().contains("\"ids\": [\n    \"17\""), "{}", read.text());
    }

    #[test]
    fn an_account_has_endpoints_by_role_and_a_secret_of_a_kind() {
        const PARTS: &str = r#"{
  "cassette": 1, "about": "parts", "source": "made up", "at": "2026-11-20T10:00:00.000Z", "list": "instances",
  "account": { "provider": "nyc", "endpoint": "https://api.example.com",
    "endpoints": { "compute": "https://compute.example.com", "identity": "https://id.example.com:5000/v3" },
    "user": "demo", "secret": "access-token", "secret_expires": "2026-11-20T12:00:00.000Z" },
  "exchanges": []
}"#;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parts.json");
        let read = |text: &str| {
            fs::write(&path, text).expect("written");
            Cassette::read(&path)
        };
        let cassette = read(PARTS).expect("read");
        let Account { endpoints, secret, secret_expires, .. } = &cassette.account;
        assert_eq!(endpoints["identity"], "https://id.example.com:5000/v3");
        assert_eq!(*secret, SecretKind::AccessToken);
        assert_eq!(secret_expires.map(|ends| ends.to_string()).as_deref(), Some("2026-11-20T12:00:00.000Z"));
        let written: serde_json::Value = serde_json::from_str(&cassette.text()).expect("JSON");
        let given: serde_json::Value = serde_json::from_str(PARTS).expect("JSON");
        assert_eq!(written, given);

        // What was written before there were any is written as it was.
        let plain = read(&WHOLE.replace(", \"body_file\": \"bodies/one.json\"", "")).expect("read");
        for name in ["endpoints", "\"secret\"", "secret_expires"] {
            assert!(!plain.text().contains(name), "{}", plain.text());
        }

        let check = |from: &str, to: &str, want: &[&str]| {
            assert!(PARTS.contains(from), "{from}");
            let error = read(&PARTS.replacen(from, to, 1)).expect_err(to).to_string();
            for want in want {
                assert!(error.contains(want), "{error} should say {want}");
            }
        };
        check("https://id.example.com:5000/v3", "id.example.com", &["account.endpoints.identity", "not an endpoint"]);
        check("https://compute.example.com", "", &["account.endpoints.compute"]);
        check("access-token", "token", &["line 5", "token", "private-key"]);
        check("2026-11-20T12:00:00.000Z", "soon", &["line 5", "RFC 3339"]);
        check("access-token", "password", &["account.secret_expires", "a password does not expire", "access-token"]);
        check("\"secret\": \"access-token\", ", "", &["account.secret_expires", "a password does not expire"]);
        let ends = "\"access-token\", \"secret_expires\": \"2026-11-20T12:00:00.000Z\"";
        check(ends, "\"private-key\"", &["account.fakes", "\"password\" is missing", "PEM"]);
        check("\"secret\":", "\"kind\":", &["line 5", "kind"]);
        read(&PARTS.replace(ends, "\"private-key\", \"fakes\": { \"password\": \"a key\" }")).expect("read");
    }
}
