//! Which state an instance is in: by the `printableStatus` of a machine, or the `phase` of an instance without one. No word
//! of one list means something else in the other.

use tracker_driver_sdk::InstanceState;

pub fn of(word: &str) -> InstanceState {
    match word {
        // `WaitingForReceiver` and `WaitingForSync`: it is to take over a machine from another cluster, and does not run yet.
        "Provisioning" | "Starting" | "WaitingForVolumeBinding" | "WaitingForReceiver" => InstanceState::Pending,
        "Pending" | "Scheduling" | "Scheduled" | "WaitingForSync" => InstanceState::Pending,
        // KubeVirt migrates only what runs, and it runs on.
        "Running" | "Migrating" => InstanceState::Running,
        "Stopping" => InstanceState::Stopping,
        "Stopped" | "Paused" => InstanceState::Stopped,
        "Terminating" => InstanceState::ShuttingDown,
        // An instance without a machine is not started again.
        "Succeeded" => InstanceState::Finish,
        "CrashLoopBackOff" | "Failed" => InstanceState::Error,
        "DataVolumeError"
        | "ErrImagePull"
        | "ErrorDataVolumeNotFound"
        | "ErrorPvcNotFound"
        | "ErrorUnschedulable"
        | "ImagePullBackOff" => InstanceState::Error,
        // `Unknown`, too: the node does not answer.
        _ => InstanceState::Unknown,
    }
}
