//! Drivers: `GET /api/drivers`, and one of them. As in Deltacloud, these need no credentials. They show what a client
//! needs in order to bring an account, and nothing of the operator's configuration except the names of providers. Files
//! that were not loaded are not shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::input::request::{Query, path_word};
use crate::api::problem::{Problem, ProblemType};
use crate::driver::Driver;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DriverList)]
pub(crate) struct DriversDocument<'a> {
    drivers: Vec<DriverDocument<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Driver)]
pub(crate) struct DriverDocument<'a> {
    /// The name for `X-Deltacloud-Driver`.
    id: &'a str,
    href: String,
    name: &'a str,
    version: &'a str,
    /// SHA-256 of its file.
    digest: &'a str,
    /// The names for `X-Deltacloud-Provider`.
    providers: Vec<ProviderDocument<'a>>,
    /// The endpoints that the operator granted; an account reaches only its own.
    may_reach: &'a [String],
    options: Vec<OptionDocument<'a>>,
    /// The names of the keys in the operator's policy that signed it.
    signed_by: &'a [String],
    health: Health,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct ProviderDocument<'a> {
    id: String,
    /// Absent if the operator configured the provider: clients do not see the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    endpoint: Option<&'a str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountOption)]
struct OptionDocument<'a> {
    name: &'a str,
    help: &'a str,
    required: bool,
    secret: bool,
}

/// The state of a driver: one that is not loaded is not listed.
// Only what was vetted, compiled and described itself is in the catalog. How its polls go is told to each account apart.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DriverHealth)]
enum Health {
    Loaded,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Health::Loaded => "loaded",
        }
    }
}

pub(crate) async fn list(State(app): State<Arc<App>>, Query(parameters): Query) -> Result<Response, Problem> {
    parameters.only(&["id", "state", "format"])?;
    parameters.check_format()?;
    let catalog = app.context.roster.catalog();
    // Deltacloud's clients may ask for a state, too, which a driver has in its health.
    let fits = |name: &str, value: &str| parameters.get(name).is_none_or(|wanted| wanted == value);
    let is_asked_for =
        |driver: &&Arc<Driver>| fits("id", &driver.info().name) && fits("state", Health::Loaded.as_str());
    let drivers = catalog.drivers().filter(is_asked_for).map(|driver| document(&app, driver)).collect();
    Ok(Json(DriversDocument { drivers }).into_response())
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    DriverName(name): DriverName,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let catalog = app.context.roster.catalog();
    match catalog.driver(&name) {
        Some(driver) => Ok(Json(document(&app, driver)).into_response()),
        None => {
            let known: Vec<&str> = catalog.drivers().map(|driver| driver.info().name.as_str()).collect();
            let detail = format!("driver {name:?} is not loaded; loaded drivers: {}", known.join(", "));
            Err(Problem::new(ProblemType::DriverNotFound, detail).with("known", known))
        }
    }
}

/// The name of a driver, from the path.
pub(crate) struct DriverName(String);

impl<S: Send + Sync> FromRequestParts<S> for DriverName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<DriverName, Problem> {
        path_word(parts, state).await.map(DriverName)
    }
}

fn document<'a>(app: &App, driver: &'a Driver) -> DriverDocument<'a> {
    let info = driver.info();
    DriverDocument {
        id: &info.name,
        // A driver's name has only characters that a path can have.
        href: format!("{}/api/drivers/{}", app.context.public_url, info.name),
        name: &info.title,
        version: &info.version,
        digest: &info.digest,
        providers: providers(app, driver),
        may_reach: &info.endpoints,
        options: info
            .options
            .iter()
            .map(|option| OptionDocument {
                name: &option.name,
                help: &option.help,
                required: option.required,
                secret: option.secret,
            })
            .collect(),
        signed_by: &info.signed_by,
        health: Health::Loaded,
    }
}

fn providers<'a>(app: &App, driver: &'a Driver) -> Vec<ProviderDocument<'a>> {
    let roster = &app.context.roster;
    let names = roster.providers_of(driver).into_iter();
    names
        .map(|id| {
            let known = driver.info().providers.iter().find(|known| known.name == id && !known.endpoint.is_empty());
            let endpoint = known.filter(|_| !roster.is_configured(driver, &id)).map(|known| known.endpoint.as_str());
            ProviderDocument { id, endpoint }
        })
        .collect()
}
