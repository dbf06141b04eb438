//! What is read from a request: query, form and JSON, filters, pages, conditions. Nothing here knows who asks or what for.

pub(super) mod conditions;
pub(super) mod event_stream;
pub(super) mod filter;
pub(super) mod json;
pub(super) mod paging;
pub(super) mod parameters;
pub(super) mod request;
