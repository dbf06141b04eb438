//! `ETag` and `If-None-Match` (RFC 9110) for resources that a client reads repeatedly: if nothing has changed, the
//! answer is 304 without a body. Only for requests that change nothing.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::Body as _;

use crate::api::input::conditions::{tag_of, tag_text};

/// Answers with 304 and no body where the client has this very answer already.
pub(crate) async fn conditional(request: Request, next: Next) -> Response {
    let wanted = tags(request.headers());
    let (parts, body) = next.run(request).await.into_parts();
    // One that is written while it is sent is told by nothing before its end.
    if parts.status != StatusCode::OK || body.size_hint().exact().is_none() {
        return Response::from_parts(parts, body);
    }
    // Handlers make their answers whole, within the bounds of a page: nothing is held here that was not before.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = tag_of(&body);
    unless_known(&wanted, &tag, Response::from_parts(parts, Body::from(body)))
}

/// An answer with its tag, or 304 and no body where the client has it already.
pub(crate) fn unless_known(wanted: &[String], tag: &str, mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    // It may be kept, if it is asked about each time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("invariant: a tag is visible ASCII"));
    if wanted.iter().any(|wanted| wanted == "*" || tag_text(wanted) == tag_text(tag)) {
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Body::empty();
    }
    answer
}

/// Every tag of `If-None-Match`. Quotes may have commas in them, in tags that are not ours: such a tag fits nothing.
pub(crate) fn tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_from_wherever_they_stand() {
        let check = |values: &[&str], want: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).expect("a value"));
            }
            assert_eq!(tags(&headers), want);
        };
        check(&[], &[]);
        check(&["*"], &["*"]);
        check(&["\"a\""], &["\"a\""]);
        check(&["W/\"a\", \"b\"", "\"c\""], &["W/\"a\"", "\"b\"", "\"c\""]);
    }
}
