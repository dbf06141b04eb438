//! States. Whether a machine is on is its power state, a code among those of its instance view. What Azure is doing
//! with it is its provisioning state, which counts where there is no power state, and where the machine is being
//! deleted.

use serde::Deserialize;
use tracker_driver_sdk::InstanceState;

/// The run-time state of a machine.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct View {
    #[serde(default)]
    statuses: Option<Vec<Status>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Status {
    code: Option<String>,
}

const POWER: &str = "PowerState/";

/// Kinds of codes that say nothing of whether a machine is on.
const OTHER_KINDS: [&str; 5] =
    ["ProvisioningState/", "OSState/", "HibernationState/", "VMAgentState/", "MaintenanceState/"];

impl View {
    /// Whether it is a view at all.
    pub(crate) fn has_statuses(&self) -> bool {
        self.statuses.is_some()
    }

    /// The code of the power state. A code of no known kind is taken for it where there is no other: it is shown as it
    /// is.
    pub fn power(&self) -> Option<&str> {
        let codes = || self.statuses.iter().flatten().filter_map(|status| status.code.as_deref());
        let is_known = |code: &str| OTHER_KINDS.iter().any(|kind| begins(code, kind));
        let power = codes().find(|code| begins(code, POWER));
        power.or_else(|| codes().find(|code| !code.is_empty() && !is_known(code)))
    }

    /// A view of a power state alone, as Resource Graph has it.
    pub(crate) fn of_power(code: String) -> View {
        View { statuses: Some(vec![Status { code: Some(code) }]) }
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// The state, and Azure's word for it. Azure varies the case of its words.
pub fn state(power: Option<&str>, provisioning: Option<&str>) -> (InstanceState, String) {
    let doing = provisioning.unwrap_or_default();
    if doing.eq_ignore_ascii_case("Deleting") {
        return (InstanceState::ShuttingDown, doing.to_owned());
    }
    if let Some(code) = power {
        let word = if begins(code, POWER) { code[POWER.len()..].to_ascii_lowercase() } else { String::new() };
        let state = match word.as_str() {
            "creating" | "starting" => InstanceState::Pending,
            "running" => InstanceState::Running,
            "stopping" | "deallocating" | "hibernating" => InstanceState::Stopping,
            "stopped" | "deallocated" | "hibernated" => InstanceState::Stopped,
            // `unknown`, too.
            _ => InstanceState::Unknown,
        };
        return (state, code.to_owned());
    }
    let state = match doing.to_ascii_lowercase().as_str() {
        "creating" => InstanceState::Pending,
        "failed" => InstanceState::Error,
        // `Succeeded`, `Updating`, `Migrating` and the like say what was done with a machine, and not whether it is on.
        _ => InstanceState::Unknown,
    };
    (state, doing.to_owned())
}
