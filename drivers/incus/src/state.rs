//! Which state an instance is in, by its status. The words are those of the API's status codes, which containers and virtual
//! machines share.

use tracker_driver_sdk::InstanceState;

pub fn of(status: &str) -> InstanceState {
    match status {
        "Starting" => InstanceState::Pending,
        // `Ready`: it runs, and has said from within that it is ready. `Thawed`: it runs again.
        "Running" | "Ready" | "Started" | "Thawed" => InstanceState::Running,
        // `Aborting`: it failed to start, and its processes are being ended.
        "Stopping" | "Aborting" | "Freezing" => InstanceState::Stopping,
        "Stopped" | "Frozen" => InstanceState::Stopped,
        "Error" => InstanceState::Error,
        _ => InstanceState::Unknown,
    }
}
