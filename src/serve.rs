//! The composition root: makes every part of a host from its configuration, wires them, and runs their loops
//! side by side until the one token ends them. Nothing here outlives `run`, and nothing is detached.

mod drivers;

pub use drivers::{Drivers, DriversError};
