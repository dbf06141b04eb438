//! The `Date` of answers. hyper reads the machine's clock for it as it serves HTTP/1, also where no `Date` is asked for, and panics
//! where the clock is before 1970 the first time that a thread reads it; later, it keeps what it has until the clock is past that.
//! So each thread that may serve reads it as it starts, and no command begins at a time before 1970 (`cli.rs`).

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
