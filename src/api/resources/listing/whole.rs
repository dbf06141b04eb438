//! A list in XML that is longer than a page. Clients of the Deltacloud API do not know pages, so they get the whole
//! list. The host reads it from the store page by page as the client takes it, and holds only one page in memory.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};

use crate::api::app::App;
use crate::api::auth::bearer::Bearer;
use crate::api::auth::caller::Caller;
use crate::api::deltacloud::document::XML;
use crate::api::deltacloud::document::{closing, items_of, opening};
use crate::api::problem::Problem;
use crate::api::resources::documents::Document;
use crate::model::{AccountId, Kind};
use crate::store::{ListQuery, Page, Seen};

/// What is still to be written.
enum Rest {
    /// This page, and all that comes after it.
    Page(Page<Seen>),
    /// All that comes after the last page.
    After,
    End,
}

struct List {
    app: Arc<App>,
    account: AccountId,
    /// The token that it was asked for with.
    bearer: Option<Arc<Bearer>>,
    query: ListQuery,
    rest: Rest,
}

/// The whole list, of which the first page is there already.
pub(super) fn written(
    app: Arc<App>,
    caller: &Caller,
    query: ListQuery,
    first: Page<Seen>,
) -> Result<Response, Problem> {
    let opening = Bytes::from(opening(query.kind.plural())?);
    let (account, bearer) = (caller.account, caller.bearer.clone());
    let list = List { app, account, bearer, query, rest: Rest::Page(first) };
    let pieces = stream::unfold((list, Some(opening)), |(mut list, opening)| async move {
        if let Some(opening) = opening {
            return Some((Ok(opening), (list, None)));
        }
        let piece = list.next().await.transpose()?;
        // What was sent can't be taken back: the answer breaks off, which no client takes for its end.
        let piece = piece.map_err(|problem| {
            list.rest = Rest::End;
            tracing::warn!(account = %list.account, "a list ended early: {}", problem.logged());
            std::io::Error::other("the rest of the list cannot be read")
        });
        Some((piece, (list, None)))
    });
    // Compression asks once more after the end.
    Ok(([(CONTENT_TYPE, XML)], Body::from_stream(pieces.fuse())).into_response())
}

impl List {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(ended) = self.bearer.as_ref().and_then(|bearer| bearer.ended(self.app.context.clock.now())) {
            return Err(ended.into());
        }
        let page = match std::mem::replace(&mut self.rest, Rest::End) {
            Rest::Page(page) => page,
            Rest::After => self.app.context.store.list(self.account, self.query.clone()).await?,
            Rest::End => return Ok(None),
        };
        let Some(last) = page.last() else {
            return Ok(Some(closing(self.query.kind.plural())?.into()));
        };
        self.query.after = Some(last.resource.id().clone());
        self.rest = Rest::After;
        // In turns, and not on a thread that others' requests are answered on.
        let turn = Arc::clone(&self.app.whole_lists).acquire_owned().await.map_err(Problem::internal)?;
        let (app, kind) = (Arc::clone(&self.app), self.query.kind);
        let written = tokio::task::spawn_blocking(move || {
            let written = items(&app, kind, &page);
            drop(turn);
            written
        });
        written.await.map_err(Problem::internal)?.map(Some)
    }
}

/// A page, written.
fn items(app: &App, kind: Kind, page: &[Seen]) -> Result<Bytes, Problem> {
    let public_url = &app.context.public_url;
    let items = page.iter().map(|seen| serde_json::to_value(Document::shown(seen, public_url)));
    let items = items.collect::<Result<Vec<_>, _>>().map_err(Problem::internal)?;
    Ok(items_of(kind, &items)?.into())
}
