//! CORS (Fetch Standard, 3.2). Pages of the origins that the operator names may send requests to every route. They may
//! read the headers that a client needs for paging, following and retrying. They send credentials in `Authorization`,
//! so no cookies are involved.

use std::time::Duration;

use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Origin;

/// For how long a browser need not ask again. Browsers have lower bounds of their own.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// What a request may have beside what every request may.
const ALLOWED: [HeaderName; 10] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-deltacloud-driver"),
    HeaderName::from_static("x-deltacloud-provider"),
];

/// What of an answer a page may read.
const EXPOSED: [HeaderName; 9] = [
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("tracker-cursor"),
];

/// None where no origin is named: then `OPTIONS` is a method like any other.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(&origin.ascii_serialization()).ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE])
            .allow_headers(ALLOWED)
            .expose_headers(EXPOSED)
            .max_age(MAX_AGE)
    })
}
