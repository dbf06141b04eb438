//! `GET /api/changes` with a cursor: the journal from there on. Reading marks nothing and loses nothing: each answer
//! contains the cursor of the next page. The answer comes at once, or as soon as there is a change (`wait`), or as a
//! stream of events (see `stream`).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::shares::Waits;
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::foreign_cursor;
use crate::api::input::filter;
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::problem::Problem;
use crate::api::resources::fresh;
use crate::model::{ChangeDocument, Cursor};
use crate::store::{After, ChangePage, ChangeQuery};

const KNOWN: &[&str] = &["since", "limit", "wait", "kind", "id", "realm_id", "type", "from", "to", "format"];

/// One page, oldest first, of what the filters let through; `since` is where it begins.
pub(crate) async fn read(
    app: &Arc<App>,
    caller: &Caller,
    parameters: &Parameters,
    since: &str,
) -> Result<Response, Problem> {
    parameters.only(KNOWN)?;
    parameters.check_format()?;
    let context = &app.context;
    let settings = &context.settings;
    let page_items = settings.page_items;
    let wait = parameters.get("wait").map_or(Ok(Duration::ZERO), |text| read_wait(text, settings.feed_wait))?;
    let query = ChangeQuery {
        filter: filter::of_parameters(parameters, settings.filter_items)?,
        limit: parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?,
        looked_at: settings.feed_scan,
        after: place(since, context.store.extent(caller.account).await?.newest)?,
    };
    fresh::keep_polled(app, caller).await?;
    let page = next_page(app, caller, query, wait).await?;
    let public_url = &context.public_url;
    let documents: Vec<ChangeDocument<'_>> =
        page.changes.iter().map(|change| change.document(public_url, None)).collect();
    let mut response = Json(documents).into_response();
    let query = parameters.with("since", &page.next.to_string());
    put_next(&mut response, &format!("{public_url}/api/changes?{query}"));
    Ok(response)
}

/// The next page that has something, or that of the journal's end once the wait is over.
async fn next_page(
    app: &Arc<App>,
    caller: &Caller,
    mut query: ChangeQuery,
    wait: Duration,
) -> Result<ChangePage, Problem> {
    let store = &app.context.store;
    // Before the first look: what comes after it is heard of.
    let mut listener = app.hub.listen(caller.account);
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    let mut held = None;
    loop {
        let page = store.changes(caller.account, query.clone()).await?;
        if let Some(ended) = caller.ended(app.context.clock.now()) {
            return Err(ended.into());
        }
        if !page.changes.is_empty() || !page.at_end || wait.is_zero() {
            return Ok(page);
        }
        // Taken only by those who have something to wait for. Who loses it is answered at once, and may ask again.
        let place = match held.take() {
            Some(place) => held.insert(place),
            None => held.insert(app.shares.take(caller, Waits::LongPoll, &query.filter)?),
        };
        tokio::select! {
            () = listener.changed() => query.after = After::Number(page.next.sequence),
            () = &mut over => return Ok(page),
            () = place.given_up() => return Ok(page),
            ended = caller.end(&*app.context.clock) => return Err(ended.into()),
            () = app.stopping.cancelled() => return Ok(page),
        }
    }
}

/// Where in the journal `since` is.
pub(super) fn place(since: &str, newest: Cursor) -> Result<After, Problem> {
    match since {
        "0" => Ok(After::Oldest),
        "now" => Ok(After::Number(newest.sequence)),
        _ => {
            let why = || "is the cursor of a change, 0 for the oldest that is kept, or now for the end".to_owned();
            let cursor: Cursor = since.parse().map_err(|_| ParameterError::Invalid { name: "since", why: why() })?;
            match cursor.is_in(newest) {
                true => Ok(After::Number(cursor.sequence)),
                false => Err(foreign_cursor().with("parameter", "since")),
            }
        }
    }
}

/// In whole seconds.
fn read_wait(text: &str, most: Duration) -> Result<Duration, ParameterError> {
    let wait = text.parse().ok().map(Duration::from_secs).filter(|wait| *wait <= most);
    wait.ok_or_else(|| ParameterError::Invalid {
        name: "wait",
        why: format!("is a number of seconds from 0 to {}", most.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::ProblemType;

    #[test]
    fn since_is_a_place_of_this_journal() {
        let newest = Cursor { store: 0x29b2_59fe, sequence: 9 };
        let check = |since: &str, want: Result<After, ProblemType>| {
            assert_eq!(place(since, newest).map_err(|problem| problem.problem_type()), want, "{since}");
        };
        check("0", Ok(After::Oldest));
        check("now", Ok(After::Number(9)));
        check("29b259fe0000000000000003", Ok(After::Number(3)));
        check("29b259fe000000000000000a", Err(ProblemType::ForeignCursor));
        check("00b259fe0000000000000003", Err(ProblemType::ForeignCursor));
        for wrong in ["", "1", "NOW", "2026-11-22T10:00:00Z"] {
            check(wrong, Err(ProblemType::InvalidParameter));
        }
    }

    #[test]
    fn a_wait_is_bounded() {
        let check = |text: &str, want: Option<u64>| {
            let got = read_wait(text, Duration::from_secs(30)).ok();
            assert_eq!(got, want.map(Duration::from_secs), "{text}");
        };
        check("0", Some(0));
        check("30", Some(30));
        for wrong in ["", "31", "-1", "1.5", "ten", "99999999999999999999"] {
            check(wrong, None);
        }
    }
}
