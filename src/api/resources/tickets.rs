//! Tickets: `POST /api/tickets`. A page in a browser opens a stream with a ticket.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::problem::Problem;
use crate::model::Timestamp;

/// What every ticket begins with, so that one that got lost is known for what it is.
const PREFIX: &str = "tkt_";
const SECRET_BYTES: usize = 32;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ticket)]
pub(crate) struct TicketDocument<'a> {
    /// Opens one stream.
    ticket: &'a str,
    expires: Timestamp,
}

/// `POST /api/tickets`.
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    let ticket: SecretString = format!("{PREFIX}{}", BASE64URL.encode(bytes)).into();
    let clock = &app.context.clock;
    app.tickets.give(&ticket, caller, clock.uptime());
    let expires = clock.now().after(app.tickets.lasts());
    let document = TicketDocument { ticket: ticket.expose_secret(), expires };
    Ok((StatusCode::CREATED, Json(document)).into_response())
}
