//! A virtual machine's status (`VmStatus` in the API reference), and three words that only version 3 has.

use tracker_driver_sdk::InstanceState;

/// What a word says. The case varies between versions of the API.
pub fn of(word: &str) -> InstanceState {
    match word.to_ascii_lowercase().as_str() {
        // The process runs in all of these: the guest is moved live, or restarts by itself.
        "up" | "migrating" | "reboot_in_progress" => InstanceState::Running,
        // About to run, or the guest is being loaded.
        "wait_for_launch" | "powering_up" | "restoring_state" => InstanceState::Pending,
        "powering_down" | "saving_state" | "powered_down" => InstanceState::Stopping,
        // A paused one does not go on until it is started again. One with a locked image is down, and its disks are worked on.
        "down" | "suspended" | "paused" | "image_locked" => InstanceState::Stopped,
        "image_illegal" => InstanceState::Error,
        // `unknown` and `not_responding`: the process may run or not. `unassigned`: the engine got no status that it knows.
        _ => InstanceState::Unknown,
    }
}
