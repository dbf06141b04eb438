//! `GET /api`: the entry point, as Deltacloud has it. It needs no credentials, and says nothing of accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::caller::Caller;
use super::identify::{self, Named};
use super::problem::Problem;
use super::request::Query;

#[derive(Debug, Serialize)]
struct EntryDocument {
    version: &'static str,
    /// Those that the request names or that are the default; null if that leaves it open.
    driver: Option<String>,
    provider: Option<String>,
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct Link {
    rel: &'static str,
    href: String,
    #[serde(skip_serializing_if = "<[Feature]>::is_empty")]
    features: &'static [Feature],
}

#[derive(Debug, Serialize)]
struct Feature {
    name: &'static str,
    params: &'static [&'static str],
}

/// What a collection with this feature lets a client do is in `track`.
const STATE_TRACKING: &[Feature] = &[Feature { name: "state_tracking", params: &["track_hook", "track_token"] }];

const COLLECTIONS: &[(&str, &[Feature])] = &[
    ("drivers", &[]),
    ("instances", STATE_TRACKING),
    ("realms", STATE_TRACKING),
    ("account", &[]),
    ("hooks", &[]),
    ("tokens", &[]),
    ("changes", &[]),
];

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Query(parameters): Query,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    parameters.only(&["format", "force_auth"])?;
    parameters.check_format()?;
    // By this clients of the Deltacloud API try out credentials.
    if matches!(parameters.get("force_auth"), Some("1" | "true")) {
        let (mut parts, _) = request.into_parts();
        Caller::from_request_parts(&mut parts, &app).await?;
    }
    let chosen = identify::choose(Named::of(&headers)?, &*app.context.roster).ok();
    let (driver, provider) = chosen.unzip();
    let public_url = &app.context.public_url;
    let links = COLLECTIONS
        .iter()
        .map(|(rel, features)| Link { rel, href: format!("{public_url}/api/{rel}"), features })
        .collect();
    Ok(Json(EntryDocument { version: env!("CARGO_PKG_VERSION"), driver, provider, links }).into_response())
}
