//! How Azure says that it refuses: `{"error": {"code": .., "message": ..}}` of Resource Manager, `{"error": "..",
//! "error_description": "AADSTS.."}` of the sign-in. Its word counts before the status.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// An error, with what a list may make of it.
#[derive(Debug)]
pub struct Failure {
    pub status: u16,
    /// Whether it is said in the way of Azure: a proxy says 403 and 404 of much.
    pub is_told: bool,
    /// Azure's own word, if it gave one.
    pub code: Option<String>,
    pub error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { status: 0, is_told: false, code: None, error }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Failure {
    /// Whether a list is not there or not allowed, and will not be by asking again: others can go on without it.
    pub(crate) fn is_lasting(&self) -> bool {
        let is_refused = matches!(self.error, Error::Forbidden(_) | Error::UnexpectedAnswer(_));
        is_refused && self.is_told && matches!(self.status, 403 | 404)
    }

    /// Whether Azure itself says that a resource does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        const WORDS: [&str; 4] = ["ResourceNotFound", "NotFound", "ParentResourceNotFound", "ResourceGroupNotFound"];
        let word = self.code.as_deref().unwrap_or_default();
        self.status == 404 && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
    }
}

/// Of Resource Manager and Resource Graph; some of their parts leave out what is around it.
#[derive(Deserialize)]
struct Document {
    error: Option<Fault>,
    code: Option<String>,
    message: Option<String>,
}

/// Of the sign-in.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
}

#[derive(Deserialize)]
struct Detail {
    code: Option<String>,
}

/// What an error document says.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// The words for programs, the outermost first.
    pub codes: Vec<String>,
    /// What to quote.
    pub text: String,
}

/// Reads an answer, or says what is wrong with it. `is_odd` looks for what makes it none of those that were asked for,
/// such as an error in it.
pub(crate) fn read<T: DeserializeOwned>(mut response: Response, is_odd: impl Fn(&T) -> bool) -> Result<T, Failure> {
    let (status, wait) = (response.status, wait(&response.headers));
    if !(200..300).contains(&status) {
        let start = response.start_of_body();
        let told = told(&start);
        let error = match &told {
            Some(told) => meaning(told, response.asked(), status, wait)
                .unwrap_or_else(|| response.error_quoting(told.text.as_bytes())),
            None => response.error_quoting(&start),
        };
        let error = match error {
            Error::Throttled(throttle) => Error::throttled(wait, throttle.message),
            other => other,
        };
        let is_told = told.is_some();
        return Err(Failure { status, is_told, code: told.and_then(|told| told.codes.into_iter().next()), error });
    }
    let asked = response.asked().to_owned();
    let body = response.bytes()?;
    let read: Result<T, Error> = json::parse(&body);
    match read {
        Ok(value) if !is_odd(&value) => Ok(value),
        other => {
            let unread = other
                .err()
                .unwrap_or_else(|| Error::UnexpectedAnswer("the answer is another one than was asked for".to_owned()));
            let told = told(&body);
            let error = told.as_ref().map(|told| {
                let unknown = || Error::UnexpectedAnswer(format!("{asked} answered {status}: {}", told.text));
                meaning(told, &asked, status, wait).unwrap_or_else(unknown)
            });
            let is_told = told.is_some();
            let code = told.and_then(|told| told.codes.into_iter().next());
            Err(Failure { status, is_told, code, error: error.unwrap_or_else(|| unread.during(&asked)) })
        }
    }
}

/// What a body says, if it is an error document.
pub fn told(body: &[u8]) -> Option<Told> {
    let (mut codes, message) = match json::parse(body) {
        Ok(Refusal { error, error_description }) => (vec![error], error_description),
        Err(_) => match json::parse(body).ok()? {
            Document { error: Some(fault), .. } => {
                let details = fault.details.into_iter().flatten().filter_map(|detail| detail.code);
                (fault.code.into_iter().chain(details).collect(), fault.message)
            }
            Document { error: None, code, message } => (code.into_iter().collect(), message),
        },
    };
    codes.retain(|code| !code.is_empty());
    let words = codes.first().map(String::as_str).into_iter().chain(message.as_deref());
    let text = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ");
    // The sign-in has a number for what its words leave open.
    codes.extend(message.as_deref().and_then(aadsts));
    (!text.is_empty()).then_some(Told { codes, text })
}

/// `AADSTS7000215` of a message that begins so.
fn aadsts(message: &str) -> Option<String> {
    let digits: String = message.strip_prefix("AADSTS")?.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("AADSTS{digits}"))
}

/// The error that Azure's words mean; none where they are no known ones.
pub fn meaning(told: &Told, asked: &str, status: u16, wait: Option<u32>) -> Option<Error> {
    let text = format!("{asked} answered {status}: {}", quote(told.text.as_bytes()));
    // A number is more exact than a word, and what is within more than what is around it.
    told.codes.iter().rev().find_map(|code| {
        Some(match code.to_ascii_lowercase().as_str() {
            // The key is good: only the times in the assertion are not.
            "aadsts700024" => Error::UnexpectedAnswer(format!("{text} (see whether the clock of this host is right)")),
            "authenticationfailed"
            | "authenticationfailedinvalidheader"
            | "authenticationfailedmissingtoken"
            | "expiredauthenticationtoken"
            | "invalidauthenticationinfo"
            | "invalidauthenticationtoken"
            | "invalidauthenticationtokenaudience"
            | "invalidauthenticationtokentenant"
            | "invalid_client"
            | "invalid_grant"
            | "unauthorized_client" => Error::Unauthorized(text.clone()),
            "authorizationfailed"
            | "forbidden"
            | "linkedauthorizationfailed"
            | "novalidsubscriptionsinqueryrequest"
            | "requestdisallowedbypolicy"
            | "access_denied"
            | "interaction_required"
            | "consent_required" => Error::Forbidden(text.clone()),
            "toomanyrequests"
            | "ratelimiting"
            | "resourcerequeststhrottled"
            | "subscriptionrequeststhrottled"
            | "tenantrequeststhrottled" => Error::throttled(wait, text.clone()),
            "gatewaytimeout"
            | "internalexecutionerror"
            | "internalservererror"
            | "retryableerror"
            | "serverbusy"
            | "servererror"
            | "servertimeout"
            | "serviceunavailable"
            | "server_error"
            | "temporarily_unavailable" => {
                // With such a status, the status says so too, and may say for how long.
                return (!(500..600).contains(&status)).then(|| Error::Unavailable(text.clone()));
            }
            // A subscription, a tenant or an endpoint that is configured and is not there.
            "subscriptionnotfound"
            | "invalidsubscriptionid"
            | "invalid_resource"
            | "invalid_scope"
            | "aadsts90002"
            | "aadsts900023" => Error::InvalidAccount(text.clone()),
            _ => return None,
        })
    })
}

/// How long to wait, in seconds: Retry-After, or until the quota of Resource Graph is whole again (`hh:mm:ss`).
pub fn wait(headers: &Headers) -> Option<u32> {
    retry_after(headers).or_else(|| {
        let parts: Vec<u32> = headers
            .get("x-ms-user-quota-resets-after")?
            .trim()
            .split(':')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        match parts[..] {
            [hours, minutes, seconds] if hours < 24 && minutes < 60 && seconds < 60 => {
                Some(hours * 3600 + minutes * 60 + seconds)
            }
            _ => None,
        }
    })
}
