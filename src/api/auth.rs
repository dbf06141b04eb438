//! Authentication: names and credentials in headers, the proof of credentials and its limits, tokens and their bearers.
//! `caller` combines these for the handlers.

mod authenticate;
pub(super) mod bearer;
pub(super) mod caller;
pub(super) mod identify;
pub(super) mod proof;
pub(super) mod tickets;
pub(super) mod token_secret;
