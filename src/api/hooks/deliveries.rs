//! `GET .../deliveries`: the state of a hook's deliveries, with all attempts that the store still has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::document::link;
use super::found::{Number, find, place};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::foreign_cursor;
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::ParameterError;
use crate::api::input::request::Query;
use crate::api::problem::Problem;
use crate::model::{ChangeDocument, Cursor, Timestamp, whole_millis};
use crate::store::{Attempt, DeliveryQuery, DeliveryRecord, DeliveryState};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryList)]
pub(crate) struct DeliveriesDocument<'a> {
    deliveries: Vec<DeliveryDocument<'a>>,
    /// How many of the hook's deliveries were given up, on this page or not, because the host cannot read them or their
    /// changes from its store. A delivery without a readable change is on no page. They are deleted with the hook, or with
    /// the changes in the journal.
    damaged: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryDocument<'a> {
    #[schema(value_type = DeliveryState)]
    state: &'static str,
    /// The time of the next attempt; null if there is none, or if the delivery waits for another one.
    #[schema(required)]
    next_try: Option<Timestamp>,
    attempts: Vec<AttemptDocument<'a>>,
    change: ChangeDocument<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptDocument<'a> {
    at: Timestamp,
    /// Null if there was no connection.
    duration_ms: Option<u64>,
    /// The status of the receiver's answer; null without an answer.
    #[schema(required)]
    status: Option<u16>,
    #[schema(required)]
    error: Option<&'a str>,
    #[schema(required)]
    answer: Option<&'a str>,
}

impl<'a> DeliveryDocument<'a> {
    fn of(delivery: &'a DeliveryRecord, public_url: &str) -> DeliveryDocument<'a> {
        DeliveryDocument {
            state: word(delivery.state),
            next_try: delivery.due,
            attempts: delivery.attempts.iter().map(AttemptDocument::of).collect(),
            change: delivery.change.document(public_url, None),
        }
    }
}

impl<'a> AttemptDocument<'a> {
    fn of(attempt: &'a Attempt) -> AttemptDocument<'a> {
        AttemptDocument {
            at: attempt.at,
            duration_ms: attempt.duration.map(whole_millis),
            status: attempt.status,
            error: attempt.error.as_deref(),
            answer: attempt.answer.as_deref(),
        }
    }
}

const STATES: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Dead, DeliveryState::Done];

fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Dead => "dead",
        DeliveryState::Done => "done",
    }
}

fn read_state(text: &str) -> Result<DeliveryState, ParameterError> {
    STATES.into_iter().find(|state| word(*state) == text).ok_or_else(|| {
        let why = format!("is one of {}", STATES.map(word).join(", "));
        ParameterError::Invalid { name: "state", why }
    })
}

/// One page, newest change first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["state", "limit", "after", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let page_items = context.settings.page_items;
    let limit = parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?;
    let state = parameters.get("state").map(read_state).transpose()?;
    let before = match parameters.get("after") {
        Some(text) => Some(read_after(text, context.store.extent(caller.account).await?.newest)?),
        None => None,
    };
    let place = place(&caller, number);
    find(&app, &caller, &place).await?;
    let query = DeliveryQuery { state, before, limit };
    let deliveries = context.store.hook_deliveries(&place, query).await?;
    let public_url = &context.public_url;
    let documents: Vec<DeliveryDocument<'_>> =
        deliveries.iter().map(|delivery| DeliveryDocument::of(delivery, public_url)).collect();
    let damaged = context.store.count_damaged_deliveries(&place).await?;
    let mut response = Json(DeliveriesDocument { deliveries: documents, damaged }).into_response();
    if let Some(last) = deliveries.last().filter(|_| deliveries.is_more) {
        let query = parameters.with("after", &last.change.cursor.to_string());
        put_next(&mut response, &format!("{}/deliveries?{query}", link(public_url, place.hook)));
    }
    Ok(response)
}

fn read_after(text: &str, newest: Cursor) -> Result<i64, Problem> {
    let wrong = || ParameterError::Invalid { name: "after", why: "is the cursor of a change".into() };
    let cursor: Cursor = text.parse().map_err(|_| wrong())?;
    match cursor.is_in(newest) {
        true => Ok(cursor.sequence),
        false => Err(foreign_cursor().with("parameter", "after")),
    }
}
