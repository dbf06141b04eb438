//! One try of one callback: opened, written, signed, sent, and judged by what comes back.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::Context;
use super::retry::{Failure, Pace, parse_retry_after};
use super::sign;
use crate::model::{InvalidSigningSecret, SigningSecret, Timestamp};
use crate::net::SendError;
use crate::store::{DueDelivery, Outcome};
use crate::vault::{Purpose, VaultError};

const AGENT: &str = concat!("tracker/", env!("CARGO_PKG_VERSION"));

/// How much of an answer is read, and for how long. What it says does not matter; read to its end, it leaves
/// a connection that can be used again. One that trickles costs less closed than waited for.
const ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// Why a try did not end in a delivery. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// 410: the receiver wants no more.
    #[error("it answered 410")]
    Gone,
    #[error("it answered {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("its secret or token can't be opened: {0}")]
    Vault(#[from] VaultError),
    #[error("its secret is none: {0}")]
    Secret(#[from] InvalidSigningSecret),
}

/// Sends it once and says what becomes of it. Never fails: a failure is an outcome.
pub(super) async fn attempt(context: &Context, delivery: &DueDelivery) -> Outcome {
    let failed = match send(context, delivery).await {
        Ok(()) => return Outcome::Delivered,
        Err(failed) => failed,
    };
    let hook = delivery.hook.0;
    let change = delivery.change.id;
    let attempt = delivery.attempts.saturating_add(1);
    let Some(failure) = failed.as_failure() else {
        tracing::info!(hook.id = hook, change.id = %change, "the receiver wants no more callbacks: its hook ends");
        return Outcome::HookGone;
    };
    let random = getrandom::u64().map_or(0.5, |random| random as f64 / u64::MAX as f64);
    let outcome = context.settings.retries.after(failure, delivery.attempts, context.clock.now(), random);
    let host = delivery.url.as_url().host_str().unwrap_or_default();
    match &outcome {
        _ if failed.is_ours() => {
            tracing::error!(hook.id = hook, change.id = %change, attempt, error = %failed, "a callback can't be made");
        }
        Outcome::Retry { due, .. } => tracing::info!(
            hook.id = hook, hook.host = host, change.id = %change, attempt, error = %failed, retry.at = %due,
            "a callback failed",
        ),
        _ => tracing::warn!(
            hook.id = hook, hook.host = host, change.id = %change, attempt, error = %failed,
            "a callback failed for the last time: it is a dead letter",
        ),
    }
    outcome
}

async fn send(context: &Context, delivery: &DueDelivery) -> Result<(), Failed> {
    let response = context.client.send(request(context, delivery)?).await?;
    let judged = judge(&response, context.clock.now());
    finish(response).await;
    judged
}

fn request(context: &Context, delivery: &DueDelivery) -> Result<Request, Failed> {
    let change = &delivery.change;
    let secret = context.vault.open(Purpose::HookSecret(&change.account), &delivery.secret)?;
    let secret = SigningSecret::parse(secret.expose_secret())?;
    let token = match &delivery.token {
        Some(token) => Some(context.vault.open(Purpose::HookToken(&change.account), token)?),
        None => None,
    };
    let document = change.document(&context.public_url, token.as_ref().map(SecretString::expose_secret));
    let body = serde_json::to_vec(&document).expect("invariant: a change is written without fail");

    let id = change.id.to_string();
    let timestamp = context.clock.now().as_seconds();
    let signature = sign::sign(&secret, &id, timestamp, &body);

    let mut request = Request::new(Method::POST, delivery.url.as_url().clone());
    let ascii = |text: &str| HeaderValue::from_str(text).expect("invariant: an id, a number or base64");
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(HeaderName::from_static(sign::ID_HEADER), ascii(&id));
    headers.insert(HeaderName::from_static(sign::TIMESTAMP_HEADER), timestamp.into());
    headers.insert(HeaderName::from_static(sign::SIGNATURE_HEADER), ascii(&signature));
    *request.timeout_mut() = Some(context.settings.timeout);
    *request.body_mut() = Some(body.into());
    Ok(request)
}

/// Only 2xx is success; a redirect is a failure like any other.
fn judge(response: &Response, now: Timestamp) -> Result<(), Failed> {
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Failed::Gone),
        status => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            Err(Failed::Status { status, retry_after: asked.and_then(|value| parse_retry_after(value, now)) })
        }
    }
}

/// Reads the answer to its end if that is near. The verdict does not hang on it.
async fn finish(mut response: Response) {
    let mut left = ANSWER_BYTES;
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // One that takes longer is cut off.
    let _ = tokio::time::timeout(ANSWER_TIME, read).await;
}

impl Failed {
    /// What the schedule needs to know, in words for the hook's owner; nothing where the hook ends.
    fn as_failure(&self) -> Option<Failure> {
        let (error, pace, retry_after) = match self {
            Failed::Gone => return None,
            Failed::Status { status, retry_after } => {
                let redirect = if status.is_redirection() { ", a redirect, which is never followed" } else { "" };
                let pace = if *status == StatusCode::TOO_MANY_REQUESTS { Pace::Slowed } else { Pace::Scheduled };
                (format!("it answered {}{redirect}", status.as_u16()), pace, *retry_after)
            }
            Failed::Send(error @ SendError::Timeout) => (error.public().to_owned(), Pace::Slowed, None),
            Failed::Send(error) => (error.public().to_owned(), Pace::Scheduled, None),
            Failed::Vault(_) | Failed::Secret(_) => {
                ("the tracker can't sign for this hook: set it again".to_owned(), Pace::Scheduled, None)
            }
        };
        Some(Failure { error, pace, retry_after })
    }

    /// Whether it is the host that is at fault, and not the receiver.
    fn is_ours(&self) -> bool {
        match self {
            Failed::Vault(_) | Failed::Secret(_) | Failed::Send(SendError::NoRoots) => true,
            Failed::Gone | Failed::Status { .. } | Failed::Send(_) => false,
        }
    }
}
