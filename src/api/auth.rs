//! Who asks: names and credentials in headers, the proof of credentials and its bounds, tokens and their bearers. `caller`
//! puts these together, and is what handlers ask for.

mod authenticate;
pub(super) mod bearer;
pub(super) mod caller;
pub(super) mod identify;
pub(super) mod proof;
pub(super) mod tickets;
pub(super) mod token_secret;
