//! Surrounds every request: its time limit, its line in the log, and a problem instead of a panic. The log contains the
//! path of a request without its query, because queries contain tokens.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::Body as _;

use crate::api::app::{App, OPERATOR_ROUTES};
use crate::api::problem::{Logged, Problem, ProblemType};
use crate::api::server::in_flight::Place;
use crate::api::server::peer::Peer;
use crate::api::server::rate_limit::Left;
use crate::api::settings::LEAST_HEAD_BYTES;
use crate::clock::Stopwatch;
use crate::model::whole_millis;

const LOGGED_PATH_BYTES: usize = 512;

pub(crate) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let stopwatch = Stopwatch::start();
    let method = request.method().clone();
    let mut path = request.uri().path().to_owned();
    path.truncate(path.floor_char_boundary(LOGGED_PATH_BYTES));
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let limit = app.context.settings.request_timeout;
    let route = request.extensions().get::<MatchedPath>().cloned();
    let left = Left::default();
    request.extensions_mut().insert(left.clone());
    let mut response = match take_in(&app, &request, peer) {
        Err(problem) => problem.into_response(),
        Ok(place) => {
            if let Some(place) = &place {
                request.extensions_mut().insert(place.clone());
            }
            let mut response = match tokio::time::timeout(limit, next.run(request)).await {
                Ok(response) => response,
                Err(_) => too_long(limit),
            };
            // Whoever sends the answer holds it until that is taken.
            if let Some(place) = place {
                let bytes = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
                let room = place.holds_answer(bytes.unwrap_or(0));
                // What was done has to be answered.
                if let Err(problem) = room
                    && method == Method::GET
                {
                    response = problem.into_response();
                }
                response.extensions_mut().insert(place);
            }
            response
        }
    };
    let headers = response.headers_mut();
    // Answers depend on who asks, and on when.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    app.rates.tell(&left, headers);

    let status = response.status();
    app.context.metrics.requests.answered(
        known(&method),
        route.as_ref().map_or("none", |route| route.as_str()),
        status.as_u16(),
        stopwatch.elapsed(),
    );
    let detail = response.extensions().get::<Logged>().map(|logged| logged.0.as_str());
    let elapsed = stopwatch.elapsed();
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                http.method = %method,
                http.path = %path,
                http.status = status.as_u16(),
                http.peer = peer.map(tracing::field::display),
                duration_ms = whole_millis(elapsed),
                error = detail,
                "answered a request"
            )
        };
    }
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        log!(error);
    } else if status.is_server_error() {
        log!(warn);
    } else if OPERATOR_ROUTES.contains(&path.as_str()) {
        log!(debug);
    } else {
        log!(info);
    }
    response
}

/// Takes a request in, as far as there is room for it. Operators are answered in any case: they ask for little.
fn take_in(app: &App, request: &Request, peer: Option<IpAddr>) -> Result<Option<Place>, Problem> {
    let settings = &app.context.settings;
    let head = check_head(request, settings.head_bytes)?;
    if OPERATOR_ROUTES.contains(&request.uri().path()) {
        return Ok(None);
    }
    // No more of it is read than a body may have.
    let announced = request.body().size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
    let body = announced.unwrap_or(usize::MAX).min(settings.body_bytes);
    app.in_flight.begin(peer, head + body).map(Some)
}

/// Whether the line and the headers are as short as they have to be. hyper bounds them only roughly: what it reads at once
/// may be more. Gives how long they are.
fn check_head(request: &Request, limit: usize) -> Result<usize, Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let found = target + headers.sum::<usize>();
    if found <= limit.max(LEAST_HEAD_BYTES) {
        return Ok(found);
    }
    let detail = format!("the request line and headers have about {found} bytes, more than the host allows");
    Err(Problem::new(ProblemType::HeadTooLarge, detail).with("limit", limit))
}

/// A method as it is counted: clients can make up any word.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What a request is answered with that had all the time that one may have.
pub(crate) fn too_long(limit: Duration) -> Response {
    Problem::new(ProblemType::Timeout, format!("the request took longer than {limit:?}")).into_response()
}

/// What a request is answered with whose handler panicked.
pub(crate) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    Problem::internal(format!("a handler panicked: {message}")).into_response()
}
