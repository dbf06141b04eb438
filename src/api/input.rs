//! Parsing of requests: query, form and JSON, filters, pages, conditions. This module knows neither the caller nor the
//! purpose of a request.

pub(super) mod conditions;
pub(super) mod event_stream;
pub(super) mod filter;
pub(super) mod json;
pub(super) mod paging;
pub(super) mod parameters;
pub(super) mod request;
