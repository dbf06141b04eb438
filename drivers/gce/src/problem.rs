//! How Google says that it refuses. The API: `{"error": {"code", "message", "status", "errors": [{"reason"}], "details":
//! [{"reason"} or {"retryDelay"}]}}`. The endpoint for tokens: `{"error": "invalid_grant", "error_description": ..}`.

use serde::Deserialize;
use serde_json::Value;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// What a word of Google's means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Unauthorized,
    Forbidden,
    Throttled,
    Unavailable,
    InvalidAccount,
    /// It refuses for a reason that is neither the account's nor its own.
    Other,
}

/// What an answer's head says, kept while its body is read.
#[derive(Debug)]
pub(crate) struct Head {
    asked: String,
    status: u16,
    wait: Option<u32>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        let wait = retry_after(&response.headers);
        Head { asked: response.asked().to_owned(), status: response.status, wait }
    }

    /// The same error, with what was asked.
    pub(crate) fn during(&self, error: Error) -> Error {
        error.during(&self.asked)
    }

    /// The error of an answer that is none of success: by its words, or else by its status.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Error {
        // These ask for a pause, whatever else is said.
        let is_pause = self.status == 429 || self.status == 503 && self.wait.is_some();
        let told = if is_pause { None } else { self.told_by(start) };
        told.unwrap_or_else(|| {
            let document = Document::read(start);
            let by_status = match &document {
                Some(document) => response.error_quoting(document.in_words().as_bytes()),
                None => response.error_quoting(start),
            };
            match by_status {
                Error::Throttled(throttle) => Error::throttled(self.wait(document.as_ref()), throttle.message),
                other => other,
            }
        })
    }

    /// The error that an answer is by its words, whatever its status.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let document = Document::read(body)?;
        let meaning = document.meaning()?;
        let hint = document.hint().map(|hint| format!("{hint}: ")).unwrap_or_default();
        let words = quote(document.in_words().as_bytes());
        let text = format!("{} answered {}: {hint}{words}", self.asked, self.status);
        Some(match meaning {
            Meaning::Unauthorized => Error::Unauthorized(text),
            Meaning::Forbidden => Error::Forbidden(text),
            Meaning::Throttled => Error::throttled(self.wait(Some(&document)), text),
            Meaning::Unavailable => Error::Unavailable(text),
            Meaning::InvalidAccount => Error::InvalidAccount(text),
            Meaning::Other => Error::UnexpectedAnswer(text),
        })
    }

    /// The API sends no Retry-After with its 403; newer parts of it may say how long to wait in the body.
    fn wait(&self, document: Option<&Document>) -> Option<u32> {
        self.wait.or_else(|| document?.retry_delay())
    }
}

/// An error document. What stands beside the error is passed over: it may be a list.
#[derive(Debug, Deserialize)]
pub struct Document {
    error: Value,
    #[serde(default)]
    error_description: Value,
}

impl Document {
    pub fn read(body: &[u8]) -> Option<Self> {
        let document: Document = json::parse(body).ok()?;
        (!document.in_words().is_empty()).then_some(document)
    }

    /// What to quote: `reason: message`.
    pub fn in_words(&self) -> String {
        let message = match &self.error {
            Value::String(_) => &self.error_description,
            error => &error["message"],
        };
        let parts = [self.words().next(), message.as_str().filter(|text| !text.is_empty())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }

    /// The words for what went wrong, those that say most first: a 403 has the status `PERMISSION_DENIED` where the reason is
    /// that requests come too fast.
    fn words(&self) -> impl Iterator<Item = &str> {
        let error = &self.error;
        let reasons = |list: &'static str| {
            error[list].as_array().into_iter().flatten().filter_map(|entry| entry["reason"].as_str())
        };
        let last = [&error["status"], error].into_iter().filter_map(Value::as_str);
        reasons("details").chain(reasons("errors")).chain(last).filter(|word| !word.is_empty())
    }

    fn meaning(&self) -> Option<Meaning> {
        if self.is_about_the_clock() { Some(Meaning::Other) } else { self.words().find_map(meaning) }
    }

    /// The endpoint for tokens says `invalid_grant` of a wrong key and of a wrong clock: the key is good then.
    fn is_about_the_clock(&self) -> bool {
        self.error_description.as_str().is_some_and(|text| text.contains("iat and exp"))
    }

    fn hint(&self) -> Option<&'static str> {
        if self.is_about_the_clock() {
            return Some("see whether the clock of this host is right");
        }
        self.words().find_map(|word| match word {
            "accessNotConfigured" | "SERVICE_DISABLED" => Some(
                "an API is not enabled in the project; for Compute Engine's run `gcloud services enable compute.googleapis.com`",
            ),
            "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => {
                Some("the access token has to be for the scope compute.readonly or cloud-platform")
            }
            "notFound" | "NOT_FOUND" => Some("see whether the option `project` is right"),
            _ => None,
        })
    }

    /// Google's `RetryInfo`, `12s` or `0.5s`, in whole seconds.
    pub fn retry_delay(&self) -> Option<u32> {
        let details = self.error["details"].as_array()?;
        let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
        let (whole, rest) = match delay.strip_suffix('s')?.split_once('.') {
            Some((whole, rest)) => (whole, rest),
            None => (delay.strip_suffix('s')?, "0"),
        };
        let seconds: u32 = whole.parse().ok()?;
        let has_more = rest.parse::<u64>().ok()? > 0;
        Some(seconds.saturating_add(u32::from(has_more)))
    }
}

fn meaning(word: &str) -> Option<Meaning> {
    Some(match word {
        "authError" | "ACCESS_TOKEN_EXPIRED" | "UNAUTHENTICATED" => Meaning::Unauthorized,
        // Of the endpoint for tokens.
        "invalid_grant" | "invalid_client" | "unauthorized_client" | "deleted_client" | "disabled_client" => {
            Meaning::Unauthorized
        }
        "accessNotConfigured"
        | "SERVICE_DISABLED"
        | "insufficientPermissions"
        | "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
        | "BILLING_DISABLED"
        | "CONSUMER_INVALID"
        | "IAM_PERMISSION_DENIED"
        | "accountDisabled"
        | "forbidden"
        | "PERMISSION_DENIED" => Meaning::Forbidden,
        "rateLimitExceeded"
        | "userRateLimitExceeded"
        | "quotaExceeded"
        | "dailyLimitExceeded"
        | "concurrentLimitExceeded"
        | "RATE_LIMIT_EXCEEDED"
        | "RESOURCE_EXHAUSTED" => Meaning::Throttled,
        "backendError" | "internalError" | "INTERNAL" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "internal_failure" => {
            Meaning::Unavailable
        }
        "notFound" | "NOT_FOUND" => Meaning::InvalidAccount,
        _ => return None,
    })
}
