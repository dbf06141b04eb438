//! What is owed: `GET /api/changes` without a cursor, as the Deltacloud API of 2012 has it. With `since`, it is
//! the feed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};

use super::App;
use super::caller::Caller;
use super::feed::{self, stream};
use super::listing::put_next;
use super::problem::Problem;
use super::request::Query;
use crate::model::ChangeDocument;
use crate::store::{SealedColumn, Unopened};
use crate::vault::Purpose;

/// Gives every change still owed to the caller's hooks, oldest first, each as a callback would carry it.
/// They count as delivered from then on. `Link: rel="next"` says that there may be more.
pub(super) async fn take(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Only streams begin with what there is.
    let asks_for_snapshot = parameters.get("snapshot") == Some("true") && stream::is_taken(&headers);
    if stream::is_wanted(&headers) || asks_for_snapshot {
        return stream::open(&app, caller, &parameters, &headers).await;
    }
    if let Some(since) = parameters.get("since") {
        return feed::read(&app, &caller, &parameters, since).await;
    }
    caller.may_track()?;
    // Were another parameter passed over, changes would be taken that the client did not ask for.
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let limit = context.settings.owed_changes;
    let owed = context.store.take_owed(caller.account, &caller.owner, limit).await?;
    let mut tokens: Vec<Option<SecretString>> = Vec::with_capacity(owed.len());
    let mut unopened = HashMap::new();
    for owed in &owed {
        let opened = owed.token.as_ref().map(|token| context.vault.open(Purpose::HookToken(&caller.key), token));
        if let (Some(token), Some(Err(_))) = (&owed.token, &opened) {
            unopened.insert(owed.hook, token.clone());
        }
        tokens.push(opened.and_then(Result::ok));
    }
    for (hook, sealed) in unopened {
        let unopened = Unopened { column: SealedColumn::HookToken(hook), sealed };
        // They are taken: a change without its token is better than none.
        if let Err(error) = context.store.set_aside_unopened(unopened).await {
            tracing::error!(%hook, account = %caller.key, %error, "a hook whose token does not open can't be set aside");
        }
    }
    let documents: Vec<ChangeDocument<'_>> = owed
        .iter()
        .zip(&tokens)
        .map(|(owed, token)| {
            let token = token.as_ref().map(|token| token.expose_secret());
            owed.change.document(&context.public_url, token)
        })
        .collect();
    let mut response = Json(&documents).into_response();
    if documents.len() >= limit {
        put_next(&mut response, &format!("{}/api/changes", context.public_url));
    }
    Ok(response)
}

/// `HEAD`, which must not take anything: the client would never see it. How long the answer to a `GET` would
/// be is therefore not known.
pub(super) async fn nothing_taken(_: Caller) -> Response {
    let body = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
