//! A mapping that a test changes in the built file, to make another version of this driver of it.

use crate::exports::tracker::driver::inventory::{Instance, InstanceState};

/// `1` here makes a running instance of one that is "up", `2` a stopped one; anything else is the version's number.
static VERSION: [u8; 17] = *b"faulty-version=1.";

/// The number of this version.
pub(crate) fn version() -> u8 {
    std::hint::black_box(&VERSION)[15] - b'0'
}

/// The one instance, as this version maps it.
pub(crate) fn mapped() -> Instance {
    let state = match version() {
        2 => InstanceState::Stopped,
        _ => InstanceState::Running,
    };
    Instance { state, provider_state: "up".into(), ..crate::instance("i-1") }
}
