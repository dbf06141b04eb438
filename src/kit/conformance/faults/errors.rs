//! Errors with a provider's own error document, as cassettes have them, with other statuses, waits and roots than
//! recorded. The meaning of an error is in its document, and a driver has to recognise it there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::owed::{Fault, FaultKind, Owed};
use super::told::{Class, Told};
use crate::driver::wire::Answered;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::stage::{recorded, with_body};
use crate::kit::conformance::suite::Case;

/// How long the provider asks to be left alone where the suite has it say so, in seconds: as no provider does.
const WAIT: u64 = 4_321;

/// A word that no provider has.
const UNKNOWN_WORD: &str = "SuiteUnknownWord";

/// An answer with which a provider says what went wrong.
pub(in crate::kit::conformance) struct RecordedError {
    class: Class,
    answered: Answered,
    /// The secrets of the account that it was said to: what an error means may depend on them.
    secrets: BTreeSet<String>,
    /// Whether a word in it says what it means, whatever the status.
    is_coded: bool,
    /// Whether the provider says some error with a status that is another one's, so that statuses can't be trusted.
    is_of_any_status: bool,
}

/// The errors that the cassettes have, each once. One that means several things is none of them.
pub(in crate::kit::conformance) fn recorded_errors(cases: &[Case]) -> Vec<RecordedError> {
    let mut meanings: BTreeMap<Bytes, BTreeSet<&str>> = BTreeMap::new();
    let mut found: Vec<RecordedError> = Vec::new();
    for case in cases {
        let Some(word) = case.cassette.expect.error.as_deref() else { continue };
        let answered = case.cassette.exchanges.last().and_then(|exchange| recorded(exchange).ok());
        let Some(answered) = answered else { continue };
        meanings.entry(answered.body.clone()).or_default().insert(word);
        let is_known = |class| found.iter().any(|one| (one.class, &one.answered.body) == (class, &answered.body));
        if let Some(class) = Class::of_word(word).filter(|class| !is_known(*class)) {
            let secrets = case.cassette.account.secrets.iter().cloned().collect();
            found.push(RecordedError { class, answered, secrets, is_coded: false, is_of_any_status: false });
        }
    }
    found.retain(|error| meanings.get(&error.answered.body).is_some_and(|words| words.len() == 1));
    let codes: Vec<_> = found.iter().map(|error| (error.class, codes(&error.answered.body))).collect();
    let is_of_any_status = found.iter().any(|error| !error.class.is_said_with(error.answered.status));
    for error in &mut found {
        error.is_of_any_status = is_of_any_status;
        let own = codes_of(&codes, error.class, &error.answered.body);
        error.is_coded = codes.iter().filter(|(class, _)| *class != error.class).any(|(_, others)| {
            others.iter().any(|(name, word)| own.iter().any(|(known, own)| known == name && own != word))
        });
    }
    found
}

type Codes = BTreeSet<(String, String)>;

fn codes_of(all: &[(Class, Codes)], class: Class, body: &Bytes) -> Codes {
    let own = codes(body);
    // A word that stands in errors of another class, too, says nothing.
    let is_others = |code: &(String, String)| all.iter().any(|(other, codes)| *other != class && codes.contains(code));
    own.into_iter().filter(|code| !is_others(code)).collect()
}

/// The words of a document that are for programs, by the names that they stand under.
fn codes(body: &[u8]) -> Codes {
    let nodes = Document::read(body).map(|document| document.nodes()).unwrap_or_default();
    let code = |node: crate::kit::conformance::document::Node| {
        let name = node.path.rsplit('/').next().unwrap_or_default();
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let is_name = name.ends_with("code") || matches!(name.as_str(), "id" | "type" | "reason" | "status");
        let is_word = |text: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
            (3..=64).contains(&text.len())
                && text.bytes().all(is_plain)
                && text.bytes().any(|b| b.is_ascii_alphabetic())
        };
        is_name.then_some(())?;
        Some((name, node.text.filter(is_word)?))
    };
    nodes.into_iter().filter_map(code).collect()
}

impl RecordedError {
    /// Whether it means the same to an account with these secrets.
    pub(in crate::kit::conformance) fn is_for(&self, secrets: &[String]) -> bool {
        self.secrets == secrets.iter().cloned().collect()
    }

    /// The error in every way in which it is played. `throttles` says whether the driver takes any 503 with Retry-After for
    /// throttling: then it does so with the provider's own words, too.
    pub(in crate::kit::conformance) fn faults(&self, throttles: bool) -> Vec<Fault> {
        let own = self.class;
        let plain = |own: Class, or: &'static [Class]| Told { own, or, wait: None };
        let waiting = |own: Class, or: &'static [Class]| Told { own, or, wait: Some(Duration::from_secs(WAIT)) };
        // With a success, and with a status that any error may have, the document is all there is.
        // Unless it is the status of an outage that says what it is.
        let is_outage = own == Class::Unavailable && self.answered.status.is_server_error();
        let by_document = if self.is_coded && !is_outage { plain(own, &[]) } else { plain(own, &[Class::Unexpected]) };
        let is_503 = self.answered.status == StatusCode::SERVICE_UNAVAILABLE;
        let unavailable = match own {
            Class::Unavailable if throttles && is_503 => waiting(Class::Throttled, &[]),
            Class::Throttled if throttles || self.is_coded => waiting(own, &[]),
            _ => waiting(own, &[Class::Throttled, Class::Unavailable]),
        };
        let mut played = vec![
            (self.answered.status, None, plain(own, &[])),
            (StatusCode::OK, None, by_document),
            (StatusCode::BAD_REQUEST, None, plain(own, &[Class::Unexpected])),
            (StatusCode::SERVICE_UNAVAILABLE, Some(WAIT), unavailable),
            (StatusCode::TOO_MANY_REQUESTS, Some(WAIT), waiting(own, &[Class::Throttled])),
        ];
        // One says wrong credentials with 403, another a missing right with 401 or too many requests with 403.
        let swapped = match own {
            Class::Unauthorized | Class::Throttled => Some(StatusCode::FORBIDDEN),
            Class::Forbidden => Some(StatusCode::UNAUTHORIZED),
            _ => None,
        };
        let is_swapped = self.is_coded && self.is_of_any_status;
        played.extend(swapped.filter(|_| is_swapped).map(|status| (status, None, plain(own, &[]))));
        if self.answered.status == StatusCode::OK {
            played.remove(0);
        }
        let mut faults: Vec<Fault> = played
            .into_iter()
            .map(|(status, wait, told)| {
                let mut answered = Answered { status, ..self.answered.clone() };
                if let Some(wait) = wait {
                    answered.headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
                }
                let with = wait.map_or(String::new(), |wait| format!(" and Retry-After: {wait}"));
                let what = format!("the recorded error {} with status {}{with}", self.name(), status.as_u16());
                Fault { what, outcome: Ok(answered), owed: Owed::Told(told), kind: FaultKind::Status }
            })
            .collect();
        let success = Answered { status: StatusCode::OK, ..self.answered.clone() };
        faults.extend(other_shapes(&self.answered.body).into_iter().map(|(what, body)| Fault {
            what: format!("the recorded error {} with status 200, {what}", self.name()),
            outcome: Ok(with_body(&success, body)),
            owed: Owed::Told(plain(own, &[Class::Unexpected])),
            kind: FaultKind::Broken,
        }));
        faults.extend(self.in_unknown_words());
        faults
    }

    /// The document with words in it that nobody knows, with statuses that say as little, and with those that say what is wrong
    /// by themselves. What a document is made of may mean something by itself, and is left as it is: one that is about
    /// credentials is no example of another one.
    fn in_unknown_words(&self) -> Vec<Fault> {
        if self.class == Class::Unauthorized {
            return Vec::new();
        }
        let is_word =
            |text: &str| text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !matches!(text, "true" | "false");
        let unknown = |text: &str| is_word(text).then(|| UNKNOWN_WORD.to_owned());
        let document = Document::read(&self.answered.body);
        let Some(body) = document.and_then(|document| document.with_values(&mut |text| unknown(text))) else {
            return Vec::new();
        };
        let own = Told { own: self.class, or: &[Class::Unexpected, Class::InvalidAccount], wait: None };
        let by_status = |class: Class| Told { own: class, or: self.class.alone(), wait: None };
        let statuses = [
            (StatusCode::BAD_REQUEST, own),
            (StatusCode::NOT_FOUND, own),
            (StatusCode::CONFLICT, own),
            (StatusCode::UNPROCESSABLE_ENTITY, own),
            (StatusCode::UNAUTHORIZED, by_status(Class::Unauthorized)),
            (StatusCode::FORBIDDEN, by_status(Class::Forbidden)),
            (StatusCode::TOO_MANY_REQUESTS, by_status(Class::Throttled)),
            (StatusCode::INTERNAL_SERVER_ERROR, by_status(Class::Unavailable)),
            (StatusCode::SERVICE_UNAVAILABLE, by_status(Class::Unavailable)),
        ];
        let fault = |(status, told): (StatusCode, Told)| Fault {
            what: format!(
                "the recorded error {} with status {} and {UNKNOWN_WORD} for every word in it",
                self.name(),
                status.as_u16()
            ),
            outcome: Ok(Answered { status, ..with_body(&self.answered, body.clone()) }),
            owed: Owed::Told(told),
            kind: FaultKind::Status,
        };
        statuses.into_iter().map(fault).collect()
    }

    fn name(&self) -> String {
        let words: Vec<String> = codes(&self.answered.body).into_iter().map(|(_, word)| word).collect();
        match words.is_empty() {
            true => self.class.word().to_owned(),
            false => words.join(" "),
        }
    }
}

/// Errors by which a provider says that it no longer knows the place in a list: its own error document, with codes for that.
/// They do not end a list.
pub(in crate::kit::conformance) fn lost_places(errors: &[RecordedError]) -> Vec<Fault> {
    const WORDS: [&str; 8] = [
        "InvalidNextToken",
        "InvalidPaginationToken",
        "ExpiredNextToken",
        "invalid_cursor",
        "InvalidMarker",
        "InvalidPageToken",
        "ResourceNotFound",
        "not_found",
    ];
    let mut documents = errors.iter().map(|error| &error.answered).filter(|answered| answered.status.is_client_error());
    let found = documents.find_map(|answered| {
        let own: BTreeSet<String> = codes(&answered.body).into_iter().map(|(_, word)| word).collect();
        (!own.is_empty()).then_some((answered, Document::read(&answered.body)?, own))
    });
    let Some((answered, document, own)) = found else { return Vec::new() };
    let fault = |(status, word): (StatusCode, &str)| {
        let body = document.with_values(&mut |text| own.contains(text).then(|| word.to_owned()))?;
        Some(Fault {
            what: format!("the error {word} with status {}", status.as_u16()),
            outcome: Ok(Answered { status, ..with_body(answered, body) }),
            owed: Owed::AnyError,
            kind: FaultKind::Status,
        })
    };
    let statuses = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::GONE];
    statuses.into_iter().flat_map(|status| WORDS.map(|word| (status, word))).filter_map(fault).collect()
}

/// A document in other roots, as proxies and compatible clouds send it.
fn other_shapes(body: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    let text = text.trim();
    match Document::read(body) {
        Some(Document::Json(_)) => {
            let mut shapes = vec![
                ("in an array", format!("[{text}]")),
                ("in an object", format!("{{\"response\": {text}}}")),
                ("in the data of an object", format!("{{\"success\": false, \"data\": {text}}}")),
            ];
            if let Some(members) = text.strip_prefix('{').filter(|members| !members.trim_start().starts_with('}')) {
                let more = "\"timestamp\": \"2026-01-02T03:04:05Z\", \"trace\": [\"1\"], \"retryable\": null";
                shapes.push(("with more members", format!("{{{more}, {members}")));
            }
            shapes
        }
        Some(Document::Xml(_)) => xml_shapes(text),
        None => Vec::new(),
    }
}

fn xml_shapes(text: &str) -> Vec<(&'static str, String)> {
    let is_root = |at: &usize| text[*at..].starts_with(|c: char| c.is_alphabetic() || c == '_');
    let Some(start) = text.match_indices('<').map(|(at, _)| at + 1).find(is_root) else { return Vec::new() };
    let (prolog, root) = text.split_at(start - 1);
    let name: String = root[1..].chars().take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/')).collect();
    let Some(inside) = root[1 + name.len()..].strip_suffix(&format!("</{name}>")) else { return Vec::new() };
    let renamed = |new: &str, attributes: &str| format!("{prolog}<{new}{attributes}{inside}</{new}>");
    let mut shapes = vec![
        ("in another root", renamed("Fault", "")),
        ("in an envelope", format!("{prolog}<Envelope><Body>{root}</Body></Envelope>")),
    ];
    if !name.contains(':') {
        shapes.push(("in a namespace", renamed(&format!("suite:{name}"), " xmlns:suite=\"urn:suite\"")));
    }
    if !inside.split('>').next().is_some_and(|tag| tag.contains("xmlns=")) {
        shapes.push(("in another namespace", renamed(&name, " xmlns=\"urn:suite\"")));
    }
    if let Some((tag, content)) = inside.split_once('>') {
        shapes.push(("with more elements", format!("{prolog}<{name}{tag}><HostId>1</HostId>{content}</{name}>")));
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_other_roots() {
        let check = |body: &str, want: &[&str]| {
            let shapes = other_shapes(body.as_bytes());
            for (what, shape) in &shapes {
                assert!(Document::read(shape.as_bytes()).is_some(), "{what}: {shape}");
            }
            let shapes: Vec<&str> = shapes.iter().map(|(_, shape)| shape.as_str()).collect();
            assert_eq!(shapes.len(), want.len(), "{shapes:?}");
            for want in want {
                assert!(shapes.iter().any(|shape| shape.contains(want)), "{want} is not in {shapes:?}");
            }
        };
        check(r#"{"a": 1}"#, &["[{", r#"{"response": {"#, r#""data": {"#, r#"null, "a": 1}"#]);
        check("{}", &["[{}]", r#"{"response": {}}"#, r#""data": {}"#]);
        check(
            "<?xml version=\"1.0\"?>\n<E><Code>a</Code></E>\n",
            &[
                "?>\n<Fault><Code>a</Code></Fault>",
                "<Envelope><Body><E>",
                "<suite:E xmlns:suite=\"urn:suite\"><Code>a</Code></suite:E>",
                "<E xmlns=\"urn:suite\"><Code>",
                "<E><HostId>1</HostId><Code>",
            ],
        );
        check("<E xmlns=\"a\"><b/></E>", &["<Fault xmlns", "<Body><E xmlns", "<suite:E", "<E xmlns=\"a\"><HostId>"]);
        check("no", &[]);
    }

    #[test]
    fn a_code_is_a_word_for_programs() {
        let check = |body: &str, want: &[&str]| {
            let words: Vec<String> = codes(body.as_bytes()).into_iter().map(|(_, word)| word).collect();
            assert_eq!(words, want, "{body}");
        };
        check(r#"{"error": {"code": "rate_limit", "message": "slow"}}"#, &["rate_limit"]);
        check(r#"{"id": "forbidden", "message": "no"}"#, &["forbidden"]);
        check("<R><Errors><Error><Code>AuthFailure</Code></Error></Errors></R>", &["AuthFailure"]);
        check(r#"{"error": "unauthorized", "code": 401}"#, &[]);
        check(r#"{"code": "two words"}"#, &[]);
    }
}
