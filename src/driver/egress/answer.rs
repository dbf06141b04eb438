//! An answer of the provider's on its way into a sandbox: bounded in bytes and time, and masked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;

use super::super::memory::Held;
use super::Egress;
use crate::mask::{Mask, Masker};

/// The body of an answer on its way into the sandbox.
pub(super) struct Answer {
    pub(super) body: reqwest::Body,
    pub(super) egress: Arc<Egress>,
    pub(super) mask: Arc<Mask>,
    pub(super) masker: Masker,
    /// Read so far, decompressed.
    pub(super) bytes: u64,
    pub(super) deadline: Pin<Box<tokio::time::Sleep>>,
    pub(super) ended: bool,
    pub(super) _room: Held,
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
                this.egress.pass_request_timeout();
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    // Trailers are not passed on: no API needs them, and they would have to be masked.
                    let Ok(data) = frame.into_data() else { continue };
                    this.bytes = this.bytes.saturating_add(data.len() as u64);
                    let limit = this.egress.limits.answer_bytes;
                    if this.bytes > limit {
                        this.ended = true;
                        this.egress.pass("bytes of an answer", "answer_bytes", limit.to_string());
                        return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(limit)))));
                    }
                    let settled = this.masker.push(mask, data);
                    if !settled.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(settled))));
                    }
                }
                Some(Err(error)) => {
                    this.ended = true;
                    let error = this.egress.masked(error.to_string());
                    tracing::debug!(driver = this.egress.driver, error, "the provider's answer broke off");
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
