//! `POST .../replay`: sends all changes that match the hook's filter again, from a cursor or a time on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::actions::Wanted;
use super::found::{Number, place};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::foreign_cursor;
use crate::api::input::conditions::Conditions;
use crate::api::input::json::Member;
use crate::api::input::request::json_object;
use crate::api::middleware::idempotency::{Answer, Repeatable};
use crate::api::problem::Problem;
use crate::model::{Cursor, InvalidTimestamp, Timestamp};
use crate::store::{EditedHook, HookAction, ReplayFrom, StoreError};

/// Answers 202 with where it begins.
pub(crate) async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, conditions): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["from"])?;
    let member = object.need("from", "a cursor, a time, or \"0\" for the oldest change that is kept")?;
    let extent = context.store.extent(caller.account).await?;
    let now = context.clock.now();
    let from = read_from(&member, extent.newest, now)?;
    if matches!(from, ReplayFrom::After(number) if number < extent.oldest.sequence && member.text() != Ok("0")) {
        return Err(StoreError::Forgotten { oldest: extent.oldest }.into());
    }
    let begins = json!({ "from": member.value() });
    let answer = move |_: &EditedHook| Answer::json(StatusCode::ACCEPTED, &begins);
    let wanted = Wanted { place: place(&caller, number), conditions, repeatable };
    wanted.act(&app, &caller, HookAction::Replay(from), answer).await
}

fn read_from(member: &Member, newest: Cursor, now: Timestamp) -> Result<ReplayFrom, Problem> {
    let text = member.text()?;
    if text == "0" {
        return Ok(ReplayFrom::After(0));
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        if !cursor.is_in(newest) {
            return Err(foreign_cursor().with("where", member.pointer()));
        }
        return Ok(ReplayFrom::After(cursor.sequence));
    }
    match text.parse::<Timestamp>() {
        Ok(time) if time <= now => Ok(ReplayFrom::Time(time)),
        Ok(_) => Err(member.invalid("is in the future").into()),
        Err(error @ InvalidTimestamp::OutOfRange) => Err(member.invalid(format!("is {error}")).into()),
        Err(InvalidTimestamp::Malformed) => {
            let why = "is a cursor, a time as RFC 3339 writes it, or \"0\" for the oldest change that is kept";
            Err(member.invalid(why).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::input::json::Object;
    use crate::api::problem::ProblemType;

    #[test]
    fn a_replay_begins_at_a_cursor_or_a_time() {
        let newest = Cursor { store: 0x29b2_59fe, sequence: 9 };
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let check = |from: &str, want: Result<ReplayFrom, ProblemType>| {
            let body = json!({ "from": from }).to_string();
            let member = Object::parse(body.as_bytes()).and_then(|mut object| object.need("from", "")).expect("from");
            assert_eq!(read_from(&member, newest, now).map_err(|problem| problem.problem_type()), want, "{from}");
        };
        check("0", Ok(ReplayFrom::After(0)));
        check("29b259fe0000000000000003", Ok(ReplayFrom::After(3)));
        check("29b259fe0000000000000009", Ok(ReplayFrom::After(9)));
        check("29b259fe000000000000000a", Err(ProblemType::ForeignCursor));
        check("29b259ff0000000000000003", Err(ProblemType::ForeignCursor));
        check("2026-11-22T10:00:00Z", Ok(ReplayFrom::Time(now)));
        check("2026-11-22T11:00:00+01:00", Ok(ReplayFrom::Time(now)));
        check("2026-11-22T10:00:00.001Z", Err(ProblemType::InvalidMember));
        check("10000-01-01T00:00:00Z", Err(ProblemType::InvalidMember));
        for wrong in ["", "now", "yesterday", "2026-11-22", "3", "29b259fe"] {
            check(wrong, Err(ProblemType::InvalidMember));
        }
    }
}
