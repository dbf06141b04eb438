//! `GET /openapi.json`: the description of the API in OpenAPI 3.1. Schemas are derived from the types that are
//! serialized; `operations` lists the operations, and a test compares them with the routes.

mod asked;
pub(super) mod docs;
mod operations;
mod shapes;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;

use super::app::{App, OPERATOR_ROUTES};
use super::hooks::actions::RedrivenDocument;
use super::hooks::deliveries::DeliveriesDocument;
use super::hooks::document::{HookDocument, ListedHook};
use super::problem::{Problem, TypeDocument};
use super::resources::account::AccountDocument;
use super::resources::documents::instance::InstanceDocument;
use super::resources::documents::realm::RealmDocument;
use super::resources::documents::track::{TrackDocument, UnseenDocument};
use super::resources::drivers::{DriverDocument, DriversDocument};
use super::resources::entry::EntryDocument;
use super::resources::pending::{AcknowledgedDocument, LONGEST_LEASE, PendingDocument};
use super::resources::refresh::Refreshed;
use super::resources::tickets::TicketDocument;
use super::resources::tokens::ListedToken;
use super::server::compressed::Compressed;
use super::settings::Settings;
use crate::model::ChangeDocument;
use operations::table::Bounds;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tracker",
        description = "Tracker polls cloud accounts and reports what changed: by signed callbacks, by a feed with pages, \
                       long polls and streams, and by lists of the current and of earlier states.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "inventory", description = "The last known resources, and those of an earlier time"),
        (name = "tracking", description = "Hooks, to which changes are sent"),
        (name = "changes", description = "The feed, and the pending changes of hooks"),
        (name = "account", description = "The caller's account, and its tokens"),
        (name = "host", description = "The host itself, without credentials"),
    ),
    components(schemas(
        AccountDocument<'static>, ChangeDocument<'static>, DeliveriesDocument<'static>, DriverDocument<'static>,
        DriversDocument<'static>, EntryDocument, HookDocument<'static>, ListedHook<'static>, InstanceDocument<'static>, RealmDocument<'static>,
        PendingDocument<'static>, AcknowledgedDocument, RedrivenDocument, Refreshed, TicketDocument<'static>, ListedToken<'static>, TrackDocument, TypeDocument, UnseenDocument<'static>,
    )),
)]
struct Shapes;

/// The whole description.
pub(super) fn description(public_url: &str, settings: &Settings) -> OpenApi {
    let mut api = Shapes::openapi();
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    api.servers = Some(vec![Server::new(public_url)]);
    let (paths, schemas) = operations::described(Bounds {
        page_items: settings.page_items,
        filter_items: settings.filter_items,
        token_bytes: settings.token_bytes,
        wait: settings.feed_wait.as_secs(),
        lease: LONGEST_LEASE.as_secs(),
        pending: settings.pending_changes,
    });
    api.paths = paths;
    if !settings.operator_routes {
        api.paths.paths.retain(|path, _| !OPERATOR_ROUTES.contains(&path.as_str()));
    }
    let components = api.components.get_or_insert_default();
    components.schemas.extend(schemas);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let problem = ObjectBuilder::new()
        .description(Some(
            "What was wrong, where, and what to do (RFC 9457); some types have members in addition to these",
        ))
        .property("type", text().description(Some("A stable URI that leads to an explanation")))
        .property("title", text())
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("detail", text())
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    components.schemas.insert("Problem".to_owned(), problem.into());
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(
        "User and password of the cloud account. X-Deltacloud-Driver and X-Deltacloud-Provider name driver and \
         provider, if they are not the host's defaults",
    ));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the account, from POST /api/tokens, scope `track`, or `read` only for reading"));
    components.security_schemes.insert("account".to_owned(), SecurityScheme::Http(basic.build()));
    components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer.build()));
    api
}

pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let written = match app.openapi.get() {
        Some(written) => written,
        None => {
            let json =
                description(&app.context.public_url, &app.context.settings).to_json().map_err(Problem::internal)?;
            let written = Compressed::of(json.into()).map_err(Problem::internal)?;
            app.openapi.get_or_init(|| written)
        }
    };
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], written.answer(&headers)).into_response())
}
