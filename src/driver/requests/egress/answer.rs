//! An answer of a provider on its way into a sandbox: bounded in bytes and time, and masked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, WasiBody};

use super::outcome::Outcome;
use crate::driver::limits::memory::{Full, Held, PollMemory};
use crate::driver::requests::wire::{Answered, Unanswered};
use crate::mask::{Mask, Masker};

/// Makes the provider's answer fit for the driver.
pub(super) fn received(
    outcome: &Arc<Outcome>,
    answer: reqwest::Response,
    mask: Arc<Mask>,
    (deadline, room): (Pin<Box<tokio::time::Sleep>>, Held),
) -> Result<http::Response<WasiBody>, Error> {
    // A body that is still encoded can't be looked through for secrets.
    if let Some(coding) = answer.headers().get(CONTENT_ENCODING)
        && coding.as_bytes() != b"identity"
    {
        let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
        return Err(Error::HttpResponseContentCoding(Some(mask.text(coding))));
    }
    check_head(outcome, answer.headers())?;
    let (mut parts, body) = http::Response::from(answer).into_parts();
    mask_headers(&mask, &mut parts.headers)?;
    // The client holds the body to it. A driver that does so, too, would take an answer for cut off from which the mask
    // took a secret.
    parts.headers.remove(CONTENT_LENGTH);
    let (outcome, masker) = (Arc::clone(outcome), Masker::default());
    let body = Answer { body, deadline, outcome, mask, masker, bytes: 0, ended: false, _room: room };
    Ok(http::Response::from_parts(parts, body.boxed_unsync()))
}

/// A tape's answer, held to the limit that the network's are held to, and masked as they are.
pub(super) fn taped(outcome: &Outcome, mut answered: Answered, mask: &Mask) -> Result<Answered, Unanswered> {
    let limit = outcome.limits.answer_bytes;
    if answered.body.len() as u64 > limit {
        outcome.pass("bytes of an answer", "answer_bytes", limit.to_string());
        return Err(Unanswered::Refused(format!("an answer of more than {limit} bytes")));
    }
    check_head(outcome, &answered.headers)
        .map_err(|_| Unanswered::Refused("an answer with too many headers".into()))?;
    mask_headers(mask, &mut answered.headers).map_err(|_| Unanswered::Broken)?;
    if let Some(masked) = mask.apply(&answered.body) {
        answered.body = masked.into();
        answered.headers.remove(CONTENT_LENGTH);
    }
    Ok(answered)
}

/// Reads an answer to its end, or to where it breaks off.
pub(super) async fn gathered(
    answer: http::Response<WasiBody>,
    memory: &Arc<PollMemory>,
) -> Result<(Answered, Option<Held>), Full> {
    let (parts, mut body) = answer.into_parts();
    let mut held = memory.hold(0).await?;
    let mut whole = Vec::new();
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                held.grow(data.len()).await?;
                whole.extend_from_slice(data);
            }
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    let answered = Answered { status: parts.status, headers: parts.headers, body: whole.into(), broken };
    Ok((answered, Some(held)))
}

pub(super) fn head_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Holds an answer's headers to their limit: the driver would have to take them into its memory.
fn check_head(outcome: &Outcome, headers: &HeaderMap) -> Result<(), Error> {
    if head_bytes(headers) > outcome.limits.answer_header_bytes { Err(outcome.pass_head()) } else { Ok(()) }
}

fn mask_headers(mask: &Mask, headers: &mut HeaderMap) -> Result<(), Error> {
    // A name can't have a mask in it.
    let named: Vec<_> = headers.keys().filter(|name| mask.is_in(name.as_str().as_bytes())).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    for value in headers.values_mut() {
        if let Some(masked) = mask.apply(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&masked).map_err(|_| Error::HttpProtocolError)?;
        }
    }
    Ok(())
}

/// The body of an answer on its way into the sandbox.
struct Answer {
    body: reqwest::Body,
    outcome: Arc<Outcome>,
    mask: Arc<Mask>,
    masker: Masker,
    /// Read so far, decompressed.
    bytes: u64,
    deadline: Pin<Box<tokio::time::Sleep>>,
    ended: bool,
    _room: Held,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let mask = &this.mask;
        while !this.ended {
            if this.deadline.as_mut().poll(context).is_ready() {
                this.ended = true;
                this.outcome.pass_request_timeout();
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    // Trailers are not passed on: no API needs them, and they would have to be masked.
                    let Ok(data) = frame.into_data() else { continue };
                    this.bytes = this.bytes.saturating_add(data.len() as u64);
                    let limit = this.outcome.limits.answer_bytes;
                    if this.bytes > limit {
                        this.ended = true;
                        this.outcome.pass("bytes of an answer", "answer_bytes", limit.to_string());
                        return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(limit)))));
                    }
                    let settled = this.masker.push(mask, data);
                    if !settled.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(settled))));
                    }
                }
                Some(Err(error)) => {
                    this.ended = true;
                    let error = this.outcome.masked(error.to_string());
                    tracing::debug!(driver = this.outcome.driver, error, "the provider's answer broke off");
                    return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
                }
                None => {
                    this.ended = true;
                    let rest = this.masker.finish(mask);
                    if !rest.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(rest))));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}
