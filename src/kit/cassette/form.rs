//! The members of a cassette's file. Unknown members are refused, with their line: a misspelt one would silently change
//! the test.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::{Answer, Body, Expect, Outcome, Recorded, Request};
use crate::driver::SecretKind;
use crate::driver::wire::Unanswered;
use crate::model::Timestamp;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) cassette: u32,
    pub(super) about: String,
    pub(super) source: String,
    pub(super) account: AccountForm,
    pub(super) at: Timestamp,
    pub(super) list: ListForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) ids: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) expect: Expect,
    pub(super) exchanges: Vec<ExchangeForm>,
}

/// Just enough to tell a later form, whatever else is in it.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) cassette: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountForm {
    pub(super) provider: String,
    pub(super) endpoint: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) endpoints: BTreeMap<String, String>,
    pub(super) user: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) secret: SecretKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret_expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) fakes: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListForm {
    Instances,
    Realms,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeForm {
    pub(super) request: RequestForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<AnswerForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unanswered: Option<UnansweredForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestForm {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) headers: BTreeMap<String, Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_json")]
    pub(super) body_json: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body_file: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerForm {
    pub(super) status: u16,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) headers: BTreeMap<String, Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_json")]
    pub(super) body_json: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body_file: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) broken: bool,
}

/// A header's value, or its values where it stands several times.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UnansweredForm {
    Unresolved,
    NoConnection,
    Broken,
    Timeout,
}

/// The four members that a body may be in.
pub(super) struct BodyForm {
    pub(super) text: Option<String>,
    pub(super) json: Option<serde_json::Value>,
    pub(super) base64: Option<String>,
    pub(super) file: Option<String>,
}

/// `null` is a body as good as any other.
fn some_json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn exchange_form(recorded: &Recorded) -> ExchangeForm {
    let Request { method, url, headers, body } = &recorded.request;
    let BodyForm { text, json, base64, file } = body_form(body.as_ref());
    let request = RequestForm {
        method: method.to_string(),
        url: url.to_string(),
        headers: headers_form(headers),
        body: text,
        body_json: json,
        body_base64: base64,
        body_file: file,
    };
    let (answer, unanswered) = match &recorded.outcome {
        Outcome::Answer(Answer { status, headers, body, broken }) => {
            let BodyForm { text, json, base64, file } = body_form(Some(body));
            let answer = AnswerForm {
                status: status.as_u16(),
                headers: headers_form(headers),
                body: text,
                body_json: json,
                body_base64: base64,
                body_file: file,
                broken: *broken,
            };
            (Some(answer), None)
        }
        Outcome::Unanswered(why) => (None, Some(UnansweredForm::from(why))),
    };
    ExchangeForm { request, answer, unanswered }
}

fn headers_form(headers: &HeaderMap) -> BTreeMap<String, Values> {
    let values = |name: &HeaderName| -> Values {
        let mut values: Vec<String> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        match values.len() {
            1 => Values::One(values.remove(0)),
            _ => Values::Several(values),
        }
    };
    headers.keys().map(|name| (name.to_string(), values(name))).collect()
}

fn body_form(body: Option<&Body>) -> BodyForm {
    let mut form = BodyForm { text: None, json: None, base64: None, file: None };
    match body {
        None => {}
        Some(Body::Text(text)) if text.is_empty() => {}
        Some(Body::Text(text)) => form.text = Some(text.clone()),
        Some(Body::Json(value)) => form.json = Some(value.clone()),
        Some(Body::Bytes(bytes)) => form.base64 = Some(BASE64.encode(bytes)),
        Some(Body::File { name, .. }) => form.file = Some(name.clone()),
    }
    form
}

impl From<UnansweredForm> for Unanswered {
    fn from(form: UnansweredForm) -> Unanswered {
        match form {
            UnansweredForm::Unresolved => Unanswered::Unresolved,
            UnansweredForm::NoConnection => Unanswered::NoConnection,
            UnansweredForm::Broken => Unanswered::Broken,
            UnansweredForm::Timeout => Unanswered::Timeout,
        }
    }
}

impl From<&Unanswered> for UnansweredForm {
    /// What was not let out is for a driver as if there were no one to connect to.
    fn from(why: &Unanswered) -> UnansweredForm {
        match why {
            Unanswered::Unresolved => UnansweredForm::Unresolved,
            Unanswered::Refused(_) | Unanswered::NoConnection => UnansweredForm::NoConnection,
            Unanswered::Broken => UnansweredForm::Broken,
            Unanswered::Timeout => UnansweredForm::Timeout,
        }
    }
}
