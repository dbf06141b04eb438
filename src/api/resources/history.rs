//! `GET /api/instances/{id}/history`, and the same of realms: the changes of one resource, newest first, also after it
//! is gone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::foreign_cursor;
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::ParameterError;
use crate::api::input::request::{Id, Query};
use crate::api::problem::Problem;
use crate::model::change::href;
use crate::model::{ChangeDocument, Cursor, Kind};
use crate::store::HistoryQuery;

pub(crate) async fn of_instance(
    State(app): State<Arc<App>>,
    caller: Caller,
    id: Id,
    query: Query,
) -> Result<Response, Problem> {
    show(&app, &caller, Kind::Instance, id, query).await
}

pub(crate) async fn of_realm(
    State(app): State<Arc<App>>,
    caller: Caller,
    id: Id,
    query: Query,
) -> Result<Response, Problem> {
    show(&app, &caller, Kind::Realm, id, query).await
}

/// A page of changes, each as everywhere else. One that the journal has nothing of has no history: the list is empty.
async fn show(
    app: &App,
    caller: &Caller,
    kind: Kind,
    Id(id): Id,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["limit", "before", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let page_items = context.settings.page_items;
    let limit = parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?;
    let before = match parameters.get("before") {
        Some(text) => Some(read_before(text, context.store.extent(caller.account).await?.newest)?),
        None => None,
    };
    let query = HistoryQuery { kind, resource: id.clone(), before, limit };
    let changes = context.store.history(caller.account, query).await?;
    let documents: Vec<ChangeDocument<'_>> =
        changes.iter().map(|change| change.document(&context.public_url, None)).collect();
    let mut response = Json(documents).into_response();
    if let Some(last) = changes.last().filter(|_| changes.is_more) {
        let query = parameters.with("before", &last.cursor.to_string());
        put_next(&mut response, &format!("{}/history?{query}", href(&context.public_url, kind, &id)));
    }
    Ok(response)
}

fn read_before(text: &str, newest: Cursor) -> Result<i64, Problem> {
    let cursor: Cursor = text.parse().map_err(|_| ParameterError::Invalid {
        name: "before",
        why: "has to be the cursor of a change; only older changes are shown".into(),
    })?;
    match cursor.is_in(newest) {
        true => Ok(cursor.sequence),
        false => Err(foreign_cursor().with("parameter", "before")),
    }
}
