//! Decides whether a request for changes asks for a stream of events. Pure.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::parameters::Parameters;

/// Whether a request for changes asks for a stream. Only streams begin with what there is.
pub(crate) fn is_asked_for(headers: &HeaderMap, parameters: &Parameters) -> bool {
    is_wanted(headers) || parameters.get("snapshot") == Some("true") && is_taken(headers)
}

/// Whether the client wants a stream: `Accept` names it, and does not rule it out.
fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
        is_named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Whether the client takes a stream, though it may not have named it.
fn is_taken(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok()).peekable();
    let takes = |range: &str| range.starts_with("*/*") || range.starts_with("text/*");
    values.peek().is_none() || values.flat_map(|value| value.split(',')).any(|range| takes(range.trim()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_stream_is_taken_where_accept_leaves_it_open() {
        let check = |accept: &[&'static str], want: bool| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(is_taken(&headers), want, "{accept:?}");
        };
        check(&[], true);
        check(&["*/*"], true);
        check(&["application/json, text/*;q=0.1"], true);
        check(&["application/json", "*/*;q=0.8"], true);
        check(&["application/json"], false);
    }

    #[test]
    fn a_stream_is_wanted_where_accept_names_it() {
        let check = |accept: &[&'static str], want: bool| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(is_wanted(&headers), want, "{accept:?}");
        };
        check(&[], false);
        check(&["*/*"], false);
        check(&["text/*"], false);
        check(&["text/event-stream"], true);
        check(&["Text/Event-Stream; charset=utf-8"], true);
        check(&["application/json, text/event-stream;q=0.5"], true);
        check(&["application/json", "text/event-stream"], true);
        check(&["text/event-stream;q=0"], false);
        check(&["text/event-streams"], false);
    }
}
