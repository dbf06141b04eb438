//! `GET /api/changes?since=`: the journal, read from a place on. Nothing is marked by it, and nothing is lost: each
//! answer says where the next begins.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::App;
use super::caller::Caller;
use super::filter;
use super::hooks::replay::foreign_cursor;
use super::listing::{put_next, read_limit};
use super::parameters::{ParameterError, Parameters};
use super::problem::Problem;
use crate::model::{ChangeDocument, Cursor};
use crate::store::ChangeQuery;

const KNOWN: &[&str] = &["since", "limit", "kind", "id", "realm_id", "type", "from", "to", "format"];

/// One page, oldest first, of what the filters let through; `since` is where it begins.
pub(super) async fn read(
    app: &App,
    caller: &Caller,
    parameters: &Parameters,
    since: &str,
) -> Result<Response, Problem> {
    parameters.only(KNOWN)?;
    parameters.check_format()?;
    let context = &app.context;
    let settings = &context.settings;
    let page_items = settings.page_items;
    let query = ChangeQuery {
        after: place(since, context.store.newest_change().await?)?,
        filter: filter::of_parameters(parameters, settings.filter_items)?,
        limit: parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?,
        looked_at: settings.feed_looked_at,
    };
    let page = context.store.changes(caller.account, query).await?;
    let public_url = &context.public_url;
    let documents: Vec<ChangeDocument<'_>> =
        page.changes.iter().map(|change| change.document(public_url, None)).collect();
    let mut response = Json(documents).into_response();
    let query = parameters.with("since", &page.next.to_string());
    put_next(&mut response, &format!("{public_url}/api/changes?{query}"));
    Ok(response)
}

/// The number of the journal that `since` means.
fn place(since: &str, newest: Cursor) -> Result<i64, Problem> {
    match since {
        "0" => Ok(0),
        "now" => Ok(newest.sequence),
        _ => {
            let why = || "is the cursor of a change, 0 for the oldest that is kept, or now for the end".to_owned();
            let cursor: Cursor = since.parse().map_err(|_| ParameterError::Invalid { name: "since", why: why() })?;
            match cursor.is_in(newest) {
                true => Ok(cursor.sequence),
                false => Err(foreign_cursor().with("parameter", "since")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::ProblemType;

    #[test]
    fn since_is_a_place_of_this_journal() {
        let newest = Cursor { store: 0x29b2_59fe, sequence: 9 };
        let check = |since: &str, want: Result<i64, ProblemType>| {
            assert_eq!(place(since, newest).map_err(|problem| problem.problem_type()), want, "{since}");
        };
        check("0", Ok(0));
        check("now", Ok(9));
        check("29b259fe0000000000000003", Ok(3));
        check("29b259fe000000000000000a", Err(ProblemType::ForeignCursor));
        check("00b259fe0000000000000003", Err(ProblemType::ForeignCursor));
        for wrong in ["", "1", "NOW", "2026-11-22T10:00:00Z"] {
            check(wrong, Err(ProblemType::InvalidParameter));
        }
    }
}
