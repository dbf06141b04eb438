//! What the three words mean that Vultr has for an instance: of its subscription, its power and its server.

use tracker_driver_sdk::InstanceState;

/// The state of an instance, and the three words as one: `active/running/ok`.
pub fn of(status: &str, power: &str, server: &str) -> (InstanceState, String) {
    (state(status, power, server), format!("{status}/{power}/{server}"))
}

fn state(status: &str, power: &str, server: &str) -> InstanceState {
    match (status, power, server) {
        // A new one has any power status before it is installed.
        ("pending", _, _) | ("active", "running" | "stopped", "installingbooting") => InstanceState::Pending,
        // Neither a lock nor an unknown health takes power away.
        ("active", "running", "ok" | "none" | "locked" | "isomounting") => InstanceState::Running,
        ("active", "stopped", "ok" | "none") | ("suspended", "stopped", _) => InstanceState::Stopped,
        // `active/stopped/locked`, too: a new instance is so on its way to `active/running/ok`, and so is one that is
        // restored. One that is resized goes off and on. One that is suspended and still has power may lose it.
        _ => InstanceState::Unknown,
    }
}
