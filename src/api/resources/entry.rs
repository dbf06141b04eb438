//! `GET /api`: the entry point, as in Deltacloud. It needs no credentials, and shows nothing about accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::auth::identify::{self, Named};
use crate::api::deltacloud::matrix::Matrix;
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::input::request::Query;
use crate::api::problem::Problem;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EntryPoint)]
pub(crate) struct EntryDocument {
    version: &'static str,
    /// The driver that the request names, or the default; null if there is neither.
    #[schema(required)]
    driver: Option<String>,
    #[schema(required)]
    provider: Option<String>,
    links: Vec<Link>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Link {
    rel: &'static str,
    href: String,
    #[serde(skip_serializing_if = "<[Feature]>::is_empty")]
    features: &'static [Feature],
}

#[derive(Debug, Serialize, ToSchema)]
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

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Query(parameters): Query,
    matrix: Matrix,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    parameters.only(&["format", "force_auth"])?;
    parameters.check_format()?;
    if force_auth(&parameters)? == Credentials::Tried {
        let (mut parts, _) = request.into_parts();
        Caller::from_request_parts(&mut parts, &app).await?;
    }
    let (driver, provider) = identify::known(Named::of(&headers)?, &*app.context.roster);
    let public_url = &app.context.public_url;
    // Who came with driver and provider in the path, and follows a link, still asks about those.
    let links = COLLECTIONS
        .iter()
        .map(|(rel, features)| Link { rel, href: format!("{public_url}/api{matrix}/{rel}"), features })
        .collect();
    Ok(Json(EntryDocument { version: env!("CARGO_PKG_VERSION"), driver, provider, links }).into_response())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    /// The entry point is shown to anyone.
    NotNeeded,
    /// By `force_auth`, with which clients of the Deltacloud API try credentials out.
    Tried,
}

fn force_auth(parameters: &Parameters) -> Result<Credentials, ParameterError> {
    match parameters.get("force_auth") {
        None | Some("0" | "false") => Ok(Credentials::NotNeeded),
        Some("1" | "true") => Ok(Credentials::Tried),
        Some(_) => Err(ParameterError::Invalid { name: "force_auth", why: "is one of 1, true, 0, false".into() }),
    }
}

/// `GET /`: where a client that was told of the host alone finds the API.
pub(crate) async fn lead_here(State(app): State<Arc<App>>) -> Redirect {
    Redirect::temporary(&format!("{}/api", app.context.public_url))
}
