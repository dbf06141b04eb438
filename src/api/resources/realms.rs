//! Realms: `GET /api/realms`, and `GET` and `PUT` of one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::listing::{self, Asked, Form};
use super::tracking;
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::deltacloud::matrix::Matrix;
use crate::api::input::request::{Id, Query};
use crate::api::problem::Problem;
use crate::model::Kind;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
    form: Form,
    matrix: Matrix,
) -> Result<Response, Problem> {
    listing::list(&app, &caller, Kind::Realm, Asked { parameters: &parameters, form, matrix }).await
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    listing::show(&app, &caller, (Kind::Realm, id), &parameters).await
}

pub(crate) async fn track(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    request: Request,
) -> Result<Response, Problem> {
    tracking::put(&app, &caller, (Kind::Realm, id), request).await
}
