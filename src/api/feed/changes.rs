//! `GET /api/changes`: the feed, as a page or as a stream; without a cursor, pending changes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::{page, stream};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::input::event_stream::is_asked_for;
use crate::api::input::request::Query;
use crate::api::problem::Problem;
use crate::api::resources::pending;

pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if is_asked_for(&headers, &parameters) {
        return stream::open(&app, caller, &parameters, &headers).await;
    }
    match parameters.get("since") {
        Some(since) => page::read(&app, &caller, &parameters, since).await,
        None => pending::read(&app, &caller, &parameters, version).await,
    }
}

/// `HEAD`, which must not take anything: the client would never see it. How long the answer to a `GET` would
/// be is therefore not known.
pub(crate) async fn nothing_read(_: Caller) -> Response {
    let body = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
