//! The requests of a driver: what they may reach, with which secrets, and who sends them.

pub(super) mod egress;
pub(super) mod pulse;
pub(crate) mod secrets;
pub(crate) mod signing;
pub(super) mod skew;
pub mod wire;
pub(super) mod withheld;
