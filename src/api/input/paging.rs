//! Pages of a list: the number of items on a page, and the link to the next page.

use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::Response;

use super::parameters::ParameterError;

/// `Link: <...>; rel="next"`, as RFC 8288 has it.
pub(crate) fn put_next(response: &mut Response, url: &str) {
    // A URL that was put together here has no character that a header can't have.
    if let Ok(value) = HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")) {
        response.headers_mut().insert(LINK, value);
    }
}

pub(crate) fn read_limit(text: &str, max: usize) -> Result<usize, ParameterError> {
    let in_range = |limit: &usize| (1..=max).contains(limit);
    text.parse()
        .ok()
        .filter(in_range)
        .ok_or_else(|| ParameterError::Invalid { name: "limit", why: format!("is a number from 1 to {max}") })
}
