//! The `Date` of answers. hyper reads the machine's clock for it while it serves HTTP/1, even where no `Date` is
//! needed. It panics if the clock is before 1970 the first time that a thread reads it; later it keeps the last value
//! until the clock has passed it. So each thread that may serve reads the date when it starts, and no command starts
//! before 1970 (`cli.rs`).

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::clock::{Clock as _, SystemClock};
use crate::model::Timestamp;

/// Has hyper read the clock on this thread, if that has a time that hyper can write.
pub fn read_clock_once() {
    if SystemClock.now() < Timestamp::default() {
        return;
    }
    let service = service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    // From nobody comes no request: it ends as soon as it is polled.
    let nobody = TokioIo::new(tokio::io::empty());
    let connection = pin!(http1::Builder::new().header_read_timeout(None).serve_connection(nobody, service));
    let _ended = connection.poll(&mut Context::from_waker(Waker::noop()));
}
