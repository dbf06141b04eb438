//! An instance's state: EC2's own six words, and those that compatible clouds have beside them.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, InstanceState};

/// `<code>16</code><name>running</name>`. The word counts, and is kept as it came; where there is none the code stands for
/// it. The code's high byte is for AWS's own use and may be anything ("InstanceState" in the EC2 API reference).
pub(super) fn read<R: BufRead>(xml: &mut Reader<R>) -> Result<(InstanceState, String), Error> {
    let (mut code, mut word) = (None, String::new());
    while let Some(name) = xml.child()? {
        match name {
            "code" => code = xml.text()?.trim().parse::<u32>().ok().map(|code| code & 0xff),
            "name" => word = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    let of_code = code.and_then(of_code);
    match of_code {
        Some((state, own)) if word.is_empty() => Ok((state, own.to_owned())),
        _ => Ok((of_word(&word, of_code.map(|(state, _)| state)), word)),
    }
}

/// Whether a reason says more of an instance that does not run than its state does: it hibernates, AWS ended it (a spot
/// instance, a host to be retired, no capacity), or it never came up ("StateReason" in the EC2 API reference). The others
/// are of stops and ends that somebody asked for.
pub(super) fn tells_more(state: InstanceState, reason: &str) -> bool {
    let has_ended = matches!(
        state,
        InstanceState::Stopping | InstanceState::Stopped | InstanceState::ShuttingDown | InstanceState::Finish
    );
    let own = matches!(
        reason,
        "Client.UserInitiatedHibernate"
            | "Client.InternalError"
            | "Client.InvalidSnapshot.NotFound"
            | "Client.VolumeLimitExceeded"
    );
    has_ended && (own || reason.strip_prefix("Server.").is_some_and(|rest| !rest.is_empty()))
}

/// What a code stands for.
fn of_code(code: u32) -> Option<(InstanceState, &'static str)> {
    match code {
        0 => Some((InstanceState::Pending, "pending")),
        16 => Some((InstanceState::Running, "running")),
        32 => Some((InstanceState::ShuttingDown, "shutting-down")),
        48 => Some((InstanceState::Finish, "terminated")),
        64 => Some((InstanceState::Stopping, "stopping")),
        80 => Some((InstanceState::Stopped, "stopped")),
        _ => None,
    }
}

fn of_word(word: &str, of_code: Option<InstanceState>) -> InstanceState {
    match word {
        "pending" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "shutting-down" => InstanceState::ShuttingDown,
        "terminated" => InstanceState::Finish,
        "stopping" => InstanceState::Stopping,
        "stopped" => InstanceState::Stopped,
        other => of_compatible_cloud(&other.to_ascii_lowercase(), of_code),
    }
}

/// The words of OpenStack's EC2 APIs (which pass on Nova's own), Eucalyptus's and CloudStack's, whatever their case. A word
/// that is in no such list is never judged by its code.
fn of_compatible_cloud(word: &str, of_code: Option<InstanceState>) -> InstanceState {
    match word {
        "pending" | "build" | "building" | "scheduling" | "networking" | "spawning" | "starting" => {
            InstanceState::Pending
        }
        "running" | "active" | "rescue" | "rescued" => InstanceState::Running,
        "stopping" | "powering-off" | "pausing" | "suspending" | "shelving" => InstanceState::Stopping,
        "stopped" | "shutoff" | "shutdown" | "pause" | "paused" | "suspend" | "suspended" | "shelved"
        | "shelved_offloaded" => InstanceState::Stopped,
        "shutting-down" | "deleting" | "teardown" => InstanceState::ShuttingDown,
        "terminated" | "deleted" | "soft-delete" | "soft_deleted" | "destroyed" | "expunging" | "expunged"
        | "buried" => InstanceState::Finish,
        "error" | "failed" | "crashed" => InstanceState::Error,
        // It goes on as it was, on another host or with another size: the code says which.
        "migrate" | "migrating" | "resize" | "resized" | "verify_resize" | "reboot" | "rebooting" => {
            of_code.unwrap_or(InstanceState::Unknown)
        }
        _ => InstanceState::Unknown,
    }
}
