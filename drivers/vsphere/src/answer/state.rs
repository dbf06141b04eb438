//! The state of a virtual machine: its power, as far as the server is connected to it.

use tracker_driver_sdk::InstanceState;

/// Reads `runtime.powerState` and `runtime.connectionState`. Of a virtual machine that the server is not connected to, the
/// power is what it last was; then both words are the provider's state, and the state is not known.
pub fn state(power: &str, connection: &str) -> (InstanceState, String) {
    match (power, connection) {
        (power, "connected") => (of_power(power), power.to_owned()),
        (power, "") => (InstanceState::Unknown, power.to_owned()),
        ("", connection) => (InstanceState::Unknown, connection.to_owned()),
        (power, connection) => (InstanceState::Unknown, format!("{power}/{connection}")),
    }
}

fn of_power(word: &str) -> InstanceState {
    match word {
        "poweredOn" => InstanceState::Running,
        "poweredOff" | "suspended" => InstanceState::Stopped,
        _ => InstanceState::Unknown,
    }
}
