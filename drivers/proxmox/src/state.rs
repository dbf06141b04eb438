//! Which state a guest is in: what its status says, unless its lock says that it is on its way to another one.

use tracker_driver_sdk::InstanceState;

/// The state of a guest, and the provider's word that it comes from.
pub fn of_guest(status: String, lock: Option<String>) -> (InstanceState, String) {
    match lock.filter(|lock| !lock.is_empty()) {
        Some(lock) => match of_lock(&lock) {
            Some(state) => (state, lock),
            None => (of_status(&status), status),
        },
        None => (of_status(&status), status),
    }
}

/// The state of a locked guest. Nothing where the guest is on or off under the lock as without it.
fn of_lock(lock: &str) -> Option<InstanceState> {
    Some(match lock {
        "backup" | "disk" | "fstrim" | "migrate" | "mounted" | "rollback" | "snapshot" | "snapshot-delete" => {
            return None;
        }
        // Its memory is on disk: it is off, or it is just started from there, and the status tells which.
        "suspended" => return None,
        // A guest that is cloned from has no such lock: this is the new one.
        "clone" | "create" => InstanceState::Pending,
        "suspending" => InstanceState::Stopping,
        "destroyed" => InstanceState::ShuttingDown,
        _ => InstanceState::Unknown,
    })
}

/// A container is `running` or `stopped`. A virtual machine that has a process has QEMU's word for its run state.
fn of_status(status: &str) -> InstanceState {
    match status {
        "running" => InstanceState::Running,
        // Its memory is being read.
        "inmigrate" | "restore-vm" => InstanceState::Pending,
        // It was powered off, and its process is about to end.
        "shutdown" => InstanceState::Stopping,
        // `prelaunch`: a machine that is off has a process without running while it is backed up.
        "stopped" | "paused" | "prelaunch" | "suspended" => InstanceState::Stopped,
        // QEMU paused it for a failure.
        "guest-panicked" | "internal-error" | "io-error" | "watchdog" => InstanceState::Error,
        // `unknown`, which is the API's own word, and those that do not say what comes next: `save-vm`, `finish-migrate`,
        // `postmigrate`, `colo`, `debug`, `preconfig`.
        _ => InstanceState::Unknown,
    }
}
