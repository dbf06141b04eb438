//! Compatibility with clients of the Deltacloud API of 2012: XML for the documents and errors of that API, and driver
//! and provider as parameters of the path. Handlers produce each document once, as JSON; this module converts it.

pub(super) mod accept;
pub(super) mod document;
pub(super) mod matrix;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use serde_json::Value;

use super::app::App;
use super::auth::identify::{self, Named};
use super::input::parameters::{ParameterError, Parameters};
use super::problem::Problem;
use accept::InXml;
use document::{Backend, Document, XML};

const PROBLEM: &[u8] = b"application/problem+json";

/// Around a route whose document there is in XML, too: `format` may ask for it, and the answer is marked.
pub(super) fn in_xml_too<S: Clone + Send + Sync + 'static>(
    document: Document,
    route: MethodRouter<S>,
) -> MethodRouter<S> {
    route.route_layer(from_fn(move |request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        if response.status().is_success() {
            response.extensions_mut().insert(document);
        }
        response
    }))
}

/// The router behind what reads matrix parameters, which are part of the path that it goes by.
pub(super) fn before(router: Router) -> Router {
    Router::new().fallback_service(router).layer(map_request(matrix::read))
}

/// Around every route: where the client wants XML, what there is in XML is told in it.
pub(super) async fn translate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    // A query that can't be read is told of by whoever reads all of it.
    let asked = format_of(&mut request).unwrap_or_default();
    let wants_xml = asked.unwrap_or_else(|| accept::prefers_xml(request.headers()));
    if !wants_xml {
        return with_vary(next.run(request).await);
    }
    request.extensions_mut().insert(InXml);
    let path = request.uri().path().to_owned();
    let backend = backend(&app, request.headers());
    let is_head = request.method() == Method::HEAD;
    let response = with_vary(next.run(request).await);
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == PROBLEM);
    let document = response.extensions().get::<Document>().copied();
    let is_written = response.headers().get(CONTENT_TYPE) == Some(&XML);
    let is_kept = response.status() == StatusCode::NOT_MODIFIED;
    if is_written || is_kept || (document.is_none() && !is_problem) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(CONTENT_TYPE, XML);
    parts.headers.remove(CONTENT_LENGTH);
    if is_head {
        return Response::from_parts(parts, Body::empty());
    }
    // Handlers make their answers whole, within the bounds of a page: nothing is held here that was not before.
    let json = match to_bytes(body, usize::MAX).await {
        Ok(body) => serde_json::from_slice::<Value>(&body).map_err(Problem::internal),
        Err(error) => Err(Problem::internal(error)),
    };
    let xml = json.and_then(|json| match document {
        Some(document) => document::write(document, &json, &backend),
        None => document::write_error(&json, &path, &backend),
    });
    match xml {
        Ok(xml) => Response::from_parts(parts, Body::from(xml)),
        Err(problem) => problem.into_response(),
    }
}

/// Whether `format` asks for XML, or for JSON; it is taken out of the query, so that what follows need not know of it.
fn format_of(request: &mut Request) -> Result<Option<bool>, ParameterError> {
    let Some(query) = request.uri().query().filter(|query| query.contains("format=")) else { return Ok(None) };
    if !is_in_xml(request.uri().path()) {
        return Ok(None);
    }
    let parameters = Parameters::parse(query.as_bytes())?;
    match parameters.get("format") {
        Some("xml") => {}
        Some("json") => return Ok(Some(false)),
        _ => return Ok(None),
    }
    let query = parameters.without("format");
    let path = request.uri().path();
    let rest = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    if let Ok(uri) = rest.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    Ok(Some(true))
}

/// Whether what is at this path is there in XML.
fn is_in_xml(path: &str) -> bool {
    let mut words = path.trim_start_matches('/').split('/');
    let (api, collection, _, more) = (words.next(), words.next(), words.next(), words.next());
    api == Some("api") && matches!(collection, None | Some("drivers" | "instances" | "realms")) && more.is_none()
}

/// The driver and the provider that the request is for, as far as it is known.
fn backend(app: &App, headers: &HeaderMap) -> Backend {
    let Ok(named) = Named::of(headers) else { return Backend::default() };
    let (driver, provider) = identify::known(named, &*app.context.roster);
    // Deltacloud names a provider where the client or the operator has chosen one.
    Backend { driver, provider: provider.filter(|provider| provider != identify::DEFAULT_PROVIDER) }
}

fn with_vary(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_2012_are_in_xml() {
        let check = |path: &str, want: bool| assert_eq!(is_in_xml(path), want, "{path}");
        check("/api", true);
        check("/api/drivers", true);
        check("/api/drivers/mock", true);
        check("/api/instances", true);
        check("/api/realms/us", true);
        check("/api/instances/i-1/history", false);
        check("/api/account", false);
        check("/api/changes", false);
        check("/healthz", false);
    }
}
