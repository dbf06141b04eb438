//! The socket: connections and their bounds, requests that can't be read, and what requests under way may hold. It knows
//! problems and settings, and nothing of routes: `api.rs` hands it the routers.

pub(super) mod compressed;
pub(super) mod in_flight;
pub(super) mod listen;
pub(super) mod peer;
pub(super) mod rate_limit;
pub(super) mod receipt;
pub(super) mod unread;
