//! One attempt of one callback: unsealed, formatted, signed, sent, and judged by the response.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::context::Context;
use super::retry::{Failure, Pace, parse_retry_after};
use super::{format, sign};
use crate::clock::Stopwatch;
use crate::mask::{self, Mask};
use crate::model::breaker::Failing;
use crate::model::{DisableReason, Sealed, SigningKey, Timestamp};
use crate::net::SendError;
use crate::store::{Attempt, DueDelivery, Outcome, SealedColumn, Unopened};
use crate::vault::Purpose;

const AGENT: &str = concat!("tracker/", env!("CARGO_PKG_VERSION"));

/// How much of an answer is read, and for how long. A connection whose answer is read to its end can be reused. For a
/// slow answer, closing the connection costs less than waiting.
const ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// How many bytes of an answer one byte of a secret may take: escapes of escapes.
const MASKED_PER_BYTE: usize = 16;

/// If connecting fails this fast, it is retried once at once: an idle connection was closed, or the receiver is
/// restarting.
const CONNECT_AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// The header with which a receiver may request more than its status says:
/// <https://github.com/standard-webhooks/standard-webhooks/pull/291>.
const DELIVERY_HEADER: &str = "webhook-delivery";

/// How an attempt ended, including an immediate second one.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) attempts: Vec<Attempt>,
    /// The duration of the longest attempt.
    pub(super) took: Duration,
    pub(super) sign: Sign,
    /// The clock of its times, see `Clock::followed`.
    pub(super) followed: i64,
}

/// What an attempt says about its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Alive,
    Failing(Failing),
    /// Nothing: it never reached the destination.
    None,
}

/// The answer of a receiver.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    wish: Option<Wish>,
    /// The beginning of its body.
    text: Option<String>,
}

/// A request of a receiver in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// No more callbacks for this hook.
    Disable,
    /// Do not retry this one.
    AbortMessage,
}

/// Why there was no answer. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("its token or secret does not open")]
    Unopened(Unopened),
}

/// Sends a delivery and returns the outcome. Never fails: a failure is an outcome.
pub(super) async fn attempt(context: &Context, delivery: &DueDelivery) -> Ended {
    let mut attempts = Vec::with_capacity(1);
    let (mut tried, mut took) = once(context, delivery, &mut attempts).await;
    let mut took_in_all = took;
    if let Err(Failed::Unopened(unopened)) = tried {
        // Nothing was sent. The store sets the hook aside, and logs it once.
        let followed = context.clock.followed();
        return Ended { outcome: Outcome::Unopened(unopened), attempts: Vec::new(), took, sign: Sign::None, followed };
    }
    if let Err(Failed::Send(SendError::Connect(_) | SendError::Proxy { .. })) = &tried
        && took < CONNECT_AGAIN_WITHIN
    {
        let (again, took_again) = once(context, delivery, &mut attempts).await;
        tried = again;
        took = took.max(took_again);
        took_in_all = took_in_all.saturating_add(took_again);
    }
    let sign = sign_of(&tried);
    let (now, followed) = context.clock.dated();
    let outcome = match &tried {
        Ok(Answer { status: StatusCode::GONE, .. }) => Outcome::Disable(DisableReason::Gone),
        Ok(Answer { wish: Some(Wish::Disable), .. }) => Outcome::Disable(DisableReason::Asked),
        Ok(answer) if answer.status.is_success() => Outcome::Delivered,
        Ok(Answer { wish: Some(Wish::AbortMessage), .. }) => Outcome::Dead,
        _ => again(context, delivery, &tried, now),
    };
    let word = match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Retry { .. } => "retried",
        Outcome::Dead => "dead",
        Outcome::Disable(_) => "disabled",
        Outcome::Returned | Outcome::Unopened(_) => "returned",
    };
    context.metrics.callbacks.sent(word, took_in_all);
    if outcome == Outcome::Delivered {
        context.metrics.callbacks.delivered(now.since(delivery.change.timestamp));
    }
    tell(delivery, &tried, &outcome);
    Ended { outcome, attempts, took, sign, followed }
}

/// One attempt, recorded with its duration.
async fn once(
    context: &Context,
    delivery: &DueDelivery,
    attempts: &mut Vec<Attempt>,
) -> (Result<Answer, Failed>, Duration) {
    let at = context.clock.now();
    let stopwatch = Stopwatch::start();
    let tried = send(context, delivery).await;
    let took = stopwatch.elapsed();
    let has_connected = match &tried {
        Ok(_) => true,
        Err(Failed::Send(error)) => error.has_connected(),
        Err(Failed::Unopened(_)) => false,
    };
    attempts.push(Attempt {
        at,
        duration: has_connected.then_some(took),
        status: tried.as_ref().ok().map(|answer| answer.status.as_u16()),
        error: public_error(&tried),
        answer: tried.as_ref().ok().and_then(|answer| answer.text.clone()),
    });
    (tried, took)
}

async fn send(context: &Context, delivery: &DueDelivery) -> Result<Answer, Failed> {
    let Prepared { request, secrets } = prepare(context, delivery)?;
    let mut response = context.client.send(request).await?;
    let header = |name: &HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(&RETRY_AFTER).and_then(|value| parse_retry_after(value, context.clock.now()));
    let wish = header(&HeaderName::from_static(DELIVERY_HEADER)).and_then(Wish::parse);
    let text = read(&mut response, context.settings.answer_bytes, &secrets).await;
    Ok(Answer { status: response.status(), retry_after, wish, text })
}

/// A request, and the secrets that a receiver may return.
struct Prepared {
    request: Request,
    secrets: Vec<SecretString>,
}

fn prepare(context: &Context, delivery: &DueDelivery) -> Result<Prepared, Failed> {
    let change = &delivery.change;
    let recipient = &delivery.recipient;
    let token = match &recipient.token {
        Some(token) => {
            let opened = context.vault.open(Purpose::HookToken(&change.account), token);
            Some(opened.map_err(|_| unopened(SealedColumn::HookToken(recipient.hook), token))?)
        }
        None => None,
    };
    let exposed = token.as_ref().map(SecretString::expose_secret);
    let message = format::write(change, recipient.format, &context.public_url, exposed);
    let mut secrets: Vec<SecretString> = token.into_iter().collect();

    let id = change.id.to_string();
    let now = context.clock.now();
    let timestamp = now.as_seconds();
    let mut key = |column, sealed: &Sealed| -> Result<SigningKey, Failed> {
        let secret = context.vault.open(Purpose::HookSecret(&change.account), sealed).ok();
        let opened = secret.and_then(|secret| Some((SigningKey::parse(secret.expose_secret()).ok()?, secret)));
        let (key, secret) = opened.ok_or_else(|| unopened(column, sealed))?;
        secrets.push(secret);
        Ok(key)
    };
    let mut keys = vec![key(SealedColumn::HookSecret(recipient.hook), &recipient.secrets.current)?];
    if let Some((previous, until)) = &recipient.secrets.previous
        && now < *until
    {
        keys.push(key(SealedColumn::HookOldSecret(recipient.hook), previous)?);
    }
    let signatures = sign::signatures(&keys, &id, timestamp, &message.body);

    let mut request = Request::new(Method::POST, recipient.url.as_url().clone());
    let ascii = |text: &str| HeaderValue::from_str(text).expect("invariant: an id, a number or base64");
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, message.content_type);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(HeaderName::from_static(sign::ID_HEADER), ascii(&id));
    headers.insert(HeaderName::from_static(sign::TIMESTAMP_HEADER), timestamp.into());
    headers.insert(HeaderName::from_static(sign::SIGNATURE_HEADER), ascii(&signatures));
    headers.extend(message.headers);
    *request.timeout_mut() = Some(context.settings.timeout);
    *request.body_mut() = Some(message.body.into());
    secrets.extend_from_slice(context.client.secrets());
    Ok(Prepared { request, secrets })
}

fn unopened(column: SealedColumn, sealed: &Sealed) -> Failed {
    Failed::Unopened(Unopened { column, sealed: sealed.clone() })
}

/// Reads the answer to its end if that is near, and returns its beginning, if any, without the secrets that it repeats.
/// The outcome does not depend on it.
async fn read(response: &mut Response, keep: usize, secrets: &[SecretString]) -> Option<String> {
    let mut kept = Vec::new();
    // A secret that begins before the end is read completely.
    let longest = secrets.iter().map(|secret| secret.expose_secret().len()).max().unwrap_or_default();
    let read_on = keep.saturating_add(MASKED_PER_BYTE.saturating_mul(longest)).min(ANSWER_BYTES);
    let mut left = ANSWER_BYTES;
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await {
            let room = read_on.saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // A longer answer is cut off.
    let _ = tokio::time::timeout(ANSWER_TIME, read).await;
    let mut kept = masked(kept, secrets);
    kept.truncate(keep);
    let text = String::from_utf8_lossy(&kept);
    (!text.is_empty()).then(|| text.into_owned())
}

fn masked(text: Vec<u8>, secrets: &[SecretString]) -> Vec<u8> {
    // An answer of a few bytes cannot contain half of a secret.
    if text.len() < mask::SHORTEST {
        return text;
    }
    // A receiver knows the text of a key and its bytes, and may write either in any encoding.
    let mut mask = Mask::of(secrets.iter().map(|secret| SigningKey::bare(secret.expose_secret()).as_bytes()));
    for key in secrets.iter().filter_map(|secret| SigningKey::parse(secret.expose_secret()).ok()) {
        mask.add(&key.secret_bytes(), mask::SECRET);
    }
    mask.apply(&text).unwrap_or(text)
}

impl Wish {
    fn parse(text: &str) -> Option<Wish> {
        match text.trim() {
            "disable" => Some(Wish::Disable),
            "abort-message" => Some(Wish::AbortMessage),
            _ => None,
        }
    }
}

/// The outcome of a failure by the retry schedule.
fn again(context: &Context, delivery: &DueDelivery, tried: &Result<Answer, Failed>, now: Timestamp) -> Outcome {
    let failure = match tried {
        Ok(answer) => {
            let slowed = answer.status == StatusCode::TOO_MANY_REQUESTS;
            let pace = if slowed { Pace::Slowed } else { Pace::Scheduled };
            Failure { pace, retry_after: answer.retry_after }
        }
        Err(Failed::Send(SendError::Timeout)) => Failure { pace: Pace::Slowed, retry_after: None },
        Err(_) => Failure { pace: Pace::Scheduled, retry_after: None },
    };
    let retries = &context.settings.retries;
    let waits = delivery.recipient.retries.as_deref().unwrap_or(&retries.waits);
    let random = getrandom::u64().map_or(0.5, |random| random as f64 / u64::MAX as f64);
    retries.after(failure, delivery.attempts, waits, now, random)
}

/// An answer that blames the request shows that its sender works; an answer from an overloaded or broken receiver does
/// not.
fn sign_of(tried: &Result<Answer, Failed>) -> Sign {
    match tried {
        Ok(answer) => match answer.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Sign::Failing(Failing::Strained),
            status if status.is_server_error() => Sign::Failing(Failing::Refusing),
            _ => Sign::Alive,
        },
        Err(Failed::Send(error)) => match error {
            // A name that resolves to an internal address is treated like one that does not exist. Otherwise its owner
            // could distinguish the two.
            SendError::Refused(_) | SendError::Unresolved | SendError::Connect(_) | SendError::Tls(_) => {
                Sign::Failing(Failing::Strained)
            }
            SendError::Timeout => Sign::Failing(Failing::TimedOut),
            // A proxy that does not connect does not say why: the receiver's host may be down.
            SendError::Proxy { .. } | SendError::ProxyRefused { .. } => Sign::Failing(Failing::Strained),
            SendError::Broken(_) | SendError::HeadTooLarge => Sign::Failing(Failing::Refusing),
            SendError::Exhausted(_)
            | SendError::NoRoots
            | SendError::ProxyCredentials { .. }
            | SendError::Socket { .. }
            | SendError::Unsendable(_) => Sign::None,
        },
        Err(Failed::Unopened(_)) => Sign::None,
    }
}

/// The error, in words for the hook's owner; none after a success.
fn public_error(tried: &Result<Answer, Failed>) -> Option<String> {
    match tried {
        Ok(answer) if answer.status.is_success() => None,
        Ok(answer) => {
            let status = answer.status.as_u16();
            // The 3xx statuses that name another location (RFC 9110, 15.4); 304, for example, does not.
            let redirect = match status {
                301 | 302 | 303 | 307 | 308 => ", a redirect, which is never followed",
                _ => "",
            };
            Some(format!("it answered {status}{redirect}"))
        }
        Err(Failed::Send(error)) => Some(error.public().to_owned()),
        Err(Failed::Unopened(_)) => Some("the host cannot sign for this hook: set the hook again".to_owned()),
    }
}

fn tell(delivery: &DueDelivery, tried: &Result<Answer, Failed>, outcome: &Outcome) {
    let hook = delivery.id.hook.0;
    let change = delivery.change.id;
    let attempt = delivery.attempts.saturating_add(1);
    // As a URL, so that the log marks a name with mixed scripts.
    let origin = delivery.recipient.url.as_url().origin().ascii_serialization();
    let error = match tried {
        Ok(answer) => format!("it answered {}", answer.status.as_u16()),
        Err(error) => error.to_string(),
    };
    match outcome {
        Outcome::Delivered => {}
        _ if matches!(
            tried,
            Err(Failed::Send(SendError::Exhausted(_) | SendError::NoRoots | SendError::ProxyCredentials { .. }))
        ) =>
        {
            // The fault is the host's, not the receiver's.
            tracing::error!(hook.id = hook, change.id = %change, attempt, error, "a callback cannot be built");
        }
        Outcome::Retry { due } => tracing::info!(
            hook.id = hook, hook.origin = origin, change.id = %change, attempt, error, retry.at = %due,
            "a callback failed",
        ),
        Outcome::Disable(reason) => tracing::info!(
            hook.id = hook, hook.origin = origin, change.id = %change, reason = reason.as_str(), error,
            "a receiver answered 410: its hook is disabled",
        ),
        Outcome::Dead | Outcome::Returned | Outcome::Unopened(_) => tracing::warn!(
            hook.id = hook, hook.origin = origin, change.id = %change, attempt, error,
            "the last retry of a delivery failed: it is a dead letter",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;

    use super::*;
    use crate::model::HookUrl;

    /// Hosts, paths and queries with all that a URL may have somewhere, and much that it may not.
    fn url() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            4 => "[a-z0-9._-]{1,12}(\\.[a-z0-9-]{1,5}){0,2}\\.?",
            4 => "[!-~\u{a1}-\u{24f}]{1,12}",
            1 => "[a-z]{60,70}(\\.[a-z]{1,63}){0,4}",
            1 => "\\[[0-9a-f:]{2,12}\\]",
            1 => any::<String>(),
        ];
        let port = prop_oneof![3 => Just(String::new()), 1 => ":[0-9]{1,6}"];
        (prop::sample::select(vec!["http", "https"]), host, port, "[ -~\u{a1}-\u{24f}]{0,20}")
            .prop_map(|(scheme, host, port, rest)| format!("{scheme}://{host}{port}/{rest}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn a_url_that_is_accepted_can_be_sent_to(text in url()) {
            if let Ok(url) = HookUrl::parse(&text) {
                let request = Request::new(Method::POST, url.as_url().clone());
                let request = http::Request::<reqwest::Body>::try_from(request).expect("a request");
                let host = request.uri().host().expect("a host").trim_start_matches('[').trim_end_matches(']');
                prop_assert!(ServerName::try_from(host.to_owned()).is_ok(), "{}", host);
            }
        }
    }
}
