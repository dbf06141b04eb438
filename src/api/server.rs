//! The socket: connections and their limits, requests that can't be parsed, and the resources of requests in progress.
//! It knows problems and settings, but no routes: `api.rs` passes the routers in.

pub(super) mod compressed;
pub(super) mod in_flight;
pub(super) mod listen;
pub(super) mod peer;
pub(super) mod rate_limit;
pub(super) mod receipt;
pub(super) mod unread;
