//! What a server's status means. Nova makes it of the server's `vm_state` and of the task under way.

use tracker_driver_sdk::InstanceState;

/// Of `OS-EXT-STS:power_state`.
const RUNNING: i64 = 1;
const PAUSED: i64 = 3;
const SHUTDOWN: i64 = 4;
const SUSPENDED: i64 = 7;

pub(crate) fn state(status: &str, power: Option<i64>) -> InstanceState {
    match status {
        "BUILD" => InstanceState::Pending,
        // Nova gives these to a server that is `active`, or runs a rescue image.
        "ACTIVE" | "REBOOT" | "HARD_REBOOT" | "PASSWORD" | "RESCUE" => InstanceState::Running,
        "SHUTOFF" | "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED" => InstanceState::Stopped,
        "SOFT_DELETED" => InstanceState::ShuttingDown,
        "DELETED" => InstanceState::Finish,
        "ERROR" => InstanceState::Error,
        // A server that is migrated or was resized is as it was before: on or off.
        "MIGRATING" | "VERIFY_RESIZE" => match power {
            Some(RUNNING) => InstanceState::Running,
            Some(PAUSED | SHUTDOWN | SUSPENDED) => InstanceState::Stopped,
            _ => InstanceState::Unknown,
        },
        // `REBUILD`, `RESIZE` and `REVERT_RESIZE`, too: the server was on or off, goes off meanwhile, and its power state is
        // that of before. `UNKNOWN` is Nova's own word for what it does not know.
        _ => InstanceState::Unknown,
    }
}
