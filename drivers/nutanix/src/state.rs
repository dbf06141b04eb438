//! Which state a machine is in, by its power state.

use tracker_driver_sdk::InstanceState;

pub fn of(word: &str) -> InstanceState {
    match word {
        "ON" => InstanceState::Running,
        "OFF" | "PAUSED" | "SUSPENDED" => InstanceState::Stopped,
        // `UNDETERMINED` and `$UNKNOWN`, and `$REDACTED`, which a user without the right to see it gets.
        _ => InstanceState::Unknown,
    }
}
