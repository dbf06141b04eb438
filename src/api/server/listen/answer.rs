//! The body of an answer. It keeps its request in progress until all of the body is handed over, or the client is gone.
//! Over HTTP/2 it comes in small pieces, because h2 buffers what it gets until the reader has room for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::task;

use super::metered::Load;
use super::receipts::End;
use super::table::Seat;
use crate::api::server::in_flight::Place;

/// As much as h2 sends in one frame.
const PIECE: usize = 16 * 1024;

/// A request that is under way on a connection until this is dropped.
pub(super) struct UnderWay(Arc<Seat>);

impl UnderWay {
    pub(super) fn begin(seat: &Arc<Seat>) -> UnderWay {
        seat.begin();
        UnderWay(Arc::clone(seat))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

pub(super) struct Answer {
    body: Body,
    /// What is left of a piece that was too large.
    rest: Bytes,
    /// Over HTTP/2, where a reader can keep its answers waiting though its connection takes bytes.
    http2: Option<(Arc<Load>, task::Id)>,
    /// Where somebody wants to know when all of it was handed over.
    end: Option<Arc<End>>,
    /// Whether nothing came any more.
    is_over: bool,
    _under_way: UnderWay,
    _place: Option<Place>,
}

impl Answer {
    /// `http2` is there where it is sent over that; it is sent by the task that calls this.
    pub(super) fn new(
        body: Body,
        under_way: UnderWay,
        place: Option<Place>,
        http2: Option<Arc<Load>>,
        end: Option<Arc<End>>,
    ) -> Answer {
        let http2 = http2.map(|load| (load, task::id()));
        if let Some((load, task)) = &http2 {
            load.waits_for_reader(*task);
        }
        Answer { body, rest: Bytes::new(), http2, end, is_over: false, _under_way: under_way, _place: place }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            let length = self.rest.len().min(PIECE);
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))));
        }
        let next = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(Ok(frame)) = next else { return Poll::Ready(next) };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(mut data) if self.http2.is_some() && data.len() > PIECE => {
                self.rest = data.split_off(PIECE);
                Frame::data(data)
            }
            Ok(data) => Frame::data(data),
            Err(other) => other,
        })))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let next = this.next(cx);
        this.is_over |= matches!(next, Poll::Ready(None));
        if let Some((load, task)) = &this.http2 {
            match next {
                // It is asked again once there is room for more.
                Poll::Ready(Some(_)) => load.waits_for_reader(*task),
                Poll::Ready(None) | Poll::Pending => load.is_taken(*task),
            }
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

impl Drop for Answer {
    /// hyper drops a body once it has put the end of it into its own buffer, or when the connection breaks off.
    fn drop(&mut self) {
        if let Some(end) = self.end.take()
            && (self.is_over || http_body::Body::is_end_stream(self))
        {
            end.reached();
        }
        if let Some((load, task)) = &self.http2 {
            load.is_taken(*task);
        }
    }
}
